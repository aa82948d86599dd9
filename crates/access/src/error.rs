//! What keeps [`Access`](crate::Access) from opening.

use std::path::PathBuf;

use palisade_model::world::NoEntropy;
use palisade_store::StoreError;

/// Why identities cannot be served. Each names what to do; none shows a secret.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No random bytes.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// Production without a root secret.
    #[error("identify.secret_key is not set: in production, set SECRET_KEY to 32 random bytes or more")]
    SecretMissing,
    /// A root secret that can be guessed.
    #[error("identify.secret_key is shorter than 32 bytes: make one with 'openssl rand -base64 48'")]
    SecretShort,
    /// The development secret's file.
    #[error("the secret file {path} cannot be used: {source}")]
    SecretFile {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The development secret's file is not private.
    #[error("the secret file {path} can be read by others: 'chmod 600' it, or delete it to get a new one")]
    SecretExposed {
        /// Which.
        path: PathBuf,
    },
    /// An HS256 secret under 256 bits (RFC 7518 section 3.2).
    #[error("identify.tokens.secret is shorter than 32 bytes: make one with 'openssl rand -base64 48'")]
    TokenSecretShort,
    /// A kept key that cannot be opened.
    #[error("the key '{name}' in the store was sealed under another SECRET_KEY: set the former one again")]
    Seal {
        /// Which.
        name: String,
    },
    /// A key that was sealed before the policy named a root secret.
    #[error(
        "until now the secret key was the one in {path}: write previous_secret_keys = [\"file:{path}\"] in [identify], or name that file as secret_key",
        path = path.display()
    )]
    SealedByFile {
        /// The file that was made in development.
        path: PathBuf,
    },
    /// A kept key that is no key.
    #[error("the key '{name}' in the store is damaged")]
    Key {
        /// Which.
        name: String,
    },
    /// AUTH_USERS with a hash that is not read.
    #[error(
        "AUTH_USERS: the hash of user '{name}' is of no known form, or costs too much: argon2, bcrypt, PBKDF2 and scrypt as PHC, passlib, Werkzeug and Django write them are read"
    )]
    UserHash {
        /// Whose.
        name: String,
    },
    /// AUTH_USERS with a name that nobody could sign in with.
    #[error(
        "AUTH_USERS: '{name}' is no sign-in name: use letters, digits, '.', '_', '+' and '-', at most 64"
    )]
    UserName {
        /// Which.
        name: String,
    },
    /// Hashing threads could not be started or the parameters are out of bounds.
    #[error("password hashing cannot start: {0}")]
    Hashing(String),
}
