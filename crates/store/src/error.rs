//! What can go wrong in the store, in words that may stand in a log.

use palisade_model::world::NoEntropy;

/// Why the store did not do what it was asked.
///
/// Neither form of it shows SQL, a URL, a password or a value: drivers' messages hold all of these, so only
/// their codes are kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database did not answer or refused. Made of fixed words and the driver's code.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// Somebody else has this name or e-mail.
    #[error("this {what} is taken")]
    Taken {
        /// `name` or `email`.
        what: &'static str,
    },
    /// What was to be changed is not there, or its user is disabled.
    #[error("what was to be changed is not there any more")]
    Gone,
    /// The user has a second factor, and what was to be begun rests on none (ID-17).
    #[error("the user has a second factor, and none was shown")]
    FactorNeeded,
    /// Without what was to be given up nobody could sign in to the account any more.
    #[error("nothing else lets the user in")]
    LastWay,
    /// The database was made by a newer Palisade.
    #[error(
        "the store has schema {found}, but this Palisade knows only up to {known}: start the newer one again"
    )]
    Newer {
        /// The schema's number in the database.
        found: i64,
        /// The highest number known here.
        known: i64,
    },
    /// The database holds something that this program would never have written.
    #[error("the store holds something that does not fit: {0}")]
    Corrupt(&'static str),
    /// A value that cannot be stored.
    #[error("the value cannot be stored: {0}")]
    Refused(&'static str),
    /// Another program's table cannot be read.
    #[error("the table cannot be taken over: {0}")]
    Foreign(String),
    /// The location of the store cannot be used.
    #[error("the location of the store cannot be used: {0}")]
    Location(&'static str),
}

impl From<NoEntropy> for StoreError {
    fn from(_: NoEntropy) -> Self {
        Self::Unavailable("no random bytes to be had".into())
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            // Rows refer to users and families only.
            rusqlite::Error::SqliteFailure(cause, _)
                if cause.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY =>
            {
                Self::Gone
            }
            rusqlite::Error::SqliteFailure(cause, _) => {
                Self::Unavailable(format!("SQLite code {}", cause.extended_code))
            }
            rusqlite::Error::SqlInputError { error: cause, .. } => {
                Self::Unavailable(format!("SQLite code {}", cause.extended_code))
            }
            _ => Self::Unavailable("SQLite was used wrongly".into()),
        }
    }
}
