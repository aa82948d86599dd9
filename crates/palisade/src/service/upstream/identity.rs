//! Who is asking, in header fields that the application reads (ACC-6).
//!
//! The gate has removed every field of these names that the client sent. Values are names that people chose, so they
//! are written as percent-encoded UTF-8 wherever they are not visible ASCII: nothing can end the field, and an
//! application that wants the original decodes it as it would decode a path. A list's items are separated by commas,
//! and a comma within an item is encoded.

use http::{HeaderMap, HeaderName, HeaderValue};
use palisade_access::Principal;
use palisade_policy::section::upstream::IdentityHeaders;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What is encoded: everything but visible ASCII, the escape character itself, and the separator of lists.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b',');

/// User, e-mail, groups and tenant.
struct Names {
    user: HeaderName,
    email: HeaderName,
    groups: HeaderName,
    tenant: HeaderName,
}

/// The field names of a preset.
fn names(preset: IdentityHeaders) -> Option<&'static Names> {
    static REMOTE: Names = Names {
        user: HeaderName::from_static("remote-user"),
        email: HeaderName::from_static("remote-email"),
        groups: HeaderName::from_static("remote-groups"),
        tenant: HeaderName::from_static("remote-tenant"),
    };
    static X_FORWARDED: Names = Names {
        user: HeaderName::from_static("x-forwarded-user"),
        email: HeaderName::from_static("x-forwarded-email"),
        groups: HeaderName::from_static("x-forwarded-groups"),
        tenant: HeaderName::from_static("x-forwarded-tenant"),
    };
    static X_AUTH_REQUEST: Names = Names {
        user: HeaderName::from_static("x-auth-request-user"),
        email: HeaderName::from_static("x-auth-request-email"),
        groups: HeaderName::from_static("x-auth-request-groups"),
        tenant: HeaderName::from_static("x-auth-request-tenant"),
    };
    match preset {
        IdentityHeaders::None => None,
        IdentityHeaders::Remote => Some(&REMOTE),
        IdentityHeaders::XForwarded => Some(&X_FORWARDED),
        IdentityHeaders::XAuthRequest => Some(&X_AUTH_REQUEST),
    }
}

/// Writes who is asking.
pub(super) fn write(headers: &mut HeaderMap, preset: IdentityHeaders, principal: &Principal) {
    let Some(names) = names(preset) else { return };
    set(headers, &names.user, encode(principal.name()));
    set(headers, &names.groups, list(principal.role_names()));
    if let Some(email) = principal.confirmed_email() {
        set(headers, &names.email, encode(email));
    }
    if let Some(tenant) = principal.tenant() {
        set(headers, &names.tenant, encode(tenant.as_str()));
    }
}

fn set(headers: &mut HeaderMap, name: &HeaderName, value: Option<HeaderValue>) {
    match value {
        Some(value) => headers.insert(name.clone(), value),
        // Cannot happen to what `encode` made; without a value there is no identity, never a foreign one.
        None => headers.remove(name),
    };
}

fn encode(text: &str) -> Option<HeaderValue> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'%' && byte != b',');
    if plain {
        return HeaderValue::from_str(text).ok();
    }
    HeaderValue::try_from(utf8_percent_encode(text, ENCODED).to_string()).ok()
}

fn list(items: &[String]) -> Option<HeaderValue> {
    let mut text = String::with_capacity(items.iter().map(|item| item.len() + 1).sum());
    for item in items {
        if !text.is_empty() {
            text.push(',');
        }
        text.extend(utf8_percent_encode(item, ENCODED));
    }
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: ACC-6
    #[test]
    fn a_name_cannot_end_its_field_or_forge_another() {
        let value = encode("eve\r\nRemote-Groups: admin").unwrap();
        assert_eq!(value, "eve%0D%0ARemote-Groups:%20admin");
        assert_eq!(encode("Zoë").unwrap(), "Zo%C3%AB");
        assert_eq!(encode("100%").unwrap(), "100%25");
        assert_eq!(encode("ada@example.com").unwrap(), "ada@example.com");
    }

    // proves: ACC-6
    #[test]
    fn a_role_cannot_become_two() {
        assert_eq!(list(&["user,admin".into(), "b".into()]).unwrap(), "user%2Cadmin,b");
    }
}
