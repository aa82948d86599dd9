//! Headers, cookies, origins and limits, as they arrive at a client of the whole server.

mod cookies;
mod cors;
mod headers;
mod limits;

use crate::support::Answer;

/// The headers of every answer, once each.
fn assert_sealed(answer: &Answer, what: &str) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("x-xss-protection", "0"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}: {what}");
        assert_eq!(answer.headers.get_all(name).iter().count(), 1, "{name}: {what}");
    }
    for name in ["content-security-policy", "referrer-policy", "permissions-policy", "x-request-id"] {
        assert_eq!(answer.headers.get_all(name).iter().count(), 1, "{name}: {what}");
    }
    for name in ["server", "x-powered-by", "via"] {
        assert_eq!(answer.header(name), None, "{name}: {what}");
    }
}
