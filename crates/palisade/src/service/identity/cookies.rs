//! The cookies that Palisade sets for itself (ID-8, CSRF-2).

use std::time::Duration;

use axum::http::HeaderValue;
use palisade_policy::Policy;

/// The session cookie. `__Host-` names need Secure, Path=/ and no Domain (RFC 6265bis section 4.1.3.2).
#[must_use]
pub fn session(policy: &Policy, value: &str, life: Duration) -> Option<HeaderValue> {
    build(policy, &policy.identify.sessions.cookie, value, life, true)
}

/// The readable cookie of the signed double submit, where the policy has one.
#[must_use]
pub fn csrf(policy: &Policy, value: &str, life: Duration) -> Option<HeaderValue> {
    build(policy, policy.csrf.cookie.as_deref()?, value, life, false)
}

/// What takes Palisade's cookies back.
pub fn cleared(policy: &Policy) -> impl Iterator<Item = HeaderValue> {
    [session(policy, "", Duration::ZERO), csrf(policy, "", Duration::ZERO)].into_iter().flatten()
}

/// `None` when a value could not stand in a header: all of ours are base64url and dots.
fn build(policy: &Policy, name: &str, value: &str, life: Duration, http_only: bool) -> Option<HeaderValue> {
    let sessions = &policy.identify.sessions;
    let text = format!(
        "{name}={value}; Path=/; Max-Age={}{}{}; SameSite={}",
        life.as_secs(),
        if http_only { "; HttpOnly" } else { "" },
        if sessions.secure { "; Secure" } else { "" },
        sessions.same_site.as_str(),
    );
    HeaderValue::from_str(&text).ok()
}
