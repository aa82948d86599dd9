//! What may happen once only: callbacks, logout tokens.

use palisade_model::Timestamp;

use crate::sql::{Query, statements, values};
use crate::{Store, StoreError};

statements! {
    PUT = "INSERT INTO spent (digest, expires_at) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING RETURNING 1";
    LOOK = "SELECT 1 FROM spent WHERE digest = $1 AND expires_at > $2";
    PRUNE = "DELETE FROM spent WHERE digest IN (SELECT digest FROM spent WHERE expires_at <= $1 LIMIT 1000) RETURNING 1";
}

/// Notes that it happened.
pub(crate) fn put(digest: &[u8; 32], expires_at: Timestamp) -> Query {
    PUT.with(values![digest, expires_at])
}

/// Whether it happened: a row if so.
pub(crate) fn look(digest: &[u8; 32], now: Timestamp) -> Query {
    LOOK.with(values![digest, now])
}

/// Removes up to 1,000 that need not be remembered any more.
pub(crate) fn prune(now: Timestamp) -> Query {
    PRUNE.with(values![now])
}

impl Store {
    /// Notes that something happened that may happen once only, and remembers it until then. Of all who try, one gets
    /// `true`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn spend(&self, digest: &[u8; 32], expires_at: Timestamp) -> Result<bool, StoreError> {
        let put = put(digest, expires_at);
        self.db()
            .write(move |tx| Box::pin(async move { tx.rows(put).await.map(|rows| !rows.is_empty()) }))
            .await
    }
}
