//! `[shield.headers]` and `[shield.cookies]`: what every answer carries (HEAD-1, HEAD-2).

use std::time::Duration;

use http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS, X_XSS_PROTECTION,
};

use super::{CookieRules, SameSite};
use crate::read::kind::Word;
use crate::read::{Reader, Scope, Setting, Shape, Table};
use crate::section::app::App;

const FRAME_OPTIONS: Setting<Frames> = Setting::new(
    "shield.headers.frame_options",
    "DENY",
    "X-Frame-Options: who may show the pages in a frame.",
);
const CONTENT_SECURITY_POLICY_: Setting<Option<HeaderValue>> = Setting::new(
    "shield.headers.content_security_policy",
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; \
     base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    "Content-Security-Policy of pages that bring none of their own. Palisade's own pages have a stricter one.",
);
const REFERRER: Setting<Option<HeaderValue>> = Setting::new(
    "shield.headers.referrer_policy",
    "strict-origin-when-cross-origin",
    "Referrer-Policy: what other sites learn of where somebody comes from.",
);
const PERMISSIONS: Setting<Option<HeaderValue>> = Setting::new(
    "shield.headers.permissions_policy",
    "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Permissions-Policy: which powers of the browser the pages may use.",
);
const OPENER: Setting<Option<HeaderValue>> = Setting::new(
    "shield.headers.opener_policy",
    "same-origin",
    "Cross-Origin-Opener-Policy: whether other sites' windows can hold on to these.",
);
const XSS_PROTECTION: Setting<Option<HeaderValue>> = Setting::new(
    "shield.headers.xss_protection",
    "0",
    "X-XSS-Protection: browsers' old filters did harm, so they are switched off. Some checklists ask for \"1; mode=block\".",
);
const HSTS: Setting<Option<Duration>> = Setting::new(
    "shield.headers.hsts",
    "365d",
    "Strict-Transport-Security, sent where `app.base_url` is https: for so long browsers use nothing else.",
)
.between("5m", "3650d");
const HSTS_SUBDOMAINS: Setting<bool> =
    Setting::new("shield.headers.hsts_subdomains", "true", "Whether it holds for every subdomain too.");

const COOKIES_SECURE: Setting<bool> =
    Setting::optional("shield.cookies.secure", "Adds Secure to the application's cookies.")
        .else_by("true where `app.base_url` is https");
const COOKIES_HTTP_ONLY: Setting<bool> =
    Setting::new("shield.cookies.http_only", "true", "Adds HttpOnly to the application's cookies.");
const COOKIES_SAME_SITE: Setting<SameSite> =
    Setting::new("shield.cookies.same_site", "lax", "The application's cookies get at least this SameSite.");

pub(crate) const SCOPES: &[Scope] = &[
    Scope {
        path: "shield.headers",
        doc: "Response headers. They are set on every answer, refusals included; \"off\" leaves one out.",
        settings: &[
            &FRAME_OPTIONS,
            &CONTENT_SECURITY_POLICY_,
            &REFERRER,
            &PERMISSIONS,
            &OPENER,
            &XSS_PROTECTION,
            &HSTS,
            &HSTS_SUBDOMAINS,
        ],
        tables: &[],
        shape: Shape::Once,
    },
    Scope {
        path: "shield.cookies",
        doc: "What the application's cookies are raised to. What is stricter stays as it is.",
        settings: &[&COOKIES_SECURE, &COOKIES_HTTP_ONLY, &COOKIES_SAME_SITE],
        tables: &[],
        shape: Shape::Once,
    },
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frames {
    Deny,
    SameOrigin,
    Off,
}

impl Word for Frames {
    const WORDS: &'static [(&'static str, Self)] =
        &[("DENY", Self::Deny), ("SAMEORIGIN", Self::SameOrigin), ("off", Self::Off)];
}

impl Word for SameSite {
    const WORDS: &'static [(&'static str, Self)] =
        &[("strict", Self::Strict), ("lax", Self::Lax), ("none", Self::None)];
}

/// What `[shield.headers]` compiles to.
pub(super) struct Headers {
    pub(super) always: Vec<(HeaderName, HeaderValue)>,
    pub(super) default: Vec<(HeaderName, HeaderValue)>,
    pub(super) hsts: Option<HeaderValue>,
}

pub(super) fn read(reader: &mut Reader<'_>, shield: &Table<'_>, app: &App) -> Headers {
    let table = reader.open(shield, "headers", "shield.headers");
    let frames = reader.read(&table, &FRAME_OPTIONS);
    let csp = reader.read(&table, &CONTENT_SECURITY_POLICY_);
    let given = [
        (X_CONTENT_TYPE_OPTIONS, Some(HeaderValue::from_static("nosniff"))),
        (X_FRAME_OPTIONS, (frames != Frames::Off).then(|| HeaderValue::from_static(frames.word()))),
        (REFERRER_POLICY, reader.read(&table, &REFERRER)),
        (HeaderName::from_static("permissions-policy"), reader.read(&table, &PERMISSIONS)),
        (HeaderName::from_static("cross-origin-opener-policy"), reader.read(&table, &OPENER)),
        (X_XSS_PROTECTION, reader.read(&table, &XSS_PROTECTION)),
    ];
    Headers {
        always: given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        default: csp.into_iter().map(|value| (CONTENT_SECURITY_POLICY, value)).collect(),
        hsts: read_hsts(reader, &table).filter(|_| app.base_url.secure),
    }
}

fn read_hsts(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<HeaderValue> {
    let (age, subdomains) = (reader.read(table, &HSTS), reader.read(table, &HSTS_SUBDOMAINS));
    let subdomains = if subdomains { "; includeSubDomains" } else { "" };
    HeaderValue::from_str(&format!("max-age={}{subdomains}", age?.as_secs())).ok()
}

pub(super) fn read_cookies(reader: &mut Reader<'_>, shield: &Table<'_>, app: &App) -> CookieRules {
    let table = reader.open(shield, "cookies", "shield.cookies");
    CookieRules {
        secure: reader.read_if_said(&table, &COOKIES_SECURE).unwrap_or(app.base_url.secure),
        http_only: reader.read(&table, &COOKIES_HTTP_ONLY),
        same_site: reader.read(&table, &COOKIES_SAME_SITE),
    }
}
