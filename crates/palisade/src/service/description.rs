//! /api/v1/openapi.json: the public API in words, in development and testing only (EDGE-9).

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response};
use palisade_policy::{Policy, api};
use serde_json::Value;

/// The OpenAPI document with the names that this policy gives to cookie and header.
#[must_use]
pub fn document(policy: &Policy) -> Value {
    let header = policy.csrf.headers.first().map_or("X-CSRFToken", HeaderName::as_str);
    api::document(&policy.identify.sessions.cookie, header)
}

/// The document as an answer.
#[must_use]
pub fn answer(policy: &Policy) -> Response<Body> {
    let mut response = Response::new(Body::from(document(policy).to_string()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
