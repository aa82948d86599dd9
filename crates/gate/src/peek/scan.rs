//! The three kinds of body that fields are found in.

use http::header::{self, HeaderMap};

use super::json::Json;
use super::multipart::Multipart;
use super::step::Step;
use super::urlencoded::Urlencoded;

/// A reader of one kind of body. It goes forward only: each byte is looked at once or twice,
/// however small the pieces are in which they come.
pub(super) enum Scanner {
    Urlencoded(Urlencoded),
    Multipart(Multipart),
    Json(Json),
}

/// The body may be a form, but not one that can be read here.
#[derive(Debug)]
pub(super) struct Unreadable;

impl Scanner {
    /// The reader for the body that these headers announce; `None` for one that has no fields.
    pub(super) fn of(headers: &HeaderMap, field: &str) -> Result<Option<Self>, Unreadable> {
        let mut types = headers.get_all(header::CONTENT_TYPE).iter();
        let Some(value) = types.next() else { return Ok(None) };
        if types.next().is_some() {
            return Err(Unreadable);
        }
        let value = value.to_str().map_err(|_| Unreadable)?;
        let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let scanner = match essence.as_str() {
            "application/x-www-form-urlencoded" => Self::Urlencoded(Urlencoded::new(field)),
            "multipart/form-data" => Self::Multipart(Multipart::new(field, value).ok_or(Unreadable)?),
            json if json == "application/json"
                || (json.starts_with("application/") && json.ends_with("+json")) =>
            {
                Self::Json(Json::new(field))
            }
            _ => return Ok(None),
        };
        if headers.contains_key(header::CONTENT_ENCODING) {
            return Err(Unreadable);
        }
        Ok(Some(scanner))
    }

    /// Looks on. `seen` is the body from its first byte; it only ever grows. `whole` tells that
    /// nothing follows it.
    pub(super) fn next(&mut self, seen: &[u8], whole: bool) -> Step {
        match self {
            Self::Urlencoded(scanner) => scanner.next(seen, whole),
            Self::Multipart(scanner) => scanner.next(seen, whole),
            Self::Json(scanner) => scanner.next(seen, whole),
        }
    }
}
