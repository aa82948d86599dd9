//! `multipart/form-data` (RFC 7578, RFC 2046 section 5.1), as browsers write it and no other way.
//!
//! Readers differ in what else they accept: bare line feeds, doubled parameters, text before the
//! first delimiter. Here all that is malformed, so that no service finds a field that was not
//! seen here.

use memchr::memmem;

use super::step::{Found, Step};

pub(super) struct Multipart {
    field: String,
    /// `--boundary`.
    delimiter: Vec<u8>,
    /// Where the delimiter of the current part begins.
    part: usize,
    /// How far the next delimiter was already looked for.
    looked: usize,
    over: bool,
}

impl Multipart {
    /// `None` without exactly one usable boundary (RFC 2046 section 5.1.1: 1 to 70 characters).
    pub(super) fn new(field: &str, content_type: &str) -> Option<Self> {
        let mut boundaries = content_type.split(';').skip(1).filter_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim())
        });
        let (boundary, another) = (boundaries.next()?, boundaries.next());
        let boundary = match boundary.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"')?,
            None => boundary,
        };
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&b);
        let usable = (1..=70).contains(&boundary.len()) && boundary.bytes().all(allowed);
        (usable && another.is_none()).then(|| Self {
            field: field.to_owned(),
            delimiter: [b"--", boundary.as_bytes()].concat(),
            part: 0,
            looked: 0,
            over: false,
        })
    }

    pub(super) fn next(&mut self, seen: &[u8], whole: bool) -> Step {
        let more = if whole { Step::Malformed } else { Step::More };
        while !self.over {
            let Some(rest) = seen.get(self.part..) else { return Step::Malformed };
            let length = self.delimiter.len();
            if rest.len() < length + 2 {
                // Too short to tell, unless it is wrong already.
                let begun = self.delimiter.starts_with(rest) || rest.starts_with(&self.delimiter);
                return if begun { more } else { Step::Malformed };
            }
            if !rest.starts_with(&self.delimiter) {
                return Step::Malformed;
            }
            match rest.get(length..length + 2) {
                Some(b"--") => {
                    self.over = true;
                    break;
                }
                Some(b"\r\n") => {}
                _ => return Step::Malformed,
            }
            // The next delimiter ends this part, wherever it stands.
            let from = self.looked.max(self.part + length);
            let Some(offset) = seen.get(from..).and_then(|fresh| memmem::find(fresh, &self.delimiter)) else {
                self.looked = seen.len().saturating_sub(length).max(from.min(seen.len()));
                return more;
            };
            let end = from + offset;
            let content = seen.get(self.part + length + 2..end).unwrap_or_default();
            let begin = std::mem::replace(&mut self.part, end);
            self.looked = end;
            match self.value_of(content) {
                Ok(Some(value)) => return Step::Found(Found { value, span: Some(begin..end) }),
                Ok(None) => {}
                Err(Malformed) => return Step::Malformed,
            }
        }
        Step::End
    }

    /// The value, if the part is the field; its content ends with the line break before the delimiter.
    fn value_of(&self, part: &[u8]) -> Result<Option<String>, Malformed> {
        let split = memmem::find(part, b"\r\n\r\n").ok_or(Malformed)?;
        let head = part.get(..split).ok_or(Malformed)?;
        let content = part.get(split + 4..).and_then(|content| content.strip_suffix(b"\r\n"));
        // An empty value: the empty line and the line break before the delimiter.
        let content = content.ok_or(Malformed)?;
        let head = std::str::from_utf8(head).map_err(|_| Malformed)?;
        let mut dispositions = head.split("\r\n").filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-disposition").then(|| value.trim())
        });
        let disposition = dispositions.next().ok_or(Malformed)?;
        if dispositions.next().is_some() || head.lines().count() != head.split("\r\n").count() {
            return Err(Malformed);
        }
        let (name, is_file) = parameters(disposition)?;
        if name != self.field || is_file {
            return Ok(None);
        }
        Ok(Some(String::from_utf8_lossy(content).into_owned()))
    }
}

#[derive(Debug)]
struct Malformed;

/// The name in `form-data; name="x"; filename="y"`, and whether there is a file name. Browsers
/// quote, and write `"` as `%22` (HTML, multipart/form-data encoding).
fn parameters(disposition: &str) -> Result<(String, bool), Malformed> {
    let rest = disposition.get(..9).filter(|kind| kind.eq_ignore_ascii_case("form-data")).ok_or(Malformed)?;
    let mut rest = disposition.get(rest.len()..).ok_or(Malformed)?.trim_start();
    let (mut name, mut is_file) = (None, false);
    while let Some(parameter) = rest.strip_prefix(';') {
        let (key, quoted) = parameter.trim_start().split_once("=\"").ok_or(Malformed)?;
        let (value, tail) = quoted.split_once('"').ok_or(Malformed)?;
        // A reader that knows quoted pairs would not stop at this quote.
        if value.ends_with('\\') && !key.eq_ignore_ascii_case("filename") {
            return Err(Malformed);
        }
        match key.to_ascii_lowercase().as_str() {
            "name" if name.is_none() => name = Some(value.replace("%22", "\"")),
            "filename" => is_file = true,
            _ => return Err(Malformed),
        }
        rest = tail.trim_start();
    }
    if !rest.is_empty() {
        return Err(Malformed);
    }
    Ok((name.ok_or(Malformed)?, is_file))
}
