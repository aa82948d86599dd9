//! `[shield]`: response headers, CORS and rate limits.

pub(crate) mod cors;
pub(crate) mod headers;
pub(crate) mod limits;

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use ipnet::IpNet;

use super::app::App;
pub use crate::read::quantity::Window;
use crate::read::setting::{Form, Variable};
use crate::read::{Reader, Scope, Setting, Shape, Table};
pub use limits::{ADMIN_NAME, DEFAULT_NAME};

const LIMITS_ENABLED: Setting<bool> = Setting::new(
    "shield.limits_enabled",
    "true",
    "Whether rate limits count. Off is for load tests, never for production.",
)
.or_from(&[Variable::plain("RATE_LIMIT_ENABLED")]);
const REFUSE: Setting<Vec<IpNet>> =
    Setting::new("shield.refuse", "", "Networks that are always refused.").such_as("198.51.100.0/24");
const EXEMPT: Setting<Vec<IpNet>> =
    Setting::new("shield.exempt", "", "Networks that no limit counts, such as a monitor's.")
        .such_as("192.0.2.7/32");

const ADMIN_REQUESTS: Setting<u32> = Setting::new(
    "shield.admin_requests",
    "60",
    "So many requests for which only administrators are allowed may one address make in the window.",
)
.between("1", "1000000")
.or_from(&[Variable::plain("ADMIN_RATE_MAX")]);
const ADMIN_WINDOW: Setting<Duration> =
    Setting::new("shield.admin_window", "1m", "The sliding window of such requests.")
        .between("1s", "366d")
        .or_from(&[Variable { name: "ADMIN_RATE_WINDOW", form: Form::Seconds }]);

pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "shield",
    doc: "Headers, origins, rates and networks.",
    settings: &[&LIMITS_ENABLED, &REFUSE, &EXEMPT, &ADMIN_REQUESTS, &ADMIN_WINDOW],
    tables: &["headers", "cookies", "cors", "limits"],
    shape: Shape::Once,
}];

pub(crate) fn read(reader: &mut Reader<'_>, root: &Table<'_>, app: &App) -> Shield {
    let table = reader.open(root, "shield", "shield");
    let headers = headers::read(reader, &table, app);
    let cors_table = reader.open(&table, "cors", "shield.cors");
    let cors = cors::read(reader, &cors_table);
    let admin =
        Window { count: reader.read(&table, &ADMIN_REQUESTS), per: reader.read(&table, &ADMIN_WINDOW) };
    Shield {
        headers: headers.always,
        default_headers: headers.default,
        hsts: headers.hsts,
        cookies: headers::read_cookies(reader, &table, app),
        cors: (!cors.origins.is_empty()).then_some(cors),
        limits_enabled: reader.read(&table, &LIMITS_ENABLED),
        limits: limits::read(reader, &table, admin),
        refuse: reader.read(&table, &REFUSE),
        exempt: reader.read(&table, &EXEMPT),
    }
}

/// `[shield]`, compiled.
#[derive(Clone, Debug)]
pub struct Shield {
    /// Set on every answer, replacing what the upstream sent (HEAD-1).
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Set on every answer that lacks them: an upstream may be stricter or need its own (CSP).
    pub default_headers: Vec<(HeaderName, HeaderValue)>,
    /// Strict-Transport-Security, on answers over https.
    pub hsts: Option<HeaderValue>,
    /// What the upstream's cookies are raised to (HEAD-2).
    pub cookies: CookieRules,
    /// Cross-origin rules for routes that name none of their own (CORS-1). `None`: same origin only.
    pub cors: Option<Cors>,
    /// Whether rate limits count at all (LIMIT-7); never false in production.
    pub limits_enabled: bool,
    /// Every limit, by index: routes refer to them.
    pub limits: Vec<Limit>,
    /// Networks that are always refused (LIMIT-5).
    pub refuse: Vec<IpNet>,
    /// Networks that no limit counts (LIMIT-5).
    pub exempt: Vec<IpNet>,
}

/// What the upstream's cookies are raised to (HEAD-2). Never lowered: what is stricter stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieRules {
    /// Add Secure.
    pub secure: bool,
    /// Add HttpOnly.
    pub http_only: bool,
    /// At least this SameSite.
    pub same_site: SameSite,
}

/// RFC 6265bis section 5.6.7. Ordered from loose to strict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SameSite {
    /// Sent with every request.
    None,
    /// Sent with same-site requests and top-level navigation.
    Lax,
    /// Sent with same-site requests alone.
    Strict,
}

impl SameSite {
    /// The attribute's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Lax => "Lax",
            Self::Strict => "Strict",
        }
    }
}

/// Cross-origin rules (CORS-1), as the Fetch standard has them, with their header values made beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Exact origins; `["*"]` alone stands for any, and never with credentials (CORS-2).
    pub origins: Vec<String>,
    /// Allowed methods.
    pub methods: Vec<http::Method>,
    /// Allowed request headers, lower case.
    pub headers: Vec<String>,
    /// Access-Control-Allow-Methods.
    pub allow_methods: HeaderValue,
    /// Access-Control-Allow-Headers.
    pub allow_headers: HeaderValue,
    /// Access-Control-Expose-Headers.
    pub expose_headers: Option<HeaderValue>,
    /// Access-Control-Allow-Credentials.
    pub credentials: bool,
    /// Access-Control-Max-Age, in seconds.
    pub max_age: HeaderValue,
}

impl Cors {
    /// Whether `origin` is listed.
    #[must_use]
    pub fn allows(&self, origin: &str) -> bool {
        self.origins.iter().any(|listed| listed == origin || listed == "*")
    }
}

/// Several windows that count the same thing (LIMIT-1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its name in the policy, in headers and in the log.
    pub name: String,
    /// `200/day` and `50/hour`: all must have room.
    pub windows: Vec<Window>,
    /// What is counted.
    pub by: LimitBy,
}

/// What a limit counts by (LIMIT-1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitBy {
    /// The client's address (IPv6: its /64).
    Address,
    /// The signed-in user; the address of somebody who is not.
    User,
    /// The principal's tenant; the address of somebody who has none.
    Tenant,
    /// The credential itself (session, token); the address without one.
    Token,
    /// The value of a form or JSON field, such as the user name; the address where it is missing.
    Field(String),
}
