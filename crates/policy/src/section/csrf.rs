//! `[csrf]`: forged cross-site requests.

use http::HeaderName;

use super::identify::CookieName;
use crate::read::kind::Word;
use crate::read::setting::Variable;
use crate::read::{Reader, Scope, Setting, Shape, Table};

const MODE: Setting<Mode> = Setting::new(
    "csrf.mode",
    "enforced",
    "`open` lets state-changing requests pass unchecked: for development, never in production.",
)
.or_from(&[Variable::plain("SECURITY_MODE")]);
const STATUS: Setting<u16> =
    Setting::new("csrf.status", "403", "The status of a refusal: 400 or 403.").between("400", "403");
const FIELD: Setting<CookieName> =
    Setting::new("csrf.field", "csrf_token", "The form field that carries the token.");
const HEADERS: Setting<Vec<HeaderName>> = Setting::new(
    "csrf.headers",
    "X-CSRFToken, X-CSRF-Token",
    "The request headers, any of which may carry the token instead.",
);
const COOKIE: Setting<Option<CookieName>> = Setting::new(
    "csrf.cookie",
    "off",
    "A cookie that scripts can read and copy into the header (signed double submit), for single-page applications.",
)
.such_as("csrf_token");
const INJECT: Setting<bool> = Setting::new(
    "csrf.inject",
    "true",
    "Whether the field is written into the forms of an application's pages as they pass through.",
);

pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "csrf",
    doc: "Forged cross-site requests: what a state-changing request has to show when a cookie says who asks.",
    settings: &[&MODE, &STATUS, &FIELD, &HEADERS, &COOKIE, &INJECT],
    tables: &[],
    shape: Shape::Once,
}];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Enforced,
    Open,
}

impl Word for Mode {
    const WORDS: &'static [(&'static str, Self)] = &[("enforced", Self::Enforced), ("open", Self::Open)];
}

impl Word for CsrfRule {
    const WORDS: &'static [(&'static str, Self)] =
        &[("token", Self::Token), ("origin", Self::Origin), ("off", Self::Off)];
}

pub(crate) fn read(reader: &mut Reader<'_>, root: &Table<'_>) -> Csrf {
    let table = reader.open(root, "csrf", "csrf");
    Csrf {
        enforced: reader.read(&table, &MODE) == Mode::Enforced,
        status: read_status(reader, &table),
        field: reader.read(&table, &FIELD).0,
        headers: reader.read(&table, &HEADERS),
        cookie: reader.read(&table, &COOKIE).map(|name| name.0),
        inject: reader.read(&table, &INJECT),
    }
}

/// 401 and 402 lie between the bounds and mean something else.
fn read_status(reader: &mut Reader<'_>, table: &Table<'_>) -> u16 {
    let status = reader.read(table, &STATUS);
    if matches!(status, 401 | 402) {
        let diagnostic = crate::Diagnostic::error(
            crate::Code::OutOfBounds,
            reader.places.of("csrf.status"),
            "csrf.status is out of bounds",
        )
        .help("write 400 or 403");
        reader.note(diagnostic);
    }
    status
}

/// `[csrf]`, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Csrf {
    /// `false` is the seed's `SECURITY_MODE=open` (CSRF-5); never in production.
    pub enforced: bool,
    /// The status of a refusal: 400 or 403.
    pub status: u16,
    /// The form field.
    pub field: String,
    /// The request headers, any of which may carry the token.
    pub headers: Vec<HeaderName>,
    /// The readable cookie of the signed double submit, if scripts need it (CSRF-2).
    pub cookie: Option<String>,
    /// Whether the field is written into the upstream's forms (CSRF-3).
    pub inject: bool,
}

/// What a route asks of a state-changing request that a cookie authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsrfRule {
    /// The token and an own Origin.
    Token,
    /// An own Origin alone.
    Origin,
    /// Nothing: for routes that take no cookies.
    Off,
}
