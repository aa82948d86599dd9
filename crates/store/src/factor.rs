//! Second factors: authenticator applications, passkeys and recovery codes (ID-17).

use palisade_model::id::UserId;

use crate::sql::{Query, statements, values};
use crate::value::first;
use crate::{Store, StoreError};

/// What second factors a user has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Factors {
    /// A confirmed authenticator application.
    pub totp: bool,
    /// Passkeys.
    pub passkeys: u32,
    /// Recovery codes not yet used. They are no factor by themselves, only in the place of one.
    pub recovery_codes: u32,
}

impl Factors {
    /// Whether a sign-in has to show one.
    #[must_use]
    pub const fn any(self) -> bool {
        self.totp || self.passkeys > 0
    }
}

statements! {
    COUNT = "SELECT (SELECT COUNT(*) FROM totp WHERE user_id = $1 AND confirmed_at IS NOT NULL), \
             (SELECT COUNT(*) FROM passkeys WHERE user_id = $1), \
             (SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL)";
    ANY = "SELECT 1 FROM totp WHERE user_id = $1 AND confirmed_at IS NOT NULL \
           UNION ALL SELECT 1 FROM passkeys WHERE user_id = $1";
}

/// A row for each of a user's second factors.
pub(crate) fn any(user: UserId) -> Query {
    ANY.with(values![user])
}

impl Store {
    /// What second factors a user has.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn factors(&self, user: UserId) -> Result<Factors, StoreError> {
        let rows = self.db().point(COUNT.with(values![user])).await?;
        let mut row = first(rows).ok_or(StoreError::Corrupt("a count is missing"))?;
        Ok(Factors { totp: row.read::<u32>()? > 0, passkeys: row.read()?, recovery_codes: row.read()? })
    }
}
