//! The path of a request (EDGE-6).
//!
//! Routes are matched on the path as it was sent, and the application behind decodes it in its own way. So a path
//! passes only if decoding it once, twice or not at all, folding its dots and dropping its parameters, all lead to
//! the same place.

use super::Violation;

/// Bytes that stand for themselves in every reading.
const PLAIN: u8 = 0;
/// `.`: plain, unless a segment is made of dots alone.
const DOT: u8 = 1;
/// `/`.
const SLASH: u8 = 2;
/// `%`.
const ESCAPE: u8 = 4;
/// Bytes that no path holds.
const BAD: u8 = 8;

#[expect(clippy::indexing_slicing, reason = "made by the compiler, which sees to the bounds")]
const CLASS: [u8; 256] = {
    let mut class = [BAD; 256];
    let plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~!$&'()*+,=:@[]|^";
    let mut i = 0;
    while i < plain.len() {
        class[plain[i] as usize] = PLAIN;
        i += 1;
    }
    class[b'.' as usize] = DOT;
    class[b'/' as usize] = SLASH;
    class[b'%' as usize] = ESCAPE;
    class
};

/// Judges an absolute path, without its query.
///
/// # Errors
/// The rule that it breaks.
pub fn judge(path: &str) -> Result<(), Violation> {
    judge_bytes(path.as_bytes())
}

pub(crate) fn judge_bytes(path: &[u8]) -> Result<(), Violation> {
    let Some(rest) = path.strip_prefix(b"/") else {
        return Err(Violation::malformed("path does not begin with a slash"));
    };
    // One pass over the common case: plain segments. `boundary` holds between a slash and what follows it.
    let (mut boundary, mut seen) = (true, 0);
    for &byte in rest {
        let class = class_of(byte);
        seen |= class;
        if boundary && class != PLAIN {
            // A segment that begins with a dot, a slash or an escape is looked at as a whole.
            seen |= ESCAPE;
        }
        boundary = class == SLASH;
    }
    if seen & BAD != 0 {
        return Err(bad_byte(rest));
    }
    if seen & ESCAPE != 0 { judge_decoded(rest) } else { Ok(()) }
}

#[expect(clippy::indexing_slicing, reason = "a byte is always within 256 entries")]
const fn class_of(byte: u8) -> u8 {
    CLASS[byte as usize]
}

#[cold]
fn bad_byte(path: &[u8]) -> Violation {
    let byte = path.iter().copied().find(|byte| class_of(*byte) == BAD).unwrap_or_default();
    match byte {
        b'\\' => Violation::path("backslash in the path"),
        b';' => Violation::path("path parameters"),
        b'#' => Violation::path("fragment in the request"),
        0..=0x1f | 0x7f => Violation::path("control byte in the path"),
        0x80.. => Violation::path("raw byte over 127 in the path"),
        _ => Violation::path("byte in the path that must be percent-encoded"),
    }
}

/// Walks over the decoded path: escapes one by one, and what lies between slashes piece by piece.
fn judge_decoded(path: &[u8]) -> Result<(), Violation> {
    let mut piece = Piece::default();
    let mut utf8 = Utf8::default();
    let mut after_slash = true;
    let mut bytes = path.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'/' if after_slash => return Err(Violation::path("empty segment")),
            b'/' => {
                utf8.expect_none()?;
                piece.end()?;
                after_slash = true;
                continue;
            }
            b'%' => {
                let decoded = escape(bytes.next().copied(), bytes.next().copied())?;
                if decoded == b'%' && escape_follows(bytes.as_slice()) {
                    return Err(Violation::path("escape of an escape"));
                }
                if let Some(character) = utf8.push(decoded)? {
                    piece.push(character)?;
                }
            }
            _ => {
                utf8.expect_none()?;
                piece.push(char::from(byte))?;
            }
        }
        after_slash = false;
    }
    utf8.expect_none()?;
    piece.end()
}

/// The byte that an escape stands for, if it is one that has to be escaped.
fn escape(high: Option<u8>, low: Option<u8>) -> Result<u8, Violation> {
    let digit =
        |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let (Some(high), Some(low)) = (digit(high), digit(low)) else {
        return Err(Violation::path("percent sign without two hexadecimal digits"));
    };
    match high << 4 | low {
        0 => Err(Violation::path("encoded NUL")),
        0x01..=0x1f | 0x7f => Err(Violation::path("encoded control byte")),
        b'/' | b'\\' => Err(Violation::path("encoded separator")),
        b'.' => Err(Violation::path("encoded dot")),
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
            Err(Violation::path("encoded letter, digit or mark that needs no encoding"))
        }
        byte => Ok(byte),
    }
}

fn escape_follows(rest: &[u8]) -> bool {
    matches!(rest, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

/// What lies between two separators, in the eyes of the most generous reader.
#[derive(Default)]
struct Piece {
    dots: usize,
    other: bool,
}

impl Piece {
    fn push(&mut self, character: char) -> Result<(), Violation> {
        match character {
            // Compatibility forms fold to the plain ones (Unicode NFKC, best-fit code pages).
            '.' | '\u{2024}' | '\u{fe52}' | '\u{ff0e}' => self.dots += 1,
            '\u{2025}' => self.dots += 2,
            // Some readers cut at these, folded or not.
            ';' | '\u{ff0f}' | '\u{ff3c}' | '\u{fe68}' | '\u{2215}' | '\u{2044}' => return self.end(),
            // Some file systems drop spaces at the end of a name.
            ' ' => {}
            '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
                return Err(Violation::path("encoded control character"));
            }
            _ => self.other = true,
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Violation> {
        let done = std::mem::take(self);
        if !done.other && matches!(done.dots, 1 | 2) {
            return Err(Violation::path("dot segment"));
        }
        Ok(())
    }
}

/// Puts characters together from escaped bytes, strictly: no overlong forms, no surrogates.
#[derive(Default)]
struct Utf8 {
    bytes: [u8; 4],
    have: usize,
    want: usize,
}

const NOT_UTF8: Violation = Violation::path("encoded bytes are not UTF-8");

impl Utf8 {
    fn push(&mut self, byte: u8) -> Result<Option<char>, Violation> {
        if self.have == 0 {
            self.want = match byte {
                0..=0x7f => return Ok(Some(char::from(byte))),
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => return Err(NOT_UTF8),
            };
        }
        *self.bytes.get_mut(self.have).ok_or(NOT_UTF8)? = byte;
        self.have += 1;
        if self.have < self.want {
            return Ok(None);
        }
        let whole = self.bytes.get(..self.have).unwrap_or_default();
        let character =
            std::str::from_utf8(whole).ok().and_then(|text| text.chars().next()).ok_or(NOT_UTF8)?;
        self.have = 0;
        Ok(Some(character))
    }

    /// An unescaped byte cannot continue a character.
    fn expect_none(&self) -> Result<(), Violation> {
        if self.have == 0 { Ok(()) } else { Err(NOT_UTF8) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: EDGE-6
    #[test]
    fn honest_paths_pass() {
        for path in [
            "/",
            "/a",
            "/a/",
            "/a/b.html",
            "/.well-known/jwks.json",
            "/.palisade/assets/a-1.css",
            "/a...b/..c/d../...",
            "/api/v1/users/joe%40example.com",
            "/caf%C3%A9/%e6%97%a5%e6%9c%ac.txt",
            "/search/a%20b",
            "/%20",
            "/50%25",
            "/50%25/x",
            "/50%25x1",
            "/a%3Bb",
            "/wiki/A%2BB_(c)",
            "/~joe/x@2x.png",
            "/a,b=c!$&'()*+:",
            "/[id]/|/^",
            "/%E2%80%A6",
            "/%F0%9F%8C%8D",
        ] {
            assert_eq!(judge(path), Ok(()), "{path}");
        }
    }

    // proves: EDGE-6
    #[test]
    fn other_spellings_of_a_protected_path_do_not() {
        for path in [
            "",
            "a",
            "*",
            "//",
            "//a",
            "/a//b",
            "/a//",
            "/.",
            "/..",
            "/./a",
            "/../a",
            "/a/.",
            "/a/..",
            "/a/../b",
            "/a/./b",
            "/a/..;/b",
            "/a/.;x/b",
            "/a;b",
            "/;/a",
            "/a/..%3b/b",
            "/a/..%3Bx",
            "/a/..%20/b",
            "/a/.%20",
            "/%2e",
            "/%2e%2e/a",
            "/.%2e/a",
            "/%2E./a",
            "/a%2ehtml",
            "/%252e%252e/a",
            "/%25252e/a",
            "/a%252fb",
            "/%2561dmin",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a%5C..",
            "/a\\b",
            "/a\\..\\b",
            "/a%00",
            "/a%00.png",
            "/a%0d%0aX:y",
            "/a%09",
            "/a%7f",
            "/%61dmin",
            "/adm%69n",
            "/%41",
            "/%30",
            "/a%2Db",
            "/a%5Fb",
            "/%7Ejoe",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%u002e",
            "/a%+1",
            "/a% 1",
            "/%c0%ae%c0%ae/a",
            "/%c0%af",
            "/%e0%80%ae",
            "/%e9",
            "/%c3",
            "/%c3/%a9",
            "/%c3a",
            "/%c3%28",
            "/%ff",
            "/%ed%a0%80",
            "/%f5%80%80%80",
            "/%80",
            "/a/%ef%bc%8e%ef%bc%8e/b",
            "/a/..%ef%bc%8fb",
            "/%e2%80%a5/a",
            "/a/%e2%80%a4%e2%80%a4",
            "/..%e2%88%95a",
            "/a%c2%85b",
            "/a%e2%80%a8b",
            "/a#b",
            "/a b",
            "/a\"b",
            "/<a>",
            "/{a}",
            "/a`b",
            "/a?b",
            "/caf\u{e9}",
            "/a\u{0}",
            "/a\u{7f}",
            "/a\r",
        ] {
            assert!(judge(path).is_err(), "{path:?}");
        }
    }
}
