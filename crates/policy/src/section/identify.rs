//! `[identify]`: passwords, sessions and tokens.

use std::time::Duration;

use palisade_model::Secret;

use super::authorize::RoleSet;
use super::shield::SameSite;

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
