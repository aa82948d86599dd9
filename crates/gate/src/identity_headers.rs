//! Request headers that only Palisade may set.
//!
//! An application behind a gateway believes what such headers say. Whatever a client sends under
//! one of these names is removed at the edge (EDGE-3, ACC-3, ACC-6), however it is spelled: CGI, WSGI
//! and their heirs read `X_User` and `X-User` as one name (`HTTP_X_USER`), and some turn dots into
//! underscores as well.

use http::{HeaderMap, HeaderName};

/// Every name that begins like this is reserved.
const PREFIXES: &[&str] = &[
    "remote-",
    "ssl-client-",
    "x-auth-request-",
    "x-authenticated-",
    "x-client-cert",
    "x-forwarded",
    "x-original-",
    "x-palisade-",
    "x-remote-",
    "x-ssl-client-",
    "x-tenant",
    "x-user",
    "x-webauth-",
];

/// These names are reserved too. Besides identities they are addresses, paths that frameworks prefer
/// to the request line's (`X-Rewrite-URL`), and `Proxy`, which CGI turns into `HTTP_PROXY`. gunicorn takes
/// `SCRIPT_NAME` from a proxy on its own machine and cuts that much off the front of the path; `X-Script-Name`
/// does the same in a wrapper that many WSGI applications carry.
const NAMES: &[&str] = &[
    "cf-connecting-ip",
    "client-ip",
    "fastly-client-ip",
    "forwarded",
    "path-info",
    "proxy",
    "script-name",
    "tenant-id",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-email",
    "x-envoy-original-path",
    "x-groups",
    "x-host",
    "x-http-host-override",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
    "x-roles",
    "x-script-name",
    "x-waws-unencoded-url",
];

/// Names that begin like a reserved one and say nothing about who asks.
const HARMLESS: &[&str] = &["x-user-agent"];

/// Names under which clients claim a tenant (ACC-3).
const TENANT: &[&str] = &["tenant-id", "x-tenant", "x-tenant-id", "x-tenantid"];

/// What reserved names begin with.
const FIRST: &[u8] = b"cfprstx";

/// Whether only Palisade may set this request header.
#[must_use]
pub fn is_reserved(name: &HeaderName) -> bool {
    let name = name.as_str();
    // Most names begin with a letter that no reserved one begins with.
    if !name.bytes().next().is_some_and(|first| FIRST.contains(&first)) {
        return false;
    }
    let is = |known: &&str| same(name, known);
    (PREFIXES.iter().any(|prefix| name.get(..prefix.len()).is_some_and(|start| same(start, prefix)))
        && !HARMLESS.iter().any(is))
        || NAMES.iter().any(is)
}

/// Whether a client claims a tenant with this request header.
#[must_use]
pub fn names_a_tenant(name: &HeaderName) -> bool {
    TENANT.iter().any(|known| same(name.as_str(), known))
}

/// Takes every reserved header out of a request's headers.
pub fn remove(headers: &mut HeaderMap) {
    let reserved: Vec<HeaderName> = headers.keys().filter(|name| is_reserved(name)).cloned().collect();
    for name in reserved {
        headers.remove(name);
    }
}

/// Whether the two are one name to a reader that knows letters and digits alone. `known` is in lower
/// case, as are all header names here.
pub(crate) fn same(name: &str, known: &str) -> bool {
    let fold = |byte: u8| if byte.is_ascii_alphanumeric() { byte } else { b'-' };
    name.len() == known.len() && name.bytes().map(fold).eq(known.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: ACC-6, ACC-3, EDGE-3
    #[test]
    fn a_reserved_name_is_known_in_every_spelling() {
        for name in [
            "X-User",
            "x_user",
            "X-User-Id",
            "X_USER_ID",
            "X-Username",
            "Remote-User",
            "REMOTE_USER",
            "remote.user",
            "X-Tenant-Id",
            "x_tenant_id",
            "X-Forwarded-For",
            "X_Forwarded_Proto",
            "X-Forwarded-User",
            "Forwarded",
            "X-Auth-Request-Email",
            "x_auth_request_groups",
            "X-Palisade-Assertion",
            "X-Real-IP",
            "x_real_ip",
            "X-Request-Id",
            "Proxy",
            "X-Rewrite-URL",
            "X-Original-URL",
            "X-WEBAUTH-USER",
            "X-Remote-Group",
        ] {
            assert!(is_reserved(&HeaderName::try_from(name).unwrap()), "{name}");
        }
    }

    #[test]
    fn no_reserved_name_begins_otherwise() {
        for name in PREFIXES.iter().chain(NAMES).chain(TENANT) {
            assert!(FIRST.contains(&name.as_bytes()[0]), "{name}");
        }
    }

    #[test]
    fn ordinary_names_pass() {
        for name in
            ["Host", "User-Agent", "X-User-Agent", "Accept", "X-CSRFToken", "X-Requested-With", "Proxy-Foo"]
        {
            assert!(!is_reserved(&HeaderName::try_from(name).unwrap()), "{name}");
        }
    }

    #[test]
    fn removing_takes_every_line_of_a_name() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("x_user", "eve"), ("x-user", "eve"), ("x-user", "mallory"), ("accept", "*/*")]
        {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        remove(&mut headers);
        assert_eq!(headers.len(), 1);
        assert!(headers.contains_key("accept"));
    }
}
