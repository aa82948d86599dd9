//! The head of an HTTP/1 request: request line and header fields, each line judged once, as it becomes whole.

use std::ops::Range;

use palisade_model::Denial;
use palisade_policy::section::edge::WireLimits;

use super::field::{self, Options, Singles};
use super::{Violation, host, target};

/// How the body behind a head is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes; mostly none.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// What a strict head says of the bytes behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) framing: Framing,
    /// Nothing behind this message will be read.
    pub(super) last: bool,
    /// The connection becomes a WebSocket, if the service agrees.
    pub(super) upgrade: bool,
}

/// A head on its way in. Offsets count from its first byte.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// Where the line begins that is not whole yet.
    line: usize,
    /// What has been searched for the end of that line.
    searched: usize,
    /// Whether the request line was judged.
    begun: bool,
    /// Whether an empty line came before it.
    blank: bool,
    /// Whether the method is HEAD, so that a refusal has no body.
    is_head: bool,
    old: bool,
    get: bool,
    authority: Option<Range<usize>>,
    host: Option<Range<usize>>,
    length: Option<u64>,
    chunked: bool,
    options: Options,
    websocket: bool,
    upgrade_fields: usize,
    fields: usize,
    singles: Singles,
}

impl Head {
    /// Whether the request asks for a head alone.
    pub(super) fn is_head(&self) -> bool {
        self.is_head
    }

    /// Judges what is there of a head. Gives its length and facts once it is whole.
    ///
    /// `input` begins with the first byte of the head, and only ever grows from call to call.
    pub(super) fn advance(
        &mut self,
        input: &[u8],
        limits: &WireLimits,
    ) -> Result<Option<(usize, Facts)>, Violation> {
        while let Some(end) = find_line(input, self.searched) {
            self.begins_well(input, end, limits)?;
            if self.begun && end >= limits.header_bytes {
                return Err(TOO_LARGE);
            }
            let line = line(input, self.line, end)?;
            let start = self.line;
            self.line = end + 1;
            self.searched = end + 1;
            if !self.begun {
                self.request_line(line, start)?;
            } else if line.is_empty() {
                return self.facts(input).map(|facts| Some((end + 1, facts)));
            } else {
                self.field(line, start, limits)?;
            }
        }
        self.searched = input.len();
        self.begins_well(input, input.len(), limits)?;
        if self.begun && input.len() > limits.header_bytes {
            return Err(TOO_LARGE);
        }
        Ok(None)
    }

    /// Judges what can be judged of a request line before it is whole. Whole lines are judged so too, and before all
    /// else, so that the verdict does not depend on how the bytes came.
    fn begins_well(&self, input: &[u8], end: usize, limits: &WireLimits) -> Result<(), Violation> {
        if self.begun {
            return Ok(());
        }
        let line = input.get(self.line..end).unwrap_or_default();
        if line.strip_suffix(b"\r").unwrap_or(line).len() > limits.uri_bytes {
            return Err(LINE_TOO_LONG);
        }
        match line.first() {
            Some(first) if !first.is_ascii_alphabetic() && *first != b'\r' => Err(NO_METHOD),
            _ => Ok(()),
        }
    }

    fn request_line(&mut self, line: &[u8], start: usize) -> Result<(), Violation> {
        if line.is_empty() && !self.blank {
            // RFC 9112 section 2.2: one empty line in front is forgiven.
            self.blank = true;
            return Ok(());
        }
        let mut words = line.splitn(3, |byte| *byte == b' ');
        let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
            return Err(if method_of(line).is_ok() { NO_VERSION } else { NO_METHOD });
        };
        self.method(method)?;
        self.version(version)?;
        let authority = target::judge(target, method == b"OPTIONS")?;
        let before = start + method.len() + 1;
        self.authority = authority.map(|range| range.start + before..range.end + before);
        self.begun = true;
        Ok(())
    }

    fn method(&mut self, method: &[u8]) -> Result<(), Violation> {
        match method_of(method)? {
            b"GET" => self.get = true,
            b"HEAD" => self.is_head = true,
            b"POST" | b"PUT" | b"PATCH" | b"DELETE" | b"OPTIONS" => {}
            _ => return Err(UNKNOWN_METHOD),
        }
        Ok(())
    }

    fn version(&mut self, version: &[u8]) -> Result<(), Violation> {
        match version {
            b"HTTP/1.1" => {}
            b"HTTP/1.0" => self.old = true,
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                return Err(Violation::new(Denial::VersionUnsupported, "version is neither 1.0 nor 1.1"));
            }
            _ => return Err(NO_VERSION),
        }
        Ok(())
    }

    fn field(&mut self, line: &[u8], start: usize, limits: &WireLimits) -> Result<(), Violation> {
        self.fields += 1;
        if self.fields > limits.headers {
            return Err(Violation::new(Denial::HeadersTooLarge, "too many header fields"));
        }
        let (length, odd) = field::token_length(line);
        let (name, rest) = line.split_at_checked(length).unwrap_or((line, &[]));
        let Some(raw) = rest.strip_prefix(b":") else { return Err(bad_name(name, rest)) };
        if name.is_empty() {
            return Err(Violation::malformed("header without a name"));
        }
        field::judge_value(raw)?;
        if odd {
            return field::judge_odd_name(name);
        }
        self.known(name, raw, start + length + 1)
    }

    /// Judges the fields that this layer reads itself. `at` is where the raw value begins.
    fn known(&mut self, name: &[u8], raw: &[u8], at: usize) -> Result<(), Violation> {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                let value = plain(raw)?;
                host::judge(value)?;
                let lead = raw.iter().take_while(|byte| **byte == b' ').count();
                self.host = Some(at + lead..at + lead + value.len());
                self.singles.note(name)
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                // Before the value: two of them are ambiguous, whatever they say.
                self.singles.note(name)?;
                self.length = Some(field::content_length(plain(raw)?)?);
                Ok(())
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                self.singles.note(name)?;
                if !plain(raw)?.eq_ignore_ascii_case(b"chunked") {
                    return Err(Violation::ambiguous("transfer encoding other than chunked"));
                }
                self.chunked = true;
                Ok(())
            }
            10 if name.eq_ignore_ascii_case(b"connection") => self.options.add(raw),
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.upgrade_fields += 1;
                self.websocket = raw.trim_ascii().eq_ignore_ascii_case(b"websocket");
                Ok(())
            }
            6 if name.eq_ignore_ascii_case(b"expect") => {
                if !raw.trim_ascii().eq_ignore_ascii_case(b"100-continue") {
                    return Err(Violation::new(Denial::ExpectationUnknown, "unknown expectation"));
                }
                self.singles.note(name)
            }
            5 | 6 | 7 | 10 | 12 | 13 => self.singles.note(name),
            _ => Ok(()),
        }
    }

    /// Judges the head as a whole.
    fn facts(&self, input: &[u8]) -> Result<Facts, Violation> {
        if self.chunked && self.old {
            return Err(Violation::ambiguous("transfer encoding in HTTP/1.0"));
        }
        if self.chunked && self.length.is_some() {
            return Err(Violation::ambiguous("both content length and transfer encoding"));
        }
        let text = |range: &Range<usize>| input.get(range.clone()).unwrap_or_default();
        match (&self.host, &self.authority) {
            (None, _) if !self.old => return Err(Violation::malformed("no host")),
            (Some(host), Some(authority)) if !text(host).eq_ignore_ascii_case(text(authority)) => {
                return Err(Violation::ambiguous("host differs from the authority of the target"));
            }
            _ => {}
        }
        let framing = if self.chunked { Framing::Chunked } else { Framing::Length(self.length.unwrap_or(0)) };
        let upgrade = self.get
            && !self.old
            && self.websocket
            && self.upgrade_fields == 1
            && self.options.upgrade
            && framing == Framing::Length(0);
        let last = self.options.close || (self.old && !self.options.keep_alive);
        Ok(Facts { framing, last, upgrade })
    }
}

const TOO_LARGE: Violation = Violation::new(Denial::HeadersTooLarge, "head is too long");
const LINE_TOO_LONG: Violation = Violation::new(Denial::UriTooLong, "request line is too long");
const NO_METHOD: Violation = Violation::malformed("request line does not begin with a method");
const NO_VERSION: Violation = Violation::malformed("request line does not end with a version");
const UNKNOWN_METHOD: Violation = Violation::new(Denial::MethodUnsupported, "method that is not supported");

/// A method is a token of letters that someone could have meant.
fn method_of(text: &[u8]) -> Result<&[u8], Violation> {
    let word = text.split(|byte| *byte == b' ').next().unwrap_or_default();
    let named = field::is_token(word) && word.first().is_some_and(u8::is_ascii_alphabetic);
    if named { Ok(word) } else { Err(NO_METHOD) }
}

fn find_line(input: &[u8], from: usize) -> Option<usize> {
    memchr::memchr(b'\n', input.get(from..)?).map(|at| from + at)
}

/// The line that ends with the line feed at `end`, without its line break.
fn line(input: &[u8], start: usize, end: usize) -> Result<&[u8], Violation> {
    let line = input.get(start..end).unwrap_or_default();
    line.strip_suffix(b"\r").ok_or(Violation::ambiguous("line feed without a carriage return"))
}

#[cold]
fn bad_name(name: &[u8], rest: &[u8]) -> Violation {
    match (name, rest.first()) {
        ([], Some(b' ' | b'\t')) => Violation::ambiguous("folded header line"),
        (_, Some(b' ' | b'\t')) if rest.contains(&b':') => Violation::ambiguous("space before the colon"),
        (_, None) => Violation::malformed("header line without a colon"),
        _ => Violation::malformed("header name is not a token"),
    }
}

/// The value of a field that frames or addresses the message: with spaces around it at the most. Other white space
/// is where lenient readers part.
fn plain(raw: &[u8]) -> Result<&[u8], Violation> {
    if raw.contains(&b'\t') {
        return Err(Violation::ambiguous("tab in a field that frames the message"));
    }
    Ok(raw.trim_ascii())
}
