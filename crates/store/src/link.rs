//! One-time links.

use palisade_model::id::UserId;
use palisade_model::{AuditEvent, Timestamp};

use crate::sql::{Query, statements, values};
use crate::value::{Row, first};
use crate::{Store, StoreError, user};

/// A one-time link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// SHA-256 of the link's token.
    pub digest: [u8; 32],
    /// Whose.
    pub user: UserId,
    /// What it lets them do, as `password`.
    pub purpose: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

statements! {
    CREATE = "INSERT INTO links (digest, user_id, purpose, expires_at, used_at) VALUES ($1, $2, $3, $4, $5)";
    FIND = "SELECT digest, user_id, purpose, expires_at, used_at FROM links WHERE digest = $1";
    USE = "UPDATE links SET used_at = $2 WHERE digest = $1 AND used_at IS NULL AND expires_at > $2 \
           RETURNING digest, user_id, purpose, expires_at, used_at";
    FORGET_UNUSED = "DELETE FROM links WHERE user_id = $1 AND used_at IS NULL";
    PRUNE = "DELETE FROM links WHERE digest IN \
             (SELECT digest FROM links WHERE expires_at <= $1 LIMIT 1000)";
}

/// Makes a user's unused links useless.
pub(crate) fn forget_unused(user: UserId) -> Query {
    FORGET_UNUSED.with(values![user])
}

/// Removes up to 1,000 links that are over.
pub(crate) fn prune(now: Timestamp) -> Query {
    PRUNE.with(values![now])
}

fn read(row: &mut Row) -> Result<Link, StoreError> {
    Ok(Link {
        digest: row.read()?,
        user: row.read()?,
        purpose: row.read()?,
        expires_at: row.read()?,
        used_at: row.read()?,
    })
}

impl Store {
    /// Keeps a new link.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when there is no such user or it is disabled.
    pub async fn create_link(&self, link: &Link, audit: Vec<AuditEvent>) -> Result<(), StoreError> {
        let link = link.clone();
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let values = values![link.digest, link.user, link.purpose, link.expires_at, link.used_at];
                    let [found, _] = tx.all([user::look(link.user), CREATE.with(values)]).await?;
                    user::enabled(found)?;
                    tx.record(audit);
                    Ok(())
                })
            })
            .await
    }

    /// The link with this digest, whatever its state. It is not used up by looking.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn link(&self, digest: &[u8; 32]) -> Result<Option<Link>, StoreError> {
        let rows = self.db().point(FIND.with(values![digest])).await?;
        first(rows).map(|mut row| read(&mut row)).transpose()
    }

    /// Uses the link up: of all who try, one gets it. None for a link that is used, over or unknown; the
    /// trail hears of it only when it was used.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn use_link(
        &self,
        digest: &[u8; 32],
        now: Timestamp,
        audit: Vec<AuditEvent>,
    ) -> Result<Option<Link>, StoreError> {
        let values = values![digest, now];
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let [rows] = tx.all([USE.with(values)]).await?;
                    let link = first(rows).map(|mut row| read(&mut row)).transpose()?;
                    if link.is_some() {
                        tx.record(audit);
                    }
                    Ok(link)
                })
            })
            .await
    }
}
