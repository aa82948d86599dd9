//! CSRF fields for an application that knows nothing of them (CSRF-3).
//!
//! As an HTML page streams from the upstream to somebody who is signed in, each form that posts to
//! this site gets a hidden field with the token of the session, and the head a meta tag for scripts.
//! The page is never held whole; codings are taken off and put on again; whatever cannot be
//! rewritten safely goes through untouched. `docs/stages/csrf.md` tells which and why.

mod body;
mod coding;
mod markup;
mod request;
mod target;

use axum::body::Body;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body::Body as _;

use body::Rewritten;
use coding::Coding;
use markup::{Charset, Insert, Markup};
use target::Site;

use crate::caching;

pub use request::prepare;

/// The page that a response answers, and what is written into it.
#[derive(Clone, Debug)]
pub struct Page {
    /// The method of the request.
    pub method: Method,
    /// Its path and query, as the browser knows them.
    pub path: String,
    /// The site's own origins, `https://host[:port]`; the first is where the page itself is.
    pub origins: Vec<String>,
    /// The name of the field: `policy.csrf.field`.
    pub field: String,
    /// The token, made for this page: `Access::csrf_token`.
    pub token: String,
}

/// Header fields that describe exactly the bytes that the upstream sent.
const OF_THE_BYTES: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::ACCEPT_RANGES,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// Whether the response to a request of this method is an HTML page that can be rewritten.
#[must_use]
pub fn is_page(response: &Response<Body>, method: &Method) -> bool {
    charset_of_page(response, method).is_some()
}

/// Writes the token into the response if it is an HTML page, and leaves it alone if not.
///
/// The caller decides whom this is for: responses of an upstream, to a principal with a session,
/// where `policy.csrf.inject` is on.
#[must_use]
pub fn rewrite(response: Response<Body>, page: &Page) -> Response<Body> {
    let Some(charset) = charset_of_page(&response, &page.method) else { return response };
    let Some(coding) = Coding::of(response.headers()) else {
        tracing::warn!(
            coding = ?response.headers().get(header::CONTENT_ENCODING),
            "a page in a coding that cannot be read here goes through without CSRF fields"
        );
        return response;
    };
    let Some(site) = Site::new(&page.origins, &page.path) else { return response };
    let (mut parts, body) = response.into_parts();
    describe(&mut parts.headers);
    let markup = Markup::new(site, Insert::new(&page.field, &page.token), charset);
    Response::from_parts(parts, Body::new(Rewritten::new(body, coding, markup)))
}

/// The character encoding, if the response is a page that can be rewritten.
fn charset_of_page(response: &Response<Body>, method: &Method) -> Option<Charset> {
    let whole = !matches!(
        response.status(),
        StatusCode::NO_CONTENT
            | StatusCode::RESET_CONTENT
            | StatusCode::PARTIAL_CONTENT
            | StatusCode::NOT_MODIFIED
    ) && !response.status().is_informational();
    if !whole || *method == Method::HEAD || response.body().is_end_stream() {
        return None;
    }
    let headers = response.headers();
    // What is saved to a file outlives the session, and is often passed on.
    let saved = headers.get(header::CONTENT_DISPOSITION).is_some_and(|value| {
        !value.as_bytes().trim_ascii_start().to_ascii_lowercase().starts_with(b"inline")
    });
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let media_type = types.next()?.to_str().ok()?;
    if saved || types.next().is_some() {
        return None;
    }
    let (essence, parameters) = media_type.split_once(';').unwrap_or((media_type, ""));
    if !essence.trim().eq_ignore_ascii_case("text/html") {
        return None;
    }
    let label = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    let charset = Charset::from_label(label);
    if charset.is_none() {
        tracing::debug!(?label, "a page that is not in a superset of ASCII goes through without CSRF fields");
    }
    charset
}

/// The header fields of a page that is for one session only, and whose bytes are not the upstream's.
fn describe(headers: &mut HeaderMap) {
    for name in OF_THE_BYTES {
        headers.remove(name);
    }
    if let Some(tag) = headers.get(header::ETAG)
        && !tag.as_bytes().starts_with(b"W/")
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        headers.insert(header::ETAG, weak);
    }
    caching::keep_private(headers, "private, no-store");
    let varies = headers.get_all(header::VARY).iter().any(|value| {
        value.to_str().is_ok_and(|names| {
            names
                .split(',')
                .any(|name| matches!(name.trim(), "*") || name.trim().eq_ignore_ascii_case("cookie"))
        })
    });
    if !varies {
        headers.append(header::VARY, HeaderValue::from_static("Cookie"));
    }
}
