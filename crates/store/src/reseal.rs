//! What callers keep sealed, put under another seal while their root secret rotates (ID-11).

use crate::sql::{Query, Sql, statements, values};
use crate::value::Row;
use crate::{Store, StoreError};

/// Rows that are read at once.
const AT_ONCE: i64 = 500;

/// Tables with sealed secrets, beside signing keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// Secrets of authenticator applications, by user.
    Totp,
    /// Letters that wait, by letter.
    Letters,
    /// Registrations that wait, by the digest of their link.
    SignUps,
}

statements! {
    TOTP = "SELECT user_id, sealed FROM totp WHERE user_id > $1 ORDER BY user_id LIMIT $2";
    LETTERS = "SELECT id, sealed FROM outbox WHERE id > $1 ORDER BY id LIMIT $2";
    SIGN_UPS = "SELECT digest, sealed FROM sign_ups WHERE digest > $1 ORDER BY digest LIMIT $2";
    PUT_TOTP = "UPDATE totp SET sealed = $3 WHERE user_id = $1 AND sealed = $2";
    PUT_LETTER = "UPDATE outbox SET sealed = $3 WHERE id = $1 AND sealed = $2";
    PUT_SIGN_UP = "UPDATE sign_ups SET sealed = $3 WHERE digest = $1 AND sealed = $2";
}

impl Sealed {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Totp, Self::Letters, Self::SignUps];

    const fn page(self) -> &'static Sql {
        match self {
            Self::Totp => &TOTP,
            Self::Letters => &LETTERS,
            Self::SignUps => &SIGN_UPS,
        }
    }

    const fn put(self) -> &'static Sql {
        match self {
            Self::Totp => &PUT_TOTP,
            Self::Letters => &PUT_LETTER,
            Self::SignUps => &PUT_SIGN_UP,
        }
    }
}

/// Another seal for one row.
#[derive(Debug)]
pub struct Reseal {
    /// The row's key.
    pub key: Vec<u8>,
    /// What was read.
    pub was: Vec<u8>,
    /// What it becomes.
    pub becomes: Vec<u8>,
}

impl Store {
    /// Some rows behind `after`, with their keys: in the order of the keys, none once all were read.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sealed_after(
        &self,
        of: Sealed,
        after: &[u8],
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
        let rows = self.db().list(of.page().with(values![after, AT_ONCE])).await?;
        rows.into_iter().map(|mut row: Row| Ok((row.read()?, row.read()?))).collect()
    }

    /// Puts other seals on these rows, as far as they are still what was read.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reseal(&self, of: Sealed, rows: Vec<Reseal>) -> Result<(), StoreError> {
        let queries: Vec<Query> =
            rows.into_iter().map(|row| of.put().with(values![row.key, row.was, row.becomes])).collect();
        self.db()
            .write(move |tx| {
                queries.into_iter().for_each(|query| tx.later(query));
                Box::pin(std::future::ready(Ok(())))
            })
            .await
    }
}
