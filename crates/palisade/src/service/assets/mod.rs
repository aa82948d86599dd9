//! What Palisade's own pages need: one style sheet, named by its digest so that it can be kept for ever.

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use data_encoding::HEXLOWER;
use palisade_gate::refused;
use palisade_model::Denial;
use palisade_model::digest::sha256;

use crate::pages::STYLESHEET;

/// The path of the style sheet, with the first 64 bits of its SHA-256.
#[must_use]
pub fn stylesheet() -> &'static str {
    static PATH: LazyLock<String> = LazyLock::new(|| {
        let digest = HEXLOWER.encode(&sha256(&[STYLESHEET.as_bytes()]));
        format!("/.palisade/assets/palisade.{}.css", digest.get(..16).unwrap_or(&digest))
    });
    &PATH
}

/// The asset at that path.
#[must_use]
pub fn answer(path: &str) -> Response<Body> {
    if path != stylesheet() {
        return refused(Denial::RouteUnknown.into());
    }
    let mut response = Response::new(Body::from(STYLESHEET));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
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
