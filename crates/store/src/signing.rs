//! Signing keys, sealed by the caller, with overlap while they rotate (ID-11).
//!
//! The newest key of a purpose and kind never has an end, so that there is always one to sign with.

use palisade_model::{AuditEvent, Timestamp};

use crate::feed::Subject;
use crate::sql::{Query, statements, values};
use crate::value::{Row, first};
use crate::{Store, StoreError};

/// A key that signs, or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// The thumbprint of its public half (RFC 7638).
    pub id: String,
    /// What it signs, as `tokens`.
    pub purpose: String,
    /// Its kind, as `ed25519`.
    pub kind: String,
    /// The private half, sealed.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it signs; it is published before.
    pub active_from: Timestamp,
    /// From when on what it signed is refused; it may lie ahead.
    pub retired_at: Option<Timestamp>,
}

statements! {
    KEPT = "SELECT sealed FROM kept_secrets WHERE name = $1";
    ALL = "SELECT id, purpose, kind, sealed, created_at, active_from, retired_at FROM signing_keys \
           ORDER BY purpose, active_from DESC, id";
    ADD = "INSERT INTO signing_keys (id, purpose, kind, sealed, created_at, active_from, retired_at) \
           VALUES ($1, $2, $3, $4, $5, $6, $7)";
    OPEN_ENDED = "SELECT id FROM signing_keys WHERE purpose = $1 AND kind = $2 AND retired_at IS NULL";
    END_OTHERS = "UPDATE signing_keys SET retired_at = $3 WHERE purpose = $1 AND id <> $2 \
                  AND (retired_at IS NULL OR retired_at > $3)";
    RETIRE = "UPDATE signing_keys SET retired_at = $2 WHERE id = $1 AND (retired_at IS NULL OR retired_at > $2) \
              AND EXISTS (SELECT 1 FROM signing_keys o WHERE o.purpose = signing_keys.purpose \
              AND o.kind = signing_keys.kind AND o.id <> signing_keys.id AND o.active_from <= $2 \
              AND (o.retired_at IS NULL OR o.retired_at > $2)) RETURNING purpose, kind";
    UNEND_NEWEST = "UPDATE signing_keys SET retired_at = NULL WHERE id = (SELECT o.id FROM signing_keys o \
                    WHERE o.purpose = $1 AND o.kind = $2 AND (o.retired_at IS NULL OR o.retired_at > $3) \
                    ORDER BY o.active_from DESC, o.id LIMIT 1)";
    FORGET_KEPT = "DELETE FROM kept_secrets WHERE name = $1";
    RESEAL = "UPDATE signing_keys SET sealed = $3 WHERE id = $1 AND sealed = $2";
    PRUNE = "DELETE FROM signing_keys WHERE retired_at <= $1";
}

fn read(row: &mut Row) -> Result<SigningKey, StoreError> {
    Ok(SigningKey {
        id: row.read()?,
        purpose: row.read()?,
        kind: row.read()?,
        sealed: row.read()?,
        created_at: row.read()?,
        active_from: row.read()?,
        retired_at: row.read()?,
    })
}

fn add(key: &SigningKey) -> Query {
    ADD.with(values![
        &key.id,
        &key.purpose,
        &key.kind,
        key.sealed.as_slice(),
        key.created_at,
        key.active_from,
        key.retired_at
    ])
}

/// Removes keys that retired before `before`: nothing that they signed is accepted any more.
pub(crate) fn prune(before: Timestamp) -> Query {
    PRUNE.with(values![before])
}

impl Store {
    /// The secret of this name, as an earlier version kept it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn kept_secret(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let rows = self.db().point(KEPT.with(values![name])).await?;
        first(rows).map(|mut row| row.read()).transpose()
    }

    /// All keys, of each purpose the one that became active last first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>, StoreError> {
        let rows = self.db().point(ALL.with([])).await?;
        rows.into_iter().map(|mut row| read(&mut row)).collect()
    }

    /// Keeps the key unless there is one of its purpose and kind without an end: of several nodes that start at
    /// once, one wins. Keys of other kinds for the same purpose end at `others_end`, and what an earlier version kept
    /// as `purpose.kind` goes. Whether it was kept.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn first_signing_key(
        &self,
        key: &SigningKey,
        others_end: Timestamp,
        audit: Vec<AuditEvent>,
    ) -> Result<bool, StoreError> {
        let key = key.clone();
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let known = tx.rows(OPEN_ENDED.with(values![&key.purpose, &key.kind])).await?;
                    if !known.is_empty() {
                        return Ok(false);
                    }
                    tx.later(add(&key));
                    tx.later(END_OTHERS.with(values![&key.purpose, &key.id, others_end]));
                    tx.later(FORGET_KEPT.with(values![format!("{}.{}", key.purpose, key.kind)]));
                    tx.changed(Subject::SigningKeys);
                    tx.record(audit);
                    Ok(true)
                })
            })
            .await
    }

    /// Adds a key; all others of its purpose end at `others_end` at the latest.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn rotate_signing_key(
        &self,
        key: &SigningKey,
        others_end: Timestamp,
        audit: Vec<AuditEvent>,
    ) -> Result<(), StoreError> {
        let key = key.clone();
        self.db()
            .write(move |tx| {
                tx.later(add(&key));
                tx.later(END_OTHERS.with(values![&key.purpose, &key.id, others_end]));
                tx.changed(Subject::SigningKeys);
                tx.record(audit);
                Box::pin(std::future::ready(Ok(())))
            })
            .await
    }

    /// Ends a key at once, if another of its purpose and kind signs already. Whether it was ended.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn retire_signing_key(
        &self,
        id: &str,
        now: Timestamp,
        audit: Vec<AuditEvent>,
    ) -> Result<bool, StoreError> {
        let retire = RETIRE.with(values![id, now]);
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let Some(mut row) = first(tx.rows(retire).await?) else { return Ok(false) };
                    let (purpose, kind): (String, String) = (row.read()?, row.read()?);
                    tx.later(UNEND_NEWEST.with(values![purpose, kind, now]));
                    tx.changed(Subject::SigningKeys);
                    tx.record(audit);
                    Ok(true)
                })
            })
            .await
    }

    /// Puts another seal on a key, if it still has the former one. No change that anybody has to hear of.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reseal_signing_key(&self, id: &str, former: &[u8], sealed: &[u8]) -> Result<(), StoreError> {
        let reseal = RESEAL.with(values![id, former, sealed]);
        self.db()
            .write(move |tx| {
                tx.later(reseal);
                Box::pin(std::future::ready(Ok(())))
            })
            .await
    }
}
