//! What a log line may not show (AUD-5), by the names of fields and by the look of values.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

/// Fields whose value is never written, by what their name holds.
const SECRET: [&str; 9] = [
    "password",
    "passwd",
    "token",
    "secret",
    "cookie",
    "authorization",
    "credential",
    "api_key",
    "private_key",
];

/// Fields whose value is a person's, and masked.
const PERSONAL: [&str; 4] = ["email", "e_mail", "phone", "mobile"];

/// What stands for a secret.
const REDACTED: &str = "[redacted]";

/// What a field's name says about its value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Personal,
    Secret,
}

/// The value of a field as the log may show it.
pub(super) fn value<'a>(name: &'static str, text: &'a str) -> Cow<'a, str> {
    match kind_of(name) {
        Kind::Secret => Cow::Borrowed(REDACTED),
        Kind::Personal => Cow::Owned(masked(text)),
        Kind::Plain => emails_masked(text),
    }
}

/// Whether the values of a field may be shown as they are, if they hold no e-mail address.
pub(super) fn is_plain(name: &'static str) -> bool {
    kind_of(name) == Kind::Plain
}

/// Field names stand in the program, so there are few, and each is looked at once in each thread.
fn kind_of(name: &'static str) -> Kind {
    thread_local! {
        static KNOWN: RefCell<HashMap<(usize, usize), Kind>> = RefCell::default();
    }
    let place = (name.as_ptr().addr(), name.len());
    KNOWN.with_borrow_mut(|known| *known.entry(place).or_insert_with(|| judge(name)))
}

fn judge(name: &str) -> Kind {
    let holds = |words: &[&str]| words.iter().any(|word| contains_ignoring_case(name, word));
    if holds(&SECRET) {
        Kind::Secret
    } else if holds(&PERSONAL) {
        Kind::Personal
    } else {
        Kind::Plain
    }
}

fn contains_ignoring_case(name: &str, word: &str) -> bool {
    name.as_bytes().windows(word.len()).any(|part| part.iter().zip(word.bytes()).all(|(a, b)| fold(*a) == b))
}

/// `E-Mail` and `api-key` read like `e_mail` and `api_key`.
const fn fold(byte: u8) -> u8 {
    if byte == b'-' { b'_' } else { byte.to_ascii_lowercase() }
}

/// `ada@example.com` as `a***@e***.com`, `+43 660 1234567` as `***67`.
fn masked(text: &str) -> String {
    if text.contains('@') {
        return emails_masked(text).into_owned();
    }
    let digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
    match digits.as_slice() {
        [.., a, b] if digits.len() > 5 => format!("***{a}{b}"),
        _ => "***".to_owned(),
    }
}

/// Every e-mail address in a text masked: error messages quote them.
pub(super) fn emails_masked(text: &str) -> Cow<'_, str> {
    if !text.contains('@') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let (before, after) = (rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default());
        let local = before.rfind(|c: char| !is_local(c)).map_or(before, |i| {
            let next = before.get(i..).and_then(|tail| tail.chars().next()).map_or(1, char::len_utf8);
            before.get(i + next..).unwrap_or_default()
        });
        let domain =
            after.find(|c: char| !is_domain(c)).map_or(after, |i| after.get(..i).unwrap_or_default());
        let lead = before.get(..before.len() - local.len()).unwrap_or_default();
        if local.is_empty() || domain.is_empty() {
            out.push_str(before);
            out.push('@');
            rest = after;
            continue;
        }
        out.push_str(lead);
        mask_into(&mut out, local);
        out.push('@');
        mask_into(&mut out, domain);
        if let Some((_, top)) = domain.trim_end_matches('.').rsplit_once('.') {
            out.push('.');
            out.push_str(top);
        }
        rest = after.get(domain.len()..).unwrap_or_default();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn mask_into(out: &mut String, part: &str) {
    out.extend(part.chars().next());
    out.push_str("***");
}

fn is_local(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-' | '\'')
}

fn is_domain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: AUD-5
    #[test]
    fn secrets_are_never_shown_and_people_are_masked() {
        for name in [
            "password",
            "new_password",
            "Authorization",
            "set-cookie",
            "refresh_token",
            "API-Key",
            "csrf_token",
        ] {
            assert_eq!(value(name, "hunter2"), "[redacted]", "{name}");
        }
        assert_eq!(value("email", "ada@example.com"), "a***@e***.com");
        assert_eq!(value("phone", "+43 660 1234567"), "***67");
        assert_eq!(value("phone", "112"), "***");
        assert_eq!(value("path", "/orders/17"), "/orders/17");
    }

    // proves: AUD-5
    #[test]
    fn addresses_inside_messages_are_masked_and_nothing_else_is_lost() {
        assert_eq!(
            value("error", "no mailbox for <ada.l@mail.example.org>, nor bob@b.de."),
            "no mailbox for <a***@m***.org>, nor b***@b***.de"
        );
        assert_eq!(value("error", "a @ b and @c and d@"), "a @ b and @c and d@");
        assert_eq!(value("error", "über@exämple.de"), "ü***@e***.de");
    }
}
