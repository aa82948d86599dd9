//! The page that people see when they are refused: readable by everybody, without a script, and with
//! one style that the Content-Security-Policy knows by its hash.

use std::fmt::Write as _;
use std::sync::LazyLock;

use http::{HeaderValue, StatusCode};
use palisade_model::denial::Facts;
use palisade_model::{Denial, Refusal, RequestId, digest};

use super::seconds_to_wait;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#17211c;--soft:#52605a;--line:#cfd7d2;--paper:#eef1ee;--card:#fff;--accent:#0a6448}\
@media(prefers-color-scheme:dark){:root{--ink:#e7eeea;--soft:#a3b2ab;--line:#2f3a35;--paper:#0f1412;--card:#171e1b;--accent:#6fd6ad}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--paper);color:var(--ink);\
font:1rem/1.6 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\
main{width:100%;max-width:32rem;padding:2.25rem 2.5rem;background:var(--card);border:1px solid var(--line);\
border-radius:.75rem}\
.status{margin:0;color:var(--accent);font-weight:600;font-size:.95rem;letter-spacing:.04em}\
h1{margin:.2rem 0 .6rem;font-size:1.6rem;line-height:1.25}\
p{margin:.4rem 0 1rem}ul{margin:0 0 1rem;padding-left:1.2rem}\
a{color:var(--accent)}a:focus-visible{outline:3px solid var(--accent);outline-offset:3px;border-radius:3px}\
footer{margin-top:1.75rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--soft);font-size:.85rem}\
code{font-family:ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}";

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
pub(super) fn write(status: StatusCode, facts: Facts, refusal: &Refusal, id: &RequestId) -> String {
    let mut page = String::with_capacity(STYLE.len() + 1024);
    let (code, title, detail) = (status.as_u16(), facts.title, facts.detail);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <main>\n<p class=\"status\">{code}</p>\n<h1>{title}</h1>\n<p>{detail}</p>\n"
    );
    if let Some(seconds) = seconds_to_wait(refusal) {
        let _ = writeln!(page, "<p>Try again {}.</p>", in_words(seconds));
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
    if facts.code == Denial::ProofNeeded.facts().code {
        page.push_str("<p><a href=\"/auth/confirm\">Confirm that it is you</a></p>\n");
    } else if facts.code == Denial::FactorRequired.facts().code {
        page.push_str("<p><a href=\"/account/factors\">Set up a second factor</a></p>\n");
    } else if status == StatusCode::UNAUTHORIZED {
        page.push_str("<p><a href=\"/auth/login\">Sign in</a></p>\n");
    } else if facts.code == Denial::PasswordExpired.facts().code {
        page.push_str("<p><a href=\"/account\">Go to your account</a></p>\n");
    } else {
        page.push_str("<p><a href=\"/\">Go to the start page</a></p>\n");
    }
    let _ = write!(
        page,
        "<footer>If you ask for help, name this request: <code>{id}</code></footer>\n</main>\n</body>\n</html>\n"
    );
    page
}

/// `in 40 seconds`, `in 5 minutes`: rounded up.
fn in_words(seconds: u64) -> String {
    let (count, unit) = match seconds {
        ..=120 => (seconds, "second"),
        121..=7_200 => (seconds.div_ceil(60), "minute"),
        _ => (seconds.div_ceil(3_600), "hour"),
    };
    format!("in {count} {unit}{}", if count == 1 { "" } else { "s" })
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
