//! /.well-known/jwks.json: the public keys of access tokens and assertions (RFC 7517).

use std::time::Duration;

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use palisade_access::Access;

/// The key set. Verifiers may keep it for as long as new keys are published before they sign.
#[must_use]
pub fn answer(access: &Access, publish_ahead: Duration) -> Response<Body> {
    let mut response = Response::new(Body::from(access.jwks().to_string()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
    let kept = HeaderValue::try_from(format!("public, max-age={}", publish_ahead.as_secs()));
    headers.insert(CACHE_CONTROL, kept.unwrap_or(HeaderValue::from_static("no-cache")));
    response
}
