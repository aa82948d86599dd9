//! Chunked framing (RFC 9112 section 7.1), without its ornaments: no extensions, no trailers.
//!
//! Both are legal and unused, and both have carried smuggled requests. A trailer would also bring header fields past
//! every judge that has already spoken.

use super::Violation;

/// The longest chunk size, in digits: what fits 64 bits.
const DIGITS: u32 = 16;

/// A chunked body on its way in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Chunked {
    /// In a size of so many digits so far.
    Size { value: u64, digits: u32 },
    /// Behind the CR of a size.
    SizeEnd { value: u64 },
    /// So many bytes of data remain.
    Data(u64),
    /// The CR behind data.
    DataEnd,
    /// The LF behind data.
    DataEndFeed,
    /// The CR behind the last chunk.
    LastEnd,
    /// The LF behind the last chunk.
    LastEndFeed,
    /// All was seen.
    Done,
}

impl Chunked {
    pub(super) const fn new() -> Self {
        Self::Size { value: 0, digits: 0 }
    }

    /// Judges the front of the input. Gives how much of it belongs to the body and whether that is all, or what is
    /// wrong behind so many bytes.
    pub(super) fn advance(&mut self, input: &[u8]) -> Result<(usize, bool), (usize, Violation)> {
        let mut used = 0;
        while let Some(rest) = input.get(used..) {
            if let Self::Data(left) = *self {
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                used += take;
                let left = left.saturating_sub(take as u64);
                *self = if left == 0 { Self::DataEnd } else { Self::Data(left) };
                if left > 0 {
                    return Ok((used, false));
                }
                continue;
            }
            if matches!(self, Self::Done) {
                return Ok((used, true));
            }
            let Some(&byte) = rest.first() else { return Ok((used, false)) };
            *self = self.after(byte).map_err(|violation| (used, violation))?;
            used += 1;
        }
        Ok((used, false))
    }

    /// The state behind one byte that is not data.
    fn after(self, byte: u8) -> Result<Self, Violation> {
        match (self, byte) {
            (Self::Size { digits: 0, .. }, b'\r') => Err(Violation::malformed("chunk without a size")),
            (Self::Size { value, .. }, b'\r') => Ok(Self::SizeEnd { value }),
            (Self::Size { value, digits }, _) => match char::from(byte).to_digit(16) {
                Some(_) if digits == DIGITS => Err(Violation::malformed("chunk size is too long")),
                Some(digit) => Ok(Self::Size { value: value << 4 | u64::from(digit), digits: digits + 1 }),
                None if byte == b';' => Err(Violation::ambiguous("chunk extension")),
                None if byte == b'\n' => Err(LINE_FEED),
                None => Err(Violation::malformed("chunk size is not hexadecimal")),
            },
            (Self::SizeEnd { value: 0 }, b'\n') => Ok(Self::LastEnd),
            (Self::SizeEnd { value }, b'\n') => Ok(Self::Data(value)),
            (Self::DataEnd, b'\r') => Ok(Self::DataEndFeed),
            (Self::DataEndFeed, b'\n') => Ok(Self::new()),
            (Self::LastEnd, b'\r') => Ok(Self::LastEndFeed),
            (Self::LastEndFeed, b'\n') => Ok(Self::Done),
            (Self::LastEnd, b'\n') | (Self::DataEnd, b'\n') => Err(LINE_FEED),
            (Self::LastEnd, _) => Err(Violation::ambiguous("trailer")),
            (Self::DataEnd | Self::DataEndFeed, _) => {
                Err(Violation::malformed("chunk is longer than its size"))
            }
            _ => Err(Violation::ambiguous("carriage return without a line feed")),
        }
    }
}

const LINE_FEED: Violation = Violation::ambiguous("line feed without a carriage return");
