//! `[identify.tokens]`: access and refresh tokens for API clients.

use std::time::Duration;

use palisade_model::Secret;

use crate::read::kind::Word;
use crate::read::setting::{Form, Variable};
use crate::read::{Reader, Scope, Setting, Shape, Table};
use crate::section::app::App;

const ALGORITHM: Setting<Algorithm> = Setting::optional(
    "identify.tokens.algorithm",
    "How access tokens are signed. HS256 needs `secret`; for the others a key is made, kept and published.",
)
.else_by("HS256 when `secret` is given, EdDSA otherwise");
const SECRET: Setting<Secret> =
    Setting::optional("identify.tokens.secret", "The key for HS256, 32 bytes at the least.")
        .such_as("env:JWT_SECRET_KEY")
        .or_from(&[Variable::plain("JWT_SECRET_KEY")]);
const PREVIOUS_SECRETS: Setting<Vec<Secret>> = Setting::new(
    "identify.tokens.previous_secrets",
    "",
    "Former values of `secret`: tokens that they signed are accepted until they run out.",
)
.such_as("env:OLD_JWT_SECRET_KEY");
const PUBLISH_AHEAD: Setting<Duration> = Setting::new(
    "identify.tokens.publish_ahead",
    "5m",
    "A new key is published so long before it signs, and verifiers may keep the key set for as long.",
)
.between("0s", "24h");
const AUDIENCE: Setting<String> =
    Setting::optional("identify.tokens.audience", "Who the tokens are for (`aud`).")
        .else_by("`app.base_url`")
        .such_as("https://app.example.com");
const ACCESS: Setting<Duration> = Setting::new("identify.tokens.access", "30m", "Life of an access token.")
    .between("10s", "24h")
    .or_from(&[Variable { name: "ACCESS_TOKEN_EXPIRE_MINUTES", form: Form::Minutes }]);
const REFRESH: Setting<Duration> =
    Setting::new("identify.tokens.refresh", "7d", "Life of a refresh token.").between("1m", "365d");
const RACE: Setting<Duration> = Setting::new(
    "identify.tokens.race",
    "10s",
    "Two uses of a refresh token within this time get the same successor; later ones revoke its whole family.",
)
.between("0s", "1m");

pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "identify.tokens",
    doc: "Access and refresh tokens for API clients.",
    settings: &[&ALGORITHM, &SECRET, &PREVIOUS_SECRETS, &PUBLISH_AHEAD, &AUDIENCE, &ACCESS, &REFRESH, &RACE],
    tables: &[],
    shape: Shape::Once,
}];

impl Word for Algorithm {
    const WORDS: &'static [(&'static str, Self)] =
        &[("EdDSA", Self::EdDsa), ("ES256", Self::Es256), ("HS256", Self::Hs256)];
}

pub(super) fn read(reader: &mut Reader<'_>, parent: &Table<'_>, app: &App) -> Tokens {
    let table = reader.open(parent, "tokens", "identify.tokens");
    let secret = reader.read_if_said(&table, &SECRET);
    let usual = if secret.is_some() { Algorithm::Hs256 } else { Algorithm::EdDsa };
    Tokens {
        algorithm: reader.read_if_said(&table, &ALGORITHM).unwrap_or(usual),
        secret,
        previous_secrets: reader.read(&table, &PREVIOUS_SECRETS),
        publish_ahead: reader.read(&table, &PUBLISH_AHEAD),
        issuer: app.base_url.origin.clone(),
        audience: reader.read_if_said(&table, &AUDIENCE).unwrap_or_else(|| app.base_url.origin.clone()),
        access: reader.read(&table, &ACCESS),
        refresh: reader.read(&table, &REFRESH),
        race: reader.read(&table, &RACE),
    }
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
    /// Former secrets for HS256, which verify alone (ID-11).
    pub previous_secrets: Vec<Secret>,
    /// A new key is published so long before it signs.
    pub publish_ahead: Duration,
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
