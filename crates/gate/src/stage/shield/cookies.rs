//! The cookies that an application sets, raised to the policy's attributes (HEAD-2).
//!
//! Raised and never lowered: an attribute that is stricter than the policy's stays. A cookie that would
//! take the place of one of Palisade's own is dropped: an application, or whoever can write into its answers,
//! must not be able to sign a browser in as somebody else.

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};
use palisade_policy::section::shield::{CookieRules, SameSite};

/// What the names of Palisade's other cookies begin with: of a sign-in that is under way, and of known devices.
const RESERVED: [&str; 2] = ["palisade_", "__host-palisade_"];

/// Whether a cookie of that name is Palisade's, whatever the policy calls those of the session.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|prefix| starts_ignoring_case(name, prefix))
}

/// Raises every Set-Cookie line; drops those that a browser would send back under one of the `guarded` names, or one
/// that is [reserved](is_reserved).
pub(crate) fn raise(headers: &mut HeaderMap, rules: CookieRules, guarded: &[&str]) {
    if !headers.contains_key(SET_COOKIE) {
        return;
    }
    let lines: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().cloned().collect();
    headers.remove(SET_COOKIE);
    for line in lines {
        if let Some(raised) = raise_one(&line, rules, guarded) {
            headers.append(SET_COOKIE, raised);
        }
    }
}

fn raise_one(line: &HeaderValue, rules: CookieRules, guarded: &[&str]) -> Option<HeaderValue> {
    // What is not text cannot be judged, so it does not pass.
    let text = std::str::from_utf8(line.as_bytes()).ok()?;
    let mut parts = text.split(';');
    let pair = parts.next().unwrap_or_default();
    let name = effective_name(pair)?;
    if is_reserved(name) || guarded.iter().any(|own| own.eq_ignore_ascii_case(name)) {
        return None;
    }
    let attributes: Vec<&str> = parts.map(str::trim).filter(|part| !part.is_empty()).collect();
    let key = |attribute: &&str| attribute.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
    let has = |name: &str| attributes.iter().any(|attribute| key(attribute) == name);

    let prefixed = starts_ignoring_case(name, "__host-") || starts_ignoring_case(name, "__secure-");
    let site = same_site(&attributes, rules.same_site);
    let secure = has("secure") || rules.secure || prefixed || site == Some(SameSite::None);
    let http_only = has("httponly") || rules.http_only;

    let mut out = String::with_capacity(text.len() + 40);
    out.push_str(pair.trim());
    for attribute in attributes
        .iter()
        .filter(|attribute| !matches!(key(attribute).as_str(), "secure" | "httponly" | "samesite"))
    {
        out.push_str("; ");
        out.push_str(attribute);
    }
    if secure {
        out.push_str("; Secure");
    }
    if http_only {
        out.push_str("; HttpOnly");
    }
    if let Some(site) = site {
        out.push_str("; SameSite=");
        out.push_str(site.as_str());
    }
    HeaderValue::try_from(out).ok()
}

/// The name under which a browser sends the cookie back (RFC 6265bis section 5.6): a nameless cookie
/// `=a=b` comes back as `a=b`. `None` where it would come back as nothing that has a name.
fn effective_name(pair: &str) -> Option<&str> {
    let (name, value) = pair.split_once('=').unwrap_or(("", pair));
    let pair = if name.trim().is_empty() { value } else { pair };
    let name = pair.split('=').next().unwrap_or_default().trim();
    (!name.is_empty()).then_some(name)
}

/// The stricter of the cookie's own SameSite, of which the last counts, and the policy's.
fn same_site(attributes: &[&str], least: SameSite) -> Option<SameSite> {
    let own = attributes.iter().rev().find_map(|attribute| {
        let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        name.trim().eq_ignore_ascii_case("samesite").then(|| value.trim())
    });
    let own = own.map(|value| match value {
        value if value.eq_ignore_ascii_case("strict") => SameSite::Strict,
        value if value.eq_ignore_ascii_case("none") => SameSite::None,
        // What a browser does not know counts as Lax.
        _ => SameSite::Lax,
    });
    match (own, least) {
        // Browsers take a missing attribute for Lax: nothing to raise.
        (None, SameSite::None) => None,
        (own, least) => Some(own.map_or(least, |own| own.max(least))),
    }
}

fn starts_ignoring_case(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: CookieRules = CookieRules { secure: true, http_only: true, same_site: SameSite::Strict };
    const LAX: CookieRules = CookieRules { secure: true, http_only: true, same_site: SameSite::Lax };
    const LOOSE: CookieRules = CookieRules { secure: false, http_only: false, same_site: SameSite::None };

    fn raised(line: &str, rules: CookieRules) -> Option<String> {
        let line = HeaderValue::from_str(line).unwrap();
        raise_one(&line, rules, &["__Host-session", "csrf_token"])
            .map(|value| value.to_str().unwrap().to_owned())
    }

    // proves: HEAD-2
    #[test]
    fn cookies_are_raised_and_never_lowered() {
        for (line, rules, expected) in [
            ("a=1", LAX, "a=1; Secure; HttpOnly; SameSite=Lax"),
            ("a=1; Path=/x; Max-Age=9", LAX, "a=1; Path=/x; Max-Age=9; Secure; HttpOnly; SameSite=Lax"),
            ("a=1; samesite=none", LAX, "a=1; Secure; HttpOnly; SameSite=Lax"),
            ("a=1; SameSite=Strict", LAX, "a=1; Secure; HttpOnly; SameSite=Strict"),
            ("a=1; SameSite=Strict; SameSite=None", LAX, "a=1; Secure; HttpOnly; SameSite=Lax"),
            ("a=1; SameSite=Lax", STRICT, "a=1; Secure; HttpOnly; SameSite=Strict"),
            ("a=1; SECURE; httponly; SameSite=Lax", LOOSE, "a=1; Secure; HttpOnly; SameSite=Lax"),
            ("a=1", LOOSE, "a=1"),
            // None without Secure is refused by browsers.
            ("a=1; SameSite=None", LOOSE, "a=1; Secure; SameSite=None"),
            // The prefixes need Secure whatever the policy says.
            ("__Host-a=1; Path=/", LOOSE, "__Host-a=1; Path=/; Secure"),
            ("__secure-a=1", LOOSE, "__secure-a=1; Secure"),
            // A value may hold what looks like an attribute.
            ("a=b=c; Secure=no", LAX, "a=b=c; Secure; HttpOnly; SameSite=Lax"),
            ("a=Secure", LAX, "a=Secure; Secure; HttpOnly; SameSite=Lax"),
        ] {
            assert_eq!(raised(line, rules).as_deref(), Some(expected), "{line}");
        }
    }

    // proves: HEAD-2, ID-8
    #[test]
    fn a_cookie_that_would_shadow_palisades_own_is_dropped() {
        for line in [
            "__Host-session=evil; Path=/; Secure",
            "__host-session=evil",
            " __Host-session =evil",
            "csrf_token=evil; Domain=example.com",
            "=__Host-session=evil",
            "=csrf_token=evil",
            "  = csrf_token=evil",
            "csrf_token",
            "=",
            "",
            // A sign-in that somebody else has begun, or a device that is somebody else's.
            "__Host-palisade_oidc=evil; Path=/; Secure",
            "=__HOST-Palisade_ticket=evil",
            "palisade_device=evil",
        ] {
            assert_eq!(raised(line, LAX), None, "{line:?}");
        }
        assert!(raised("csrf_token2=1", LAX).is_some());
    }
}
