//! Sign-in names and e-mail addresses.

use std::str::FromStr;

use email_address::{EmailAddress, Options};
use palisade_model::{FieldFault, Refusal};
use unicode_normalization::UnicodeNormalization;

/// The longest name, in characters.
const LONGEST: usize = 64;

/// The longest address, in bytes (RFC 5321 section 4.5.3.1.3).
const LONGEST_EMAIL: usize = 254;

/// The longest text that is looked up, in bytes: either of them.
const LONGEST_LOGIN: usize = 320;

/// Both as they are kept, or every fault in them.
///
/// # Errors
/// `InvalidInput` with the fields `name` and `email`.
pub(crate) fn judge(name: &str, email: Option<&str>) -> Result<(String, Option<String>), Refusal> {
    let mut faults = Vec::new();
    let mut fault = |field: &'static str, message: &'static str| {
        faults.push(FieldFault::new(field, message));
    };
    let kept_name = parse_name(name);
    if kept_name.is_none() {
        fault("name", "Write 1 to 64 letters, digits, '.', '_', '+' or '-', with a letter or digit first.");
    }
    let typed = email.map(str::trim).filter(|email| !email.is_empty());
    let kept_email = typed.and_then(parse_email);
    if typed.is_some() && kept_email.is_none() {
        fault("email", "Write an e-mail address such as name@example.com.");
    }
    match kept_name {
        Some(name) if faults.is_empty() => Ok((name, kept_email)),
        _ => Err(Refusal::fields(faults)),
    }
}

/// A name that cannot be mistaken for an address (people sign in with either), nor hold invisible
/// characters. NFKC, so that look-alike forms of one letter are one name.
pub(crate) fn parse_name(text: &str) -> Option<String> {
    if text.len() > LONGEST.saturating_mul(4) {
        return None;
    }
    let name: String = text.trim().nfkc().collect();
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '+' | '-');
    let well_formed = (1..=LONGEST).contains(&name.chars().count())
        && name.chars().all(fits)
        && name.starts_with(char::is_alphanumeric);
    well_formed.then_some(name)
}

/// What somebody typed to sign in, in the form in which names are kept; `None` when it cannot be one.
pub(crate) fn as_kept(login: &str) -> Option<String> {
    let login = login.trim();
    let possible = !login.is_empty() && login.len() <= LONGEST_LOGIN && !login.contains('\0');
    possible.then(|| login.nfkc().collect())
}

/// An address as it is kept; `None` when it is none.
pub(crate) fn parse_email(text: &str) -> Option<String> {
    if text.len() > LONGEST_EMAIL {
        return None;
    }
    // Judged as it is kept: a full-width sign could become a second '@'.
    let text: String = text.nfkc().collect();
    let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
    let plain = text.len() <= LONGEST_EMAIL && !text.contains('"') && EmailAddress::from_str(&text).is_ok();
    let address = plain.then(|| EmailAddress::parse_with_options(&text, options).ok()).flatten()?;
    Some(address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: ID-1
    #[test]
    fn a_name_is_no_address_and_holds_nothing_invisible() {
        for good in ["a", "alice", "Alice.B+c-d_9", "Ærøskøbing", "山田"] {
            assert_eq!(parse_name(good).as_deref(), Some(good));
        }
        assert_eq!(parse_name("  ﬁnn ").as_deref(), Some("finn"));
        for bad in [
            "",
            " ",
            ".a",
            "a b",
            "a@b.example",
            "a\0",
            "a\u{200b}b",
            "a\u{202e}b",
            "a/b",
            "a<b",
            &"a".repeat(65),
        ] {
            assert_eq!(parse_name(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn faults_name_the_field() {
        let refusal = judge("a b", Some("nowhere")).unwrap_err();
        let fields: Vec<&str> = refusal.fields.iter().map(|f| f.field.as_ref()).collect();
        assert_eq!(fields, ["name", "email"]);
        assert_eq!(judge("ann", Some(" ")).unwrap(), ("ann".into(), None));
        assert_eq!(judge("ann", Some("a@b.example")).unwrap().1.as_deref(), Some("a@b.example"));
        for bad in [
            "a@b",
            "a@[127.0.0.1]",
            "A <a@b.example>",
            "\"a b\"@b.example",
            "a@b.example\r\nBcc: c@d.example",
        ] {
            assert!(judge("ann", Some(bad)).is_err(), "{bad:?}");
        }
    }

    // A full-width sign becomes an ordinary one when it is kept.
    // proves: ID-1
    #[test]
    fn an_address_is_judged_as_it_is_kept() {
        assert_eq!(parse_email("ida@example.com").as_deref(), Some("ida@example.com"));
        assert_eq!(parse_email("ida\u{ff20}example.com").as_deref(), Some("ida@example.com"));
        for bad in [
            "ida\u{ff20}evil.example@example.com",
            "ida@example.com\u{ff20}evil.example",
            "ida\u{ff02}@example.com",
        ] {
            assert_eq!(parse_email(bad), None, "{bad}");
        }
    }
}
