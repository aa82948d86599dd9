//! The cookies that Palisade sets for itself (ID-8, CSRF-2).

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
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

/// The ticket of a sign-in that waits for its second factor (ID-17). It goes with no request from elsewhere, whatever
/// the policy says of sessions.
#[must_use]
pub fn ticket(policy: &Policy, value: &str, life: Duration) -> Option<HeaderValue> {
    let name = ticket_name(policy);
    let secure = if policy.identify.sessions.secure { "; Secure" } else { "" };
    let life = life.as_secs();
    HeaderValue::from_str(&format!(
        "{name}={value}; Path=/; Max-Age={life}; HttpOnly{secure}; SameSite=Strict"
    ))
    .ok()
}

/// What a sign-in at another site leaves here meanwhile (ID-6). It has to come along when that site sends the browser
/// back, which a strict cookie would not.
#[must_use]
pub fn transaction(policy: &Policy, value: &str, life: Duration) -> Option<HeaderValue> {
    let name = transaction_name(policy);
    let secure = if policy.identify.sessions.secure { "; Secure" } else { "" };
    let life = life.as_secs();
    HeaderValue::from_str(&format!("{name}={value}; Path=/; Max-Age={life}; HttpOnly{secure}; SameSite=Lax"))
        .ok()
}

/// What a browser kept of a sign-in at another site.
#[must_use]
pub fn transaction_of<'a>(policy: &Policy, headers: &'a HeaderMap) -> Option<&'a str> {
    only(headers, transaction_name(policy))
}

const fn transaction_name(policy: &Policy) -> &'static str {
    if policy.identify.sessions.secure { "__Host-palisade_oidc" } else { "palisade_oidc" }
}

/// The ticket that a browser shows, if it shows one and no more.
#[must_use]
pub fn ticket_of<'a>(policy: &Policy, headers: &'a HeaderMap) -> Option<&'a str> {
    only(headers, ticket_name(policy))
}

fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='));
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

const fn ticket_name(policy: &Policy) -> &'static str {
    if policy.identify.sessions.secure { "__Host-palisade_ticket" } else { "palisade_ticket" }
}

/// The cookie by which a device is known (LIMIT-8). It stays when its user signs out: that is what it is for.
#[must_use]
pub fn device(policy: &Policy, value: &str) -> Option<HeaderValue> {
    /// Browsers keep no cookie for longer than 400 days (RFC 6265bis section 5.5); a year is what it counts for.
    const LIFE: Duration = Duration::from_secs(365 * 86_400);
    build(policy, &policy.identify.lockout.device_cookie, value, LIFE, true)
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

#[cfg(test)]
mod tests {
    use palisade_model::Environment;

    use super::*;

    fn policy(text: &str) -> Policy {
        let environment: Environment =
            [("SECRET_KEY", "a-key-that-is-long-enough-for-this")].into_iter().collect();
        Policy::from_toml("palisade.toml", text, &environment).unwrap().policy
    }

    // proves: ID-8
    #[test]
    fn in_production_the_cookie_is_as_strict_as_cookies_get() {
        let policy =
            policy("[app]\nname = \"A\"\nenvironment = \"production\"\nbase_url = \"https://a.example\"\n");
        let cookie = session(&policy, "value", Duration::from_secs(86_400)).unwrap();
        let text = cookie.to_str().unwrap();
        assert!(text.starts_with("__Host-"), "{text}");
        assert!(text.ends_with("=value; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Strict"), "{text}");
        // Nor can a neighbour plant the others: a sibling of this host cannot set what begins like that.
        for other in [ticket(&policy, "v", Duration::ZERO), transaction(&policy, "v", Duration::ZERO)] {
            assert!(other.as_ref().unwrap().to_str().unwrap().starts_with("__Host-palisade_"), "{other:?}");
        }
        for gone in cleared(&policy) {
            let gone = gone.to_str().unwrap();
            assert!(gone.contains("=; Path=/; Max-Age=0;") && gone.contains("; Secure"), "{gone}");
        }
    }

    // proves: CSRF-2
    #[test]
    fn the_double_submit_cookie_can_be_read_and_is_only_there_when_asked_for() {
        let asked = policy("[csrf]\ncookie = \"csrf_token\"\n");
        let cookie = csrf(&asked, "value", Duration::from_secs(60)).unwrap();
        assert!(!cookie.to_str().unwrap().contains("HttpOnly"));
        assert!(csrf(&policy(""), "value", Duration::from_secs(60)).is_none());
        assert_eq!(cleared(&policy("")).count(), 1);
    }

    #[test]
    fn a_value_that_is_not_ours_makes_no_header() {
        assert!(session(&policy(""), "x\r\nSet-Cookie: a=b", Duration::ZERO).is_none());
    }
}
