//! The page that people see when they are refused: readable by everybody, without a script, and with
//! one style that the Content-Security-Policy knows by its hash.

use std::fmt::Write as _;
use std::sync::LazyLock;

use http::{HeaderValue, StatusCode};
use palisade_model::denial::Facts;
use palisade_model::{Denial, Refusal, RequestId, digest};
use percent_encoding::utf8_percent_encode;

use super::{NEXT_SAFE, Unsent, seconds_to_wait};

/// The look of Palisade's own pages, as far as a page without forms needs it.
const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#14201a;--soft:#4f5d56;--line:#dbe1dd;--paper:#f3f5f4;--card:#fff;\
--accent:#0b6549;--strong:#084a36;--on:#fff}\
@media(prefers-color-scheme:dark){:root{--ink:#e8eeeb;--soft:#a6b4ad;--line:#2b3531;--paper:#0e1311;--card:#161d1a;\
--accent:#72d7af;--strong:#9ae8ca;--on:#08201a}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1rem;background:var(--paper);color:var(--ink);\
font:1rem/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','Liberation Sans',sans-serif;overflow-wrap:anywhere}\
main{width:100%;max-width:30rem;padding:clamp(1.25rem,5vw,2.25rem);background:var(--card);border:1px solid var(--line);\
border-radius:.875rem}\
.status{margin:0 0 .25rem;color:var(--soft);font-weight:600;font-size:.9375rem}\
h1{margin:0 0 .75rem;font-size:1.625rem;line-height:1.2;letter-spacing:-.015em}\
p{margin:0 0 1rem}ul{margin:0 0 1rem;padding-left:1.2rem}\
a{display:inline-block;margin-top:.25rem;padding:.5rem 1.125rem;border:1px solid transparent;border-radius:.5rem;\
background:var(--accent);color:var(--on);font-weight:600;text-decoration:none}\
a:hover{background:var(--strong)}a:focus-visible{outline:3px solid var(--accent);outline-offset:2px}\
footer{margin-top:1.5rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--soft);font-size:.875rem}\
code{font-family:ui-monospace,Menlo,Consolas,'Liberation Mono',monospace}\
@media(forced-colors:active){a{border-color:LinkText}}";

/// The page's Content-Security-Policy: this style and nothing else.
pub(crate) fn policy() -> HeaderValue {
    static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
        let hash = data_encoding::BASE64.encode(&digest::sha256(&[STYLE.as_bytes()]));
        let text = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
    });
    POLICY.clone()
}

/// Writes the page.
pub(super) fn write(
    status: StatusCode,
    facts: Facts,
    refusal: &Refusal,
    id: &RequestId,
    unsent: Option<&Unsent<'_>>,
) -> String {
    let mut page = String::with_capacity(STYLE.len() + 1024);
    let (code, title, detail) = (status.as_u16(), facts.title, facts.detail);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <main>\n<p class=\"status\">Error {code}</p>\n<h1>{title}</h1>\n<p>{detail}</p>\n"
    );
    if let Some(wait) = wait_in_words(refusal) {
        let _ = writeln!(page, "<p>Try again {wait}.</p>");
    }
    if !refusal.fields.is_empty() {
        page.push_str("<ul>\n");
        for fault in &refusal.fields {
            page.push_str("<li><strong>");
            escape(&mut page, &fault.field);
            page.push_str("</strong>: ");
            escape(&mut page, &fault.message);
            page.push_str("</li>\n");
        }
        page.push_str("</ul>\n");
    }
    let (to, words) = way_on(refusal.denial, status);
    let mut to = to.to_owned();
    if let (Denial::ProofNeeded, Some(unsent)) = (refusal.denial, unsent) {
        page.push_str(
            "<p>What you sent was not carried out, and is not kept: confirm that it is you, then send it once more.</p>\n",
        );
        if let Some(back) = unsent.back {
            let _ = write!(to, "?next={}", utf8_percent_encode(back, NEXT_SAFE));
        }
    }
    let _ = writeln!(page, "<p><a href=\"{to}\">{words}</a></p>");
    let _ = write!(
        page,
        "<footer>If you ask for help, name this request: <code>{id}</code></footer>\n</main>\n</body>\n</html>\n"
    );
    page
}

/// Where people go from here.
fn way_on(denial: Denial, status: StatusCode) -> (&'static str, &'static str) {
    match denial {
        Denial::ProofNeeded => ("/auth/confirm", "Confirm that it is you"),
        Denial::FactorRequired => ("/account/factors", "Set up two-step sign-in"),
        Denial::PasswordExpired => ("/account/security", "Change your password"),
        Denial::LastWayIn | Denial::IdentityTaken => ("/account/security", "Go to your account"),
        Denial::LinkInvalid
        | Denial::LinkNeeded
        | Denial::MailOff
        | Denial::ProviderAccount
        | Denial::ProviderCancelled
        | Denial::ProviderRefused
        | Denial::ProviderUnavailable
        | Denial::SignUpClosed => ("/auth/login", "Go to the sign-in page"),
        _ if status == StatusCode::UNAUTHORIZED => ("/auth/login", "Sign in"),
        _ => ("/", "Go to the start page"),
    }
}

/// When to try again, if that is known: `in 40 seconds`, `in 5 minutes`, rounded up.
#[must_use]
pub fn wait_in_words(refusal: &Refusal) -> Option<String> {
    let seconds = seconds_to_wait(refusal)?;
    let (count, unit) = match seconds {
        ..=120 => (seconds, "second"),
        121..=7_200 => (seconds.div_ceil(60), "minute"),
        _ => (seconds.div_ceil(3_600), "hour"),
    };
    Some(format!("in {count} {unit}{}", if count == 1 { "" } else { "s" }))
}

fn escape(out: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
}
