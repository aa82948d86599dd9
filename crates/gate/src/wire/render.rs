//! The last words on a connection: an answer that no HTTP server writes, because none may read the request.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use palisade_model::{Refusal, RequestId, Timestamp};
use serde_json::json;

/// Headers of every refusal, whatever a policy says: the page is data, and nobody may frame or keep it.
const SEALED: [(&str, &str); 8] = [
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", "geolocation=(), camera=(), microphone=()"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("x-xss-protection", "0"),
];

/// A refusal as a problem document (RFC 9457), with the request's id.
#[must_use]
pub fn problem(refusal: &Refusal, id: &RequestId) -> Response<Bytes> {
    let facts = refusal.denial.facts();
    let body = json!({
        "type": format!("urn:palisade:{}", facts.code),
        "title": facts.title,
        "status": refusal.status(),
        "detail": facts.detail,
        "code": facts.code,
        "request_id": id.as_str(),
    });
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let headers = response.headers_mut();
    for (name, value) in SEALED {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        headers.insert("x-request-id", id);
    }
    if let Some(after) = refusal.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    response
}

/// An answer as the bytes of HTTP/1.1, after which the connection closes.
///
/// Length, date and connection are set here; what the response says of them is left out.
#[must_use]
pub fn last_words(response: &Response<Bytes>, now: Timestamp) -> Bytes {
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or("Refused");
    let mut out = Vec::with_capacity(1024 + response.body().len());
    out.extend_from_slice(format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).as_bytes());
    for (name, value) in response.headers() {
        if !matches!(
            *name,
            header::CONNECTION | header::CONTENT_LENGTH | header::TRANSFER_ENCODING | header::DATE
        ) {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
    let length = response.body().len();
    if let Some(date) = http_date(now) {
        out.extend_from_slice(format!("date: {date}\r\n").as_bytes());
    }
    out.extend_from_slice(format!("content-length: {length}\r\nconnection: close\r\n\r\n").as_bytes());
    out.extend_from_slice(response.body());
    out.into()
}

/// RFC 9110 section 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(now: Timestamp) -> Option<String> {
    let time = jiff::Timestamp::from_microsecond(now.as_micros()).ok()?;
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_model::Denial;

    #[test]
    fn dates_are_as_http_has_them() {
        let date = |seconds| http_date(Timestamp::from_secs(seconds));
        assert_eq!(date(784_111_777).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date(0).unwrap(), "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    // proves: OBS-5, HEAD-1
    #[test]
    fn the_last_words_are_a_whole_answer_without_the_reason() {
        let refusal = Refusal::new(Denial::Ambiguous, "the reason is for the log");
        let id = RequestId::parse("0123456789abcdef").unwrap();
        let words = last_words(&problem(&refusal, &id), Timestamp::from_secs(0));
        let text = std::str::from_utf8(&words).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"));
        assert!(head.contains("\r\nconnection: close"));
        assert!(head.contains(&format!("\r\ncontent-length: {}", body.len())));
        assert!(head.contains("\r\nx-request-id: 0123456789abcdef"));
        assert!(head.contains("\r\nx-content-type-options: nosniff"));
        assert!(!text.contains("the reason"));
    }
}
