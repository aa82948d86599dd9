//! A look into the beginning of a body that then streams on to the service as if untouched.
//!
//! Reading stops at a limit, and what was read is handed on before the rest, trailers and all; a 1 GiB
//! upload whose first field is the token costs one frame of memory. A form can be read in more than one
//! way only if somebody made it so: what browsers never send counts as [`Field::Unclear`].

mod json;
mod multipart;
mod replay;
mod scan;
mod step;
mod urlencoded;

use axum::body::Body;
use http::Request;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use replay::Held;
use scan::Scanner;
use step::{Found, Step};

/// How far into a body to look, in bytes, where nothing else is said.
pub const LIMIT: usize = 64 << 10;

/// What a body tells of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// The one value that every reader finds.
    One(String),
    /// The body is whole and has no such field, or is no form at all.
    Missing,
    /// Several values, a malformed or compressed body, or more than the limit: the service might
    /// read another value than was found here.
    Unclear,
}

impl Field {
    /// The value, if there is exactly one.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        match self {
            Self::One(value) => Some(value),
            Self::Missing | Self::Unclear => None,
        }
    }
}

/// The value of a field of an urlencoded, multipart or JSON body, for limits that count by it
/// (LIMIT-1). Looks at `limit` bytes at
/// most; the request goes on byte for byte.
pub async fn form_field(request: Request<Body>, field: &str, limit: usize) -> (Field, Request<Body>) {
    let (parts, body) = request.into_parts();
    let mut held = Held::new(body, limit);
    let mut scanner = match Scanner::of(&parts.headers, field) {
        Ok(Some(scanner)) => scanner,
        Ok(None) => return (Field::Missing, Request::from_parts(parts, held.replay())),
        Err(_) => return (Field::Unclear, Request::from_parts(parts, held.replay())),
    };
    let mut answer = Field::Missing;
    loop {
        match scanner.next(held.seen(), held.is_whole()) {
            Step::Found(found) if answer == Field::Missing => answer = Field::One(found.value),
            Step::End => break,
            Step::More if held.read().await => {}
            Step::Found(_) | Step::Malformed | Step::More => {
                answer = Field::Unclear;
                break;
            }
        }
    }
    (answer, Request::from_parts(parts, held.replay()))
}

/// So many wrong values are tried before a search gives up.
const MOST_TRIED: usize = 8;

/// How a search for an acceptable value ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Search {
    /// One was accepted. From a form it was taken out, so that the service gets what it asked for.
    Accepted,
    /// There was at least one, and none was acceptable.
    Refused,
    /// There was none.
    Missing,
    /// There was none as far as was looked.
    TooFar,
    /// The body cannot be read as what it says it is, or is of no kind that is read here.
    Unreadable,
}

/// Looks for a value of `field` that `accept` takes, and stops reading at the first such value.
///
/// Every occurrence is tried: for a token it is enough that one is right, since nobody else could
/// have written it. An application may use a field of the same name for itself.
pub(crate) async fn find(
    request: Request<Body>,
    field: &str,
    limit: usize,
    mut accept: impl FnMut(&str) -> bool,
) -> (Search, Request<Body>) {
    let (mut parts, body) = request.into_parts();
    let mut held = Held::new(body, limit);
    let Ok(Some(mut scanner)) = Scanner::of(&parts.headers, field) else {
        return (Search::Unreadable, Request::from_parts(parts, held.replay()));
    };
    let mut refused = 0;
    let outcome = loop {
        match scanner.next(held.seen(), held.is_whole()) {
            Step::Found(found) if accept(&found.value) => {
                take_out(&mut parts.headers, &mut held, &found);
                break Search::Accepted;
            }
            Step::Found(_) if refused < MOST_TRIED => refused += 1,
            Step::More if held.read().await => {}
            _ if refused > 0 => break Search::Refused,
            Step::End => break Search::Missing,
            Step::More if !held.is_broken() => break Search::TooFar,
            Step::More | Step::Malformed | Step::Found(_) => break Search::Unreadable,
        }
    };
    (outcome, Request::from_parts(parts, held.replay()))
}

/// Header fields that vouch for the exact bytes of a body.
const DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// Takes the field out of a form: an application that knows nothing of it must not stumble over it,
/// and one that has a field of that name finds its own. A body with a digest stays as it is.
fn take_out(headers: &mut HeaderMap, held: &mut Held, found: &Found) {
    let Some(span) = found.span.clone() else { return };
    if DIGESTS.iter().any(|name| headers.contains_key(name)) {
        return;
    }
    if let Some(announced) = headers.get(header::CONTENT_LENGTH) {
        let length: Option<usize> = announced.to_str().ok().and_then(|value| value.parse().ok());
        let Some(left) = length.and_then(|length| length.checked_sub(span.len())) else { return };
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(left));
    }
    held.cut(span);
}

#[cfg(test)]
mod tests;
