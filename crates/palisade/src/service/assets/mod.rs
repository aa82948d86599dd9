//! What Palisade's own pages need: a style sheet and a script, named by their digests so that they can be kept for
//! ever.

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use data_encoding::HEXLOWER;
use palisade_gate::refused;
use palisade_model::Denial;
use palisade_model::digest::sha256;

use crate::pages::{SCRIPT, STYLESHEET};

/// The path of the style sheet.
#[must_use]
pub fn stylesheet() -> &'static str {
    static PATH: LazyLock<String> = LazyLock::new(|| path("palisade", STYLESHEET, "css"));
    &PATH
}

/// The path of the script for passkeys.
#[must_use]
pub fn script() -> &'static str {
    static PATH: LazyLock<String> = LazyLock::new(|| path("passkey", SCRIPT, "js"));
    &PATH
}

/// A name with the first 64 bits of the contents' SHA-256.
fn path(name: &str, contents: &str, kind: &str) -> String {
    let digest = HEXLOWER.encode(&sha256(&[contents.as_bytes()]));
    format!("/.palisade/assets/{name}.{}.{kind}", digest.get(..16).unwrap_or(&digest))
}

/// The asset at that path.
#[must_use]
pub fn answer(path: &str) -> Response<Body> {
    let (contents, kind) = if path == stylesheet() {
        (STYLESHEET, "text/css; charset=utf-8")
    } else if path == script() {
        (SCRIPT, "text/javascript; charset=utf-8")
    } else {
        return refused(Denial::RouteUnknown.into());
    };
    let mut response = Response::new(Body::from(contents));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_its_contents_and_no_other_name_is_served() {
        let response = answer(stylesheet());
        assert!(response.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        for other in
            ["/.palisade/assets/", "/.palisade/assets/palisade.css", "/.palisade/assets/../palisade.toml"]
        {
            assert_eq!(answer(other).status(), 404, "{other}");
        }
    }
}
