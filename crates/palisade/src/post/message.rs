//! A letter as a message (RFC 5322): text and HTML, nothing remote, nothing that others chose in a header.

use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context as _;
use askama::Template;
use lettre::message::header::{ContentTransferEncoding, Header, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart};
use lettre::{Address, Message};
use palisade_access::Letter;
use palisade_model::id::MailId;
use palisade_policy::Policy;
use palisade_policy::section::app::Shades;

use super::words::{self, Words, one_line};

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct Html<'a> {
    app: &'a str,
    look: Look,
    words: &'a Words,
}

#[derive(Template)]
#[template(path = "mail/letter.txt", escape = "none")]
struct Text<'a> {
    app: &'a str,
    words: &'a Words,
}

/// The colours of buttons: the application's own, or those of the pages.
struct Look {
    light: (String, String),
    dark: (String, String),
}

impl Look {
    fn of(policy: &Policy) -> Self {
        let shades = |shades: Shades| (shades.accent.to_string(), shades.on.to_string());
        let usual = |accent: &str, on: &str| (accent.to_owned(), on.to_owned());
        match &policy.app.accent {
            Some(accent) => Self { light: shades(accent.light), dark: shades(accent.dark) },
            None => Self { light: usual("#0b6549", "#ffffff"), dark: usual("#72d7af", "#0e1311") },
        }
    }
}

/// Tells other programs not to answer (RFC 3834 section 5).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Puts a letter into words. The recipient's name stays out of the headers: they chose it themselves, and a name can
/// look like an address.
pub(super) fn write(letter: &Letter, id: MailId, policy: &Policy) -> anyhow::Result<Message> {
    let words = words::of(letter, policy);
    let app = one_line(&policy.app.name);
    let from = &policy.mail.from;
    let sender: Address = from.address.parse().context("the sender is no address (mail.from)")?;
    let domain = sender.domain().to_owned();
    let to: Address = letter.to.parse().map_err(|_| anyhow::anyhow!("the recipient is no address"))?;
    let html = Html { app: &app, look: Look::of(policy), words: &words }
        .render()
        .context("the HTML cannot be written")?;
    let text = Text { app: &app, words: &words }.render().context("the text cannot be written")?;
    let micros = u64::try_from(letter.at().as_micros()).unwrap_or(0);
    Message::builder()
        .from(Mailbox::new(from.name.as_deref().map(one_line), sender))
        .to(Mailbox::new(None, to))
        .subject(one_line(&words.subject))
        .date(UNIX_EPOCH + Duration::from_micros(micros))
        .message_id(Some(format!("<{id}@{domain}>")))
        .header(AutoSubmitted)
        .multipart(MultiPart::alternative_plain_html(body(text), body(html)))
        .context("the message cannot be put together")
}

/// As it stands where mail servers take it like that (RFC 5322 section 2.1.1), so that a link in a file stays whole.
fn body(text: String) -> Body {
    if text.is_ascii() && text.lines().all(|line| line.len() <= 998) {
        let lines: Vec<&str> = text.lines().collect();
        return Body::dangerous_pre_encoded(
            lines.join("\r\n").into_bytes(),
            ContentTransferEncoding::SevenBit,
        );
    }
    Body::new(text)
}

#[cfg(test)]
mod tests {
    use palisade_access::{Matter, Notice};
    use palisade_model::{Environment, Timestamp};
    use uuid::Uuid;

    use super::*;

    fn policy(text: &str) -> Policy {
        Policy::from_toml("palisade.toml", text, &Environment::default()).unwrap().policy
    }

    fn written(to: &str, name: &str, matter: Matter, policy: &Policy) -> String {
        let mut letter = Letter::new(to, name, matter, Timestamp::from_secs(1_790_000_000));
        letter.agent = Some("<b>curl</b>\r\nBcc: mallory@example.com".to_owned());
        let message = write(&letter, MailId(Uuid::from_u128(7)), policy).unwrap();
        String::from_utf8(message.formatted()).unwrap()
    }

    fn head(message: &str) -> Vec<&str> {
        message
            .split("\r\n\r\n")
            .next()
            .unwrap()
            .split("\r\n")
            .filter(|line| !line.starts_with(' '))
            .collect()
    }

    const HEADERS: [&str; 9] = [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
        "Bcc",
    ];

    // What people chose comes into the body alone, and cannot be markup there.
    // proves: ID-4, HEAD-1
    #[test]
    fn nothing_that_somebody_chose_gets_into_a_header_or_becomes_markup() {
        let policy = policy("");
        let nasty = "eve\r\nBcc: mallory@example.com\r\n\r\n<script>alert(1)</script>";
        for matter in [
            Matter::Reset { token: "TOKEN".into() },
            Matter::Notice(Notice::KeyMade { name: nasty.into() }),
            Matter::Notice(Notice::IdentityLinked { provider: nasty.into() }),
        ] {
            let text = written("eve@example.com", nasty, matter, &policy);
            let names: Vec<&str> = head(&text).iter().map(|line| line.split(':').next().unwrap()).collect();
            assert!(names.iter().all(|name| HEADERS[..8].contains(name)), "{names:?}");
            assert_eq!(names.len(), 8, "{names:?}");
            assert!(!head(&text).iter().any(|line| line.contains("eve\u{20}") || line.contains("TOKEN")));
            let (_, html) = text.split_once("Content-Type: text/html").unwrap();
            assert!(!html.contains("<script") && !html.contains("<b>"), "{text}");
            assert!(!text.contains("\nBcc:"), "{text}");
        }
        for bad in ["eve@example.com\r\nBcc: x@example.com", "a@b@c", "", "<eve@example.com>"] {
            let letter = Letter::new(bad, "eve", Matter::AddressInUse, Timestamp::from_secs(1));
            assert!(write(&letter, MailId(Uuid::from_u128(7)), &policy).is_err(), "{bad:?}");
        }
    }

    // proves: ID-4
    #[test]
    fn a_letter_is_text_and_html_without_anything_remote() {
        let policy = policy("[app]\nname = \"Bücher\"\n");
        let text = written("eve@example.com", "Eve", Matter::Reset { token: "TOKEN".into() }, &policy);
        assert!(
            text.contains("Content-Type: text/plain") && text.contains("Content-Type: text/html"),
            "{text}"
        );
        assert!(text.contains("Message-ID: <00000000-0000-0000-0000-000000000007@localhost>"), "{text}");
        assert!(text.contains("Date: Mon, 21 Sep 2026 14:13:20 +0000"), "{text}");
        for remote in ["<img", "<link", "url(", "http-equiv", "<iframe"] {
            assert!(!text.contains(remote), "{remote}");
        }
    }
}
