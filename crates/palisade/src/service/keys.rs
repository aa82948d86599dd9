//! /.well-known/jwks.json: the public keys of access tokens and assertions (RFC 7517).

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use palisade_access::Access;

/// The key set. Verifiers may keep it for five minutes: new keys are published before they are used.
#[must_use]
pub fn answer(access: &Access) -> Response<Body> {
    let mut response = Response::new(Body::from(access.jwks().to_string()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}
