//! `[identify.sessions]`: session cookies.

use std::time::Duration;

use serde_json::{Value, json};

use crate::read::kind::{Context, Kind, Raw, Read, Wrong, text_of};
use crate::read::{Reader, Scope, Setting, Shape, Table};
use crate::section::app::{App, Deployment};
use crate::section::shield::SameSite;

const COOKIE: Setting<CookieName> = Setting::new(
    "identify.sessions.cookie",
    "palisade_session",
    "The cookie's name; where the site is https, __Host- is put in front of it.",
);
const SAME_SITE: Setting<SameSite> =
    Setting::optional("identify.sessions.same_site", "With which requests from other sites the cookie goes.")
        .else_by("strict in production, lax elsewhere")
        .such_as("strict");
const IDLE: Setting<Duration> =
    Setting::new("identify.sessions.idle", "24h", "A session ends after so long without a request.")
        .between("1m", "365d");
const ABSOLUTE: Setting<Duration> =
    Setting::new("identify.sessions.absolute", "24h", "A session ends so long after sign-in.")
        .between("1m", "365d");
const MAX_PER_USER: Setting<Option<usize>> = Setting::new(
    "identify.sessions.max_per_user",
    "20",
    "So many sessions a user may have at once; beyond that, the one used longest ago ends.",
)
.between("1", "1000");

pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "identify.sessions",
    doc: "Session cookies.",
    settings: &[&COOKIE, &SAME_SITE, &IDLE, &ABSOLUTE, &MAX_PER_USER],
    tables: &[],
    shape: Shape::Once,
}];

/// A name that cookies, form fields and headers can have: a token of RFC 9110 section 5.6.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieName(pub String);

impl Kind for CookieName {
    const EXAMPLE: &'static str = "csrf_token";

    fn takes() -> String {
        "a name of letters, digits, `_` and `-`".into()
    }

    fn read(raw: Raw<'_>, _: &Context<'_>) -> Read<Self> {
        let text = text_of(raw, &Self::takes())?;
        let is_name = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let has_prefix =
            ["__host-", "__secure-"].iter().any(|prefix| text.to_ascii_lowercase().starts_with(prefix));
        if is_name && !text.is_empty() && !has_prefix {
            return Ok(Self(text.to_owned()));
        }
        let help = if has_prefix {
            "leave the prefix out: it is added by itself where it can be"
        } else {
            "write a name such as \"app_session\""
        };
        Err(vec![Wrong::malformed(format!("`{text}` is not {}", Self::takes()), help)])
    }

    fn nothing() -> Self {
        Self("name".into())
    }

    fn schema() -> Value {
        json!({"type": "string", "pattern": "^[A-Za-z0-9_-]+$"})
    }
}

pub(super) fn read(reader: &mut Reader<'_>, parent: &Table<'_>, app: &App) -> Sessions {
    let table = reader.open(parent, "sessions", "identify.sessions");
    let secure = app.base_url.secure;
    let name = reader.read(&table, &COOKIE).0;
    let usual = if app.environment == Deployment::Production { SameSite::Strict } else { SameSite::Lax };
    Sessions {
        cookie: if secure { format!("__Host-{name}") } else { name },
        secure,
        same_site: reader.read_if_said(&table, &SAME_SITE).unwrap_or(usual),
        idle: reader.read(&table, &IDLE),
        absolute: reader.read(&table, &ABSOLUTE),
        max_per_user: reader.read(&table, &MAX_PER_USER),
    }
}

/// Session cookies (ID-8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// The cookie's name; `__Host-` where the site is https.
    pub cookie: String,
    /// Secure attribute.
    pub secure: bool,
    /// SameSite attribute.
    pub same_site: SameSite,
    /// Ends after so long without a request.
    pub idle: Duration,
    /// Ends so long after sign-in.
    pub absolute: Duration,
    /// How many a user may have at once; beyond that, the one used longest ago ends. `None`: any number.
    pub max_per_user: Option<usize>,
}
