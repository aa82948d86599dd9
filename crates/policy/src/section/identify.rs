//! `[identify]`: passwords, sessions and tokens.

use std::time::Duration;

use palisade_model::Secret;
use serde_json::{Value, json};

use super::app::{App, Deployment};
use super::authorize::{RoleSet, Roles};
use super::shield::SameSite;
use crate::diagnostic::{Code, Diagnostic};
use crate::read::kind::{Context, Kind, Raw, Read, Word, Wrong, text_of};
use crate::read::quantity::Size;
use crate::read::secret::UserList;
use crate::read::setting::Variable;
use crate::read::{Reader, Scope, Setting, Shape, Table};

const SECRET_KEY: Setting<Secret> = Setting::optional(
    "identify.secret_key",
    "The root of the keys for CSRF tokens and the like, 32 bytes at the least. In development one is made and kept.",
)
.such_as("env:SECRET_KEY")
.or_from(&[Variable::plain("SECRET_KEY")]);
const AUTH_USERS: Setting<UserList> = Setting::optional(
    "identify.auth_users",
    "Users as name:hash pairs, taken over at the start: hashes alone, never passwords.",
)
.such_as("env:AUTH_USERS")
.or_from(&[Variable::plain("AUTH_USERS")]);
const HOME: Setting<String> = Setting::new(
    "identify.home",
    "/",
    "Where a browser goes after sign-in when it did not come from anywhere.",
);

const SIGN_UP_OPEN: Setting<bool> =
    Setting::new("identify.sign_up.open", "false", "Whether anybody may register.");
const SIGN_UP_ROLES: Setting<Vec<String>> =
    Setting::optional("identify.sign_up.roles", "The roles of somebody who registers.")
        .else_by("`user`, if there is such a role")
        .such_as("user");

const MIN_LENGTH: Setting<usize> =
    Setting::new("identify.passwords.min_length", "8", "The least length, in characters.").between("8", "64");
const MAX_LENGTH: Setting<usize> = Setting::new(
    "identify.passwords.max_length",
    "128",
    "The greatest length, in characters; a longer password is refused, never cut.",
)
.between("64", "1024");
const REQUIRE: Setting<Vec<Class>> = Setting::new(
    "identify.passwords.require",
    "",
    "Which kinds of character a password needs. None by default: length and strength count for more (ASVS 6.2.5).",
)
.such_as("upper, lower, digit, special");
const REFUSE_COMMON: Setting<bool> =
    Setting::new("identify.passwords.refuse_common", "true", "Refuses passwords that many people use.");
const MIN_STRENGTH: Setting<u8> = Setting::new(
    "identify.passwords.min_strength",
    "2",
    "The least estimated strength (zxcvbn), from 0 for none to 4 for very strong.",
)
.between("0", "4");
const MAX_AGE: Setting<Option<Duration>> =
    Setting::new("identify.passwords.max_age", "off", "Age after which a password has to be changed.")
        .between("1d", "3650d")
        .such_as("90d");
const HISTORY: Setting<usize> =
    Setting::new("identify.passwords.history", "5", "So many former passwords cannot come back.")
        .between("0", "50");
const MEMORY: Setting<Size> =
    Setting::new("identify.passwords.memory", "19MiB", "Memory for one hash (argon2id).")
        .between("8KiB", "4GiB");
const PASSES: Setting<u32> =
    Setting::new("identify.passwords.passes", "2", "Passes over that memory (argon2id).").between("1", "64");
const WORKERS: Setting<usize> =
    Setting::new("identify.passwords.workers", "2", "So many passwords are hashed at once.")
        .between("1", "256");
const QUEUE: Setting<usize> =
    Setting::new("identify.passwords.queue", "64", "So many may wait for it; more get 503.")
        .between("0", "100000");

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
    "So many sessions a user may have at once; the oldest ends.",
)
.between("1", "1000");

const ALGORITHM: Setting<Algorithm> = Setting::optional(
    "identify.tokens.algorithm",
    "How access tokens are signed. HS256 needs `secret`; for the others a key is made, kept and published.",
)
.else_by("HS256 when `secret` is given, EdDSA otherwise");
const SECRET: Setting<Secret> =
    Setting::optional("identify.tokens.secret", "The key for HS256, 32 bytes at the least.")
        .such_as("env:JWT_SECRET_KEY")
        .or_from(&[Variable::plain("JWT_SECRET_KEY")]);
const AUDIENCE: Setting<String> =
    Setting::optional("identify.tokens.audience", "Who the tokens are for (`aud`).")
        .else_by("`app.base_url`")
        .such_as("https://app.example.com");
const ACCESS: Setting<Duration> = Setting::new("identify.tokens.access", "30m", "Life of an access token.")
    .between("10s", "24h")
    .or_from(&[Variable { name: "ACCESS_TOKEN_EXPIRE_MINUTES", form: crate::read::setting::Form::Minutes }]);
const REFRESH: Setting<Duration> =
    Setting::new("identify.tokens.refresh", "7d", "Life of a refresh token.").between("1m", "365d");
const RACE: Setting<Duration> = Setting::new(
    "identify.tokens.race",
    "10s",
    "Two uses of a refresh token within this time get the same successor; later ones revoke its whole family.",
)
.between("0s", "1m");

pub(crate) const SCOPES: &[Scope] = &[
    Scope {
        path: "identify",
        doc: "Who is asking.",
        settings: &[&SECRET_KEY, &AUTH_USERS, &HOME],
        tables: &["sign_up", "passwords", "sessions", "tokens"],
        shape: Shape::Once,
    },
    Scope {
        path: "identify.sign_up",
        doc: "Registration.",
        settings: &[&SIGN_UP_OPEN, &SIGN_UP_ROLES],
        tables: &[],
        shape: Shape::Once,
    },
    Scope {
        path: "identify.passwords",
        doc: "Password rules and hashing.",
        settings: &[
            &MIN_LENGTH,
            &MAX_LENGTH,
            &REQUIRE,
            &REFUSE_COMMON,
            &MIN_STRENGTH,
            &MAX_AGE,
            &HISTORY,
            &MEMORY,
            &PASSES,
            &WORKERS,
            &QUEUE,
        ],
        tables: &[],
        shape: Shape::Once,
    },
    Scope {
        path: "identify.sessions",
        doc: "Session cookies.",
        settings: &[&COOKIE, &SAME_SITE, &IDLE, &ABSOLUTE, &MAX_PER_USER],
        tables: &[],
        shape: Shape::Once,
    },
    Scope {
        path: "identify.tokens",
        doc: "Access and refresh tokens for API clients.",
        settings: &[&ALGORITHM, &SECRET, &AUDIENCE, &ACCESS, &REFRESH, &RACE],
        tables: &[],
        shape: Shape::Once,
    },
];

/// A kind of character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Upper,
    Lower,
    Digit,
    Special,
}

impl Word for Class {
    const WORDS: &'static [(&'static str, Self)] =
        &[("upper", Self::Upper), ("lower", Self::Lower), ("digit", Self::Digit), ("special", Self::Special)];
}

impl Word for Algorithm {
    const WORDS: &'static [(&'static str, Self)] =
        &[("EdDSA", Self::EdDsa), ("ES256", Self::Es256), ("HS256", Self::Hs256)];
}

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

pub(crate) fn read(reader: &mut Reader<'_>, root: &Table<'_>, app: &App, roles: &Roles) -> Identify {
    let table = reader.open(root, "identify", "identify");
    let sign_up = reader.open(&table, "sign_up", "identify.sign_up");
    Identify {
        secret_key: reader.read_if_said(&table, &SECRET_KEY),
        sign_up: reader.read(&sign_up, &SIGN_UP_OPEN),
        default_roles: read_default_roles(reader, &sign_up, roles),
        home: read_home(reader, &table),
        passwords: read_passwords(reader, &table),
        sessions: read_sessions(reader, &table, app),
        tokens: read_tokens(reader, &table, app),
        auth_users: reader.read_if_said(&table, &AUTH_USERS).map(|users| users.0).unwrap_or_default(),
    }
}

fn read_default_roles(reader: &mut Reader<'_>, table: &Table<'_>, roles: &Roles) -> RoleSet {
    let Some(names) = reader.read_if_said(table, &SIGN_UP_ROLES) else {
        return roles.index("user").map_or(RoleSet::EMPTY, RoleSet::of);
    };
    let mut set = RoleSet::EMPTY;
    for (n, name) in names.iter().enumerate() {
        match roles.index(name) {
            Some(index) => set = set.with(RoleSet::of(index)),
            None => {
                let place = reader.places.item("identify.sign_up.roles", n);
                reader.note(roles.unknown(name, place));
            }
        }
    }
    set
}

/// A path of this site: an address elsewhere would make sign-in a way to send people anywhere.
fn read_home(reader: &mut Reader<'_>, table: &Table<'_>) -> String {
    let home = reader.read(table, &HOME);
    let is_path = home.starts_with('/') && !home.starts_with("//") && !home.contains('\\');
    if !is_path {
        let place = reader.places.of("identify.home");
        reader.note(
            Diagnostic::error(Code::Malformed, place, "identify.home is not a path of this site")
                .help("write a path: \"/\" or \"/dashboard\""),
        );
    }
    home
}

fn read_passwords(reader: &mut Reader<'_>, parent: &Table<'_>) -> Passwords {
    let table = reader.open(parent, "passwords", "identify.passwords");
    let require = reader.read(&table, &REQUIRE);
    let needs = |class| require.contains(&class);
    let memory = reader.read(&table, &MEMORY).0 / 1024;
    Passwords {
        min_length: reader.read(&table, &MIN_LENGTH),
        max_length: reader.read(&table, &MAX_LENGTH),
        upper: needs(Class::Upper),
        lower: needs(Class::Lower),
        digit: needs(Class::Digit),
        special: needs(Class::Special),
        refuse_common: reader.read(&table, &REFUSE_COMMON),
        min_strength: reader.read(&table, &MIN_STRENGTH),
        max_age: reader.read(&table, &MAX_AGE),
        history: reader.read(&table, &HISTORY),
        memory_kib: u32::try_from(memory).unwrap_or(u32::MAX),
        passes: reader.read(&table, &PASSES),
        workers: reader.read(&table, &WORKERS),
        queue: reader.read(&table, &QUEUE),
    }
}

fn read_sessions(reader: &mut Reader<'_>, parent: &Table<'_>, app: &App) -> Sessions {
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

fn read_tokens(reader: &mut Reader<'_>, parent: &Table<'_>, app: &App) -> Tokens {
    let table = reader.open(parent, "tokens", "identify.tokens");
    let secret = reader.read_if_said(&table, &SECRET);
    let usual = if secret.is_some() { Algorithm::Hs256 } else { Algorithm::EdDsa };
    Tokens {
        algorithm: reader.read_if_said(&table, &ALGORITHM).unwrap_or(usual),
        secret,
        issuer: app.base_url.origin.clone(),
        audience: reader.read_if_said(&table, &AUDIENCE).unwrap_or_else(|| app.base_url.origin.clone()),
        access: reader.read(&table, &ACCESS),
        refresh: reader.read(&table, &REFRESH),
        race: reader.read(&table, &RACE),
    }
}

/// `[identify]`, compiled.
#[derive(Clone, Debug)]
pub struct Identify {
    /// The root of all keys that are derived (CSRF, assertions). From SECRET_KEY; in development one is
    /// made and kept in the data folder when this is `None`.
    pub secret_key: Option<Secret>,
    /// Whether anybody may register.
    pub sign_up: bool,
    /// The roles of a user who registers.
    pub default_roles: RoleSet,
    /// Where a browser goes after sign-in when it did not come from anywhere.
    pub home: String,
    /// Password rules (ID-2) and hashing (ID-3).
    pub passwords: Passwords,
    /// Session cookies (ID-8).
    pub sessions: Sessions,
    /// Access and refresh tokens (ID-9, ID-10).
    pub tokens: Tokens,
    /// AUTH_USERS: name and password hash pairs (ID-5).
    pub auth_users: Vec<(String, Secret)>,
}

/// Password rules (ID-2) and hashing (ID-3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passwords {
    /// In characters.
    pub min_length: usize,
    /// In characters; a longer one is refused, never cut.
    pub max_length: usize,
    /// Needs an upper-case letter.
    pub upper: bool,
    /// Needs a lower-case letter.
    pub lower: bool,
    /// Needs a digit.
    pub digit: bool,
    /// Needs one of the seed's special characters.
    pub special: bool,
    /// Refuses common passwords.
    pub refuse_common: bool,
    /// The least zxcvbn score, 0 to 4.
    pub min_strength: u8,
    /// Age after which a password has to be changed.
    pub max_age: Option<Duration>,
    /// How many former passwords cannot come back.
    pub history: usize,
    /// argon2id memory, in KiB.
    pub memory_kib: u32,
    /// argon2id passes.
    pub passes: u32,
    /// How many may hash at once.
    pub workers: usize,
    /// How many may wait; beyond it 503 with Retry-After.
    pub queue: usize,
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
    /// How many a user may have at once; the oldest ends. `None`: any number.
    pub max_per_user: Option<usize>,
}

/// How access tokens are signed (ID-9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256; the key is JWT_SECRET_KEY, 32 bytes at the least.
    Hs256,
    /// Ed25519; the key is made and kept in the store, published as JWKS.
    EdDsa,
    /// ECDSA on P-256; the key is made and kept in the store, published as JWKS.
    Es256,
}

/// Access and refresh tokens (ID-9, ID-10).
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Fixed by the policy, never by the token (RFC 8725 section 3.1).
    pub algorithm: Algorithm,
    /// For HS256.
    pub secret: Option<Secret>,
    /// `iss`: the base URL.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    /// Life of an access token.
    pub access: Duration,
    /// Life of a refresh token.
    pub refresh: Duration,
    /// Two uses of a refresh token within this time get the same successor (two tabs racing).
    pub race: Duration,
}
