//! `application/x-www-form-urlencoded` (URL standard, section 5.1).

use memchr::memchr;
use percent_encoding::percent_decode;

use super::step::{Found, Step};

pub(super) struct Urlencoded {
    field: String,
    /// Where the next pair begins.
    at: usize,
    /// How far its end was already looked for.
    looked: usize,
    over: bool,
}

impl Urlencoded {
    pub(super) fn new(field: &str) -> Self {
        Self { field: field.to_owned(), at: 0, looked: 0, over: false }
    }

    pub(super) fn next(&mut self, seen: &[u8], whole: bool) -> Step {
        while !self.over {
            let fresh = seen.get(self.looked..).unwrap_or_default();
            let (end, next) = match memchr(b'&', fresh) {
                Some(offset) => (self.looked + offset, self.looked + offset + 1),
                None if whole => {
                    self.over = true;
                    (seen.len(), seen.len())
                }
                None => {
                    self.looked = seen.len();
                    return Step::More;
                }
            };
            let begin = std::mem::replace(&mut self.at, next);
            self.looked = next;
            let pair = seen.get(begin..end).unwrap_or_default();
            if let Some(value) = self.value_of(pair) {
                // The last pair goes with the separator before it, any other with the one after it.
                let begin = if next == end { begin.saturating_sub(1) } else { begin };
                return Step::Found(Found { value, span: Some(begin..next) });
            }
        }
        Step::End
    }

    fn value_of(&self, pair: &[u8]) -> Option<String> {
        let (name, value) = match memchr(b'=', pair) {
            Some(equals) => (pair.get(..equals)?, pair.get(equals + 1..)?),
            None => (pair, &b""[..]),
        };
        (decoded(name) == self.field).then(|| decoded(value))
    }
}

fn decoded(text: &[u8]) -> String {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaced).decode_utf8_lossy().into_owned()
}
