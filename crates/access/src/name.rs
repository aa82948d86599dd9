//! Sign-in names and e-mail addresses.

use std::str::FromStr;

use email_address::{EmailAddress, Options};
use palisade_model::{FieldFault, Refusal};
use unicode_normalization::UnicodeNormalization;
use unicode_security::RestrictionLevel;
use unicode_security::restriction_level::RestrictionLevelDetection;
use url::Host;

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

/// The same for whoever chooses the name themself: it has to read plainly, too. Others' names are as they came.
///
/// # Errors
/// As [`judge`].
pub(crate) fn judge_own(name: &str, email: Option<&str>) -> Result<(String, Option<String>), Refusal> {
    let kept = judge(name, email)?;
    if reads_plainly(&kept.0) {
        return Ok(kept);
    }
    let message = "Write the name in letters of one alphabet, and in common ones.".into();
    Err(Refusal::fields(vec![FieldFault { field: "name".into(), message }]))
}

/// Whether a name is of one script, of letters that are in use: `pаypal` with a Cyrillic `а` is not (UTS 39 section
/// 5.2, highly restrictive).
pub(crate) fn reads_plainly(name: &str) -> bool {
    // The profile of identifiers knows no plus sign.
    name.replace('+', "-").as_str().check_restriction_level(RestrictionLevel::HighlyRestrictive)
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
    let composed: String = if possible { login.nfkc().collect() } else { return None };
    Some(parse_email(&composed).unwrap_or(composed))
}

/// An address as it is kept, its domain in the form that mail servers use (RFC 5891); `None` when it is none.
///
/// Forms of letters that only look like others are refused and not folded: they are another mailbox, whose owner must not
/// be taken for this one's.
pub(crate) fn parse_email(text: &str) -> Option<String> {
    if text.len() > LONGEST_EMAIL {
        return None;
    }
    let composed: String = text.nfc().collect();
    // As the Kelvin sign is to K.
    let is_double = |c: char| !c.is_ascii() && std::iter::once(c).nfc().all(|c| c.is_ascii());
    if text.chars().any(is_double) || composed.nfkc().ne(composed.chars()) || composed.contains('"') {
        return None;
    }
    let (local, domain) = composed.rsplit_once('@')?;
    // Some servers read an encoded word (RFC 2047) in it, or a way over another host (RFC 1123 section 5.2.16): the
    // letter would go to a mailbox that is not of this domain.
    if local.contains("=?") || local.contains(['%', '!']) {
        return None;
    }
    // Nothing invisible; of a domain, what IDNA leaves of it is kept.
    if domain.contains('%') || !local.chars().all(|c| c.is_ascii() || c.is_alphanumeric()) {
        return None;
    }
    let Ok(Host::Domain(domain)) = Host::parse(domain) else { return None };
    let text = format!("{local}@{domain}");
    let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
    let plain =
        text.len() <= LONGEST_EMAIL && !domain.ends_with('.') && EmailAddress::from_str(&text).is_ok();
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

    // proves: ID-1
    #[test]
    fn an_address_is_one_mailbox_however_it_is_written() {
        assert_eq!(parse_email("ida@example.com").as_deref(), Some("ida@example.com"));
        for same in [
            "ida@b\u{fc}cher.example",
            "ida@bu\u{308}cher.example",
            "ida@B\u{dc}CHER.example",
            "ida@xn--bcher-kva.example",
        ] {
            assert_eq!(parse_email(same).as_deref(), Some("ida@xn--bcher-kva.example"), "{same}");
            assert_eq!(as_kept(same).as_deref(), Some("ida@xn--bcher-kva.example"), "{same}");
        }
        assert_eq!(parse_email("ida@exa\u{200b}mple.com").as_deref(), Some("ida@example.com"));
        assert_eq!(as_kept("ida\u{ff20}example.com").as_deref(), Some("ida@example.com"), "typed at sign-in");
        for bad in [
            "ida\u{ff20}example.com",
            "ida\u{ff20}evil.example@example.com",
            "ida@example.com\u{ff20}evil.example",
            "ida\u{ff02}@example.com",
            // The Kelvin sign, a full-width letter, a long s: mailboxes of others.
            "mi\u{212a}e@example.com",
            "\u{ff49}da@example.com",
            "ro\u{17f}a@example.com",
            "ida@example.com.",
            "ida@example..com",
            "ida@127.0.0.1",
            "ida@0x7f.1",
            "ida\u{202e}@example.com",
            "ida@ex%61mple.com",
            "ida@example.com/evil",
            "=?utf-8?q?ida?=@example.com",
            "=?utf-8?q?mallory=40evil.example=3e=00?=@example.com",
            "mallory%evil.example@example.com",
            "evil.example!mallory@example.com",
        ] {
            assert_eq!(parse_email(bad), None, "{bad}");
        }
    }

    // proves: ID-1
    #[test]
    fn whoever_chooses_a_name_keeps_to_one_script() {
        for good in [
            "alice",
            "Alice.B+c-d_9",
            "\u{c6}r\u{f8}sk\u{f8}bing",
            "\u{5c71}\u{7530}",
            "\u{5c71}\u{7530}abc",
            "\u{438}\u{432}\u{430}\u{43d}",
            "\u{131}\u{15f}\u{131}k",
            "stra\u{df}e",
        ] {
            assert!(judge_own(good, None).is_ok(), "{good}");
        }
        for bad in [
            "p\u{430}ypal", // Cyrillic a
            "\u{391}dmin",  // Greek capital alpha
            "adm\u{456}n",  // Ukrainian i
            "\u{430}lice1", // Cyrillic a
            "go\u{43e}gle",
            "\u{1d0}a\u{5d0}", // Latin and Hebrew
            "alice\u{1780}",   // Khmer
            "\u{13a0}bc",      // Cherokee
        ] {
            assert!(judge_own(bad, None).is_err(), "{bad}");
        }
        // Nobody who has such a name already is kept out.
        assert!(as_kept("p\u{430}ypal").is_some());
    }
}
