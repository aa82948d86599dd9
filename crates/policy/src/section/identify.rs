//! `[identify]`: passwords, sessions, tokens and sign-in at other sites.

pub(crate) mod admin_tokens;
pub(crate) mod api_keys;
pub(crate) mod breakglass;
pub(crate) mod guests;
pub(crate) mod lockout;
pub(crate) mod oidc;
pub(crate) mod outside;
pub(crate) mod passwords;
pub(crate) mod second_factor;
pub(crate) mod sessions;
pub(crate) mod tokens;

pub use admin_tokens::AdminTokens;
pub use api_keys::ApiKeys;
pub use breakglass::Breakglass;
pub use guests::Guests;
pub use lockout::Lockout;
pub use oidc::{GOOGLE_ISSUER, Issuer, Provider};
pub use outside::OutsideRoles;
pub use passwords::{Hashing, Passwords};
pub use second_factor::SecondFactor;
pub use sessions::{CookieName, Sessions};
pub use tokens::{Algorithm, Tokens};

use palisade_model::Secret;

use super::app::{App, Deployment};
use super::authorize::{RoleSet, Roles};
use super::mail::Mail;
use crate::diagnostic::{Code, Diagnostic};
use crate::read::secret::UserList;
use crate::read::setting::{AnySetting as _, Variable};
use crate::read::{Reader, Scope, Setting, Shape, Table};

const SECRET_KEY: Setting<Secret> = Setting::optional(
    "identify.secret_key",
    "The root of the keys for CSRF tokens and the like, 32 bytes at the least. In development one is made and kept.",
)
.such_as("env:SECRET_KEY")
.or_from(&[Variable::plain("SECRET_KEY")]);
const PREVIOUS_SECRET_KEYS: Setting<Vec<Secret>> = Setting::new(
    "identify.previous_secret_keys",
    "",
    "Former values of `secret_key`: what they sealed still opens and is sealed anew, forms on open pages still pass.",
)
.such_as("env:OLD_SECRET_KEY");
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
const SIGN_UP_VERIFY: Setting<bool> = Setting::optional(
    "identify.sign_up.verify",
    "Whether an account is only made once its e-mail address was confirmed by a link.",
)
.else_by("true in production where `mail.server` is set");
const SIGN_UP_ROLES: Setting<Vec<String>> =
    Setting::optional("identify.sign_up.roles", "The roles of somebody who registers.")
        .else_by("`user`, if there is such a role")
        .such_as("user");

pub(crate) const SCOPES: &[Scope] = &[
    Scope {
        path: "identify",
        doc: "Who is asking.",
        settings: &[&SECRET_KEY, &PREVIOUS_SECRET_KEYS, &AUTH_USERS, &HOME],
        tables: &[
            "sign_up",
            "lockout",
            "passwords",
            "second_factor",
            "sessions",
            "tokens",
            "api_keys",
            "admin_tokens",
            "breakglass",
            "guests",
            "oidc",
        ],
        shape: Shape::Once,
    },
    Scope {
        path: "identify.sign_up",
        doc: "Registration.",
        settings: &[&SIGN_UP_OPEN, &SIGN_UP_VERIFY, &SIGN_UP_ROLES],
        tables: &[],
        shape: Shape::Once,
    },
];

pub(crate) fn read(
    reader: &mut Reader<'_>,
    root: &Table<'_>,
    app: &App,
    mail: &Mail,
    roles: &Roles,
) -> Identify {
    let table = reader.open(root, "identify", "identify");
    let sign_up = reader.open(&table, "sign_up", "identify.sign_up");
    let default_roles = read_roles(reader, &sign_up, &SIGN_UP_ROLES, "user", roles);
    let providers = oidc::read(reader, &table, roles, default_roles);
    oidc::check(reader, &providers);
    Identify {
        secret_key: reader.read_if_said(&table, &SECRET_KEY),
        previous_secret_keys: reader.read(&table, &PREVIOUS_SECRET_KEYS),
        sign_up: reader.read(&sign_up, &SIGN_UP_OPEN),
        verify: read_verify(reader, &sign_up, app, mail),
        default_roles,
        home: read_path(reader, &table, &HOME),
        lockout: lockout::read(reader, &table, app),
        passwords: passwords::read(reader, &table),
        second_factor: second_factor::read(reader, &table, roles),
        sessions: sessions::read(reader, &table, app),
        tokens: tokens::read(reader, &table, app),
        api_keys: api_keys::read(reader, &table),
        admin_tokens: admin_tokens::read(reader, &table),
        breakglass: breakglass::read(reader, &table),
        guests: guests::read(reader, &table, roles),
        providers,
        auth_users: reader.read_if_said(&table, &AUTH_USERS).map(|users| users.0).unwrap_or_default(),
    }
}

fn read_verify(reader: &mut Reader<'_>, table: &Table<'_>, app: &App, mail: &Mail) -> bool {
    let said = reader.read_if_said(table, &SIGN_UP_VERIFY);
    if said == Some(true) && !mail.is_on() {
        let place = reader.places.of("identify.sign_up.verify");
        reader.note(
            Diagnostic::error(Code::Contradiction, place, "addresses cannot be confirmed without mail")
                .help("write server = \"smtp://...\" in [mail], or verify = false"),
        );
    }
    said.unwrap_or_else(|| mail.is_on() && app.environment == Deployment::Production)
}

/// Names of roles; where none are said, the role `usual`, if there is one.
fn read_roles(
    reader: &mut Reader<'_>,
    table: &Table<'_>,
    setting: &Setting<Vec<String>>,
    usual: &str,
    roles: &Roles,
) -> RoleSet {
    let Some(names) = reader.read_if_said(table, setting) else {
        return roles.index(usual).map_or(RoleSet::EMPTY, RoleSet::of);
    };
    let mut set = RoleSet::EMPTY;
    for (n, name) in names.iter().enumerate() {
        match roles.index(name) {
            Some(index) => set = set.with(RoleSet::of(index)),
            None => {
                let place = reader.places.item(setting.path(), n);
                reader.note(roles.unknown(name, place));
            }
        }
    }
    set
}

/// A path of this site: an address elsewhere would make sign-in a way to send people anywhere.
fn read_path(reader: &mut Reader<'_>, table: &Table<'_>, setting: &Setting<String>) -> String {
    let path = reader.read(table, setting);
    let is_path = path.starts_with('/') && !path.starts_with("//") && !path.contains('\\');
    if !is_path {
        let place = reader.places.of(setting.path());
        reader.note(
            Diagnostic::error(
                Code::Malformed,
                place,
                format!("{} is not a path of this site", setting.path()),
            )
            .help("write a path: \"/\" or \"/dashboard\""),
        );
    }
    path
}

/// `[identify]`, compiled.
#[derive(Clone, Debug)]
pub struct Identify {
    /// The root of all keys that are derived (CSRF, assertions). From SECRET_KEY; in development one is
    /// made and kept in the data folder when this is `None`.
    pub secret_key: Option<Secret>,
    /// Former values of it, while it rotates (ID-11).
    pub previous_secret_keys: Vec<Secret>,
    /// Whether anybody may register.
    pub sign_up: bool,
    /// Whether an account is only made once its address was confirmed (ID-4).
    pub verify: bool,
    /// The roles of a user who registers.
    pub default_roles: RoleSet,
    /// Where a browser goes after sign-in when it did not come from anywhere.
    pub home: String,
    /// What failed attempts lead to (LIMIT-3).
    pub lockout: Lockout,
    /// Password rules (ID-2) and hashing (ID-3).
    pub passwords: Passwords,
    /// Second factors, and proof anew (ID-17).
    pub second_factor: SecondFactor,
    /// Session cookies (ID-8).
    pub sessions: Sessions,
    /// Access and refresh tokens (ID-9, ID-10).
    pub tokens: Tokens,
    /// Keys for programs (ID-16).
    pub api_keys: ApiKeys,
    /// Administrators' tokens (ID-12).
    pub admin_tokens: AdminTokens,
    /// The way in when all others fail (ID-13).
    pub breakglass: Breakglass,
    /// Visitors with a token and no password (ID-14).
    pub guests: Guests,
    /// Other sites at which people sign in (ID-6).
    pub providers: Vec<Provider>,
    /// AUTH_USERS: name and password hash pairs (ID-5).
    pub auth_users: Vec<(String, Secret)>,
}
