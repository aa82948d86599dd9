//! A file of text, as whole as an import needs it.

use std::path::Path;

use crate::cli::failure::Failure;

/// The longest file, in bytes: millions of users.
const LONGEST: u64 = 1 << 30;

/// The text of a file, without a byte order mark.
///
/// # Errors
/// What is wrong with it, and where.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let unreadable = |error| Failure::usage(format_args!("{shown} cannot be read: {error}"));
    let facts = std::fs::metadata(path).map_err(unreadable)?;
    // Reading a pipe or a device may never end.
    if !facts.is_file() {
        return Err(Failure::usage(format_args!("{shown} is no file")));
    }
    if facts.len() > LONGEST {
        return Err(
            Failure::usage(format_args!("{shown} is larger than 1 GiB")).remedy("split it into parts")
        );
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = line_at(error.as_bytes(), error.utf8_error().valid_up_to());
        Failure::usage(format_args!("line {line} of {shown} is not UTF-8"))
            .remedy("save it as UTF-8 and try again")
    })?;
    if let Some(at) = text.bytes().position(|byte| byte == 0) {
        let line = line_at(text.as_bytes(), at);
        return Err(Failure::usage(format_args!(
            "line {line} of {shown} holds a NUL: it is no text, or not UTF-8"
        )));
    }
    Ok(match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    })
}

/// The line, from 1, in which this byte stands.
fn line_at(bytes: &[u8], at: usize) -> u64 {
    let mut lines = Lines::new(bytes);
    lines.reach(at);
    lines.line
}

/// Counts lines up to places that come one after the other. A line ends with LF, CR LF or CR.
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    seen: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, seen: 0, line: 1 }
    }

    /// The line of the first byte at or behind `at` that ends no line: a record's place is told before the line ends
    /// that it skipped.
    pub(super) fn line_of(&mut self, at: u64) -> u64 {
        self.reach(usize::try_from(at).unwrap_or(usize::MAX));
        while self.bytes.get(self.seen).is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
            self.step();
        }
        self.line
    }

    fn reach(&mut self, at: usize) {
        while self.seen < at.min(self.bytes.len()) {
            self.step();
        }
    }

    fn step(&mut self) {
        let (byte, next) = (self.bytes.get(self.seen), self.bytes.get(self.seen.saturating_add(1)));
        let ends = byte == Some(&b'\n') || (byte == Some(&b'\r') && next != Some(&b'\n'));
        self.line = self.line.saturating_add(ends.into());
        self.seen = self.seen.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: ID-3
    #[test]
    fn lines_are_counted_however_they_end() {
        for text in ["a\nb\n\nc", "a\r\nb\r\n\r\nc", "a\rb\r\rc", "a\nb\r\n\rc"] {
            let mut lines = Lines::new(text.as_bytes());
            let at = |what| text.find(what).unwrap() as u64;
            assert_eq!([lines.line_of(at('a')), lines.line_of(at('b'))], [1, 2], "{text:?}");
            assert_eq!(lines.line_of(at('b') + 1), 4, "{text:?}: from the end of the line before");
            assert_eq!(line_at(text.as_bytes(), text.len() - 1), 4, "{text:?}");
        }
    }
}
