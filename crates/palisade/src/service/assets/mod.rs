//! What Palisade's own pages need: one style sheet, named by its digest so that it can be kept for ever.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use data_encoding::HEXLOWER;
use palisade_model::digest::sha256;

use crate::pages::STYLESHEET;

/// The assets, with their names made once at start.
#[derive(Clone, Debug)]
pub struct Assets {
    stylesheet: String,
}

impl Default for Assets {
    fn default() -> Self {
        Self::new()
    }
}

impl Assets {
    /// The folder that assets are served from.
    pub const FOLDER: &str = "/.palisade/assets/";

    /// Names every asset by the first 64 bits of its SHA-256.
    #[must_use]
    pub fn new() -> Self {
        let digest = HEXLOWER.encode(&sha256(&[STYLESHEET.as_bytes()]));
        Self { stylesheet: format!("{}palisade.{}.css", Self::FOLDER, digest.get(..16).unwrap_or(&digest)) }
    }

    /// The path of the style sheet.
    #[must_use]
    pub fn stylesheet(&self) -> &str {
        &self.stylesheet
    }

    /// The asset at that path; `None` when there is none.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<Response<Body>> {
        if path != self.stylesheet {
            return None;
        }
        let mut response = Response::new(Body::from(STYLESHEET));
        *response.status_mut() = StatusCode::OK;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
        headers
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
        Some(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_its_contents_and_no_other_name_is_served() {
        let assets = Assets::new();
        let response = assets.get(assets.stylesheet()).unwrap();
        assert!(response.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        for other in
            ["/.palisade/assets/", "/.palisade/assets/palisade.css", "/.palisade/assets/../palisade.toml"]
        {
            assert!(assets.get(other).is_none(), "{other}");
        }
    }
}
