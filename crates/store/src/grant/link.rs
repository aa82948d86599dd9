//! One-time links.

use palisade_model::id::UserId;
use palisade_model::{AuditEvent, Timestamp};

use crate::sql::{Query, statements, values};
use crate::value::{Row, first};
use crate::{Allowance, Mail, Store, StoreError, outbox};

/// The purpose of links that give an account back to its former address.
pub const UNDO: &str = "undo";

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
    /// The address that it was mailed to, and so proves.
    pub email: Option<String>,
}

statements! {
    CREATE = "INSERT INTO links (digest, user_id, purpose, expires_at, used_at, email) \
              SELECT $1, id, $3, $4, $5, $6 FROM users WHERE id = $2 AND enabled = 1 RETURNING 1";
    FIND = "SELECT digest, user_id, purpose, expires_at, used_at, email FROM links WHERE digest = $1";
    USE = "UPDATE links SET used_at = $2 WHERE digest = $1 AND used_at IS NULL AND expires_at > $2 \
           RETURNING digest, user_id, purpose, expires_at, used_at, email";
    FORGET_UNUSED = "DELETE FROM links WHERE user_id = $1 AND used_at IS NULL";
    FORGET_BUT = "DELETE FROM links WHERE user_id = $1 AND used_at IS NULL AND (purpose <> $2 OR expires_at > $3)";
    PRUNE = "DELETE FROM links WHERE digest IN \
             (SELECT digest FROM links WHERE expires_at <= $1 LIMIT 1000) RETURNING 1";
}

/// Makes a user's unused links useless.
pub(crate) fn forget_unused(user: UserId) -> Query {
    FORGET_UNUSED.with(values![user])
}

/// The same, but for what gives the account back to a former address: whoever took an account over could
/// else make that useless by changing the password. Of those, the ones that end after `until` go as well.
pub(crate) fn forget_all_but_undo(user: UserId, until: Timestamp) -> Query {
    FORGET_BUT.with(values![user, UNDO, until])
}

/// Keeps a link of a user who may sign in; a row if it did.
pub(crate) fn create(link: &Link) -> Query {
    CREATE.with(values![
        link.digest,
        link.user,
        &link.purpose,
        link.expires_at,
        link.used_at,
        link.email.as_ref()
    ])
}

/// Uses a link up: of all who try, one gets its row.
pub(crate) fn consume(digest: &[u8; 32], now: Timestamp) -> Query {
    USE.with(values![digest, now])
}

/// Removes up to 1,000 links that are over.
pub(crate) fn prune(now: Timestamp) -> Query {
    PRUNE.with(values![now])
}

pub(crate) fn read(row: &mut Row) -> Result<Link, StoreError> {
    Ok(Link {
        digest: row.read()?,
        user: row.read()?,
        purpose: row.read()?,
        expires_at: row.read()?,
        used_at: row.read()?,
        email: row.read()?,
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
                    let [made] = tx.all([create(&link)]).await?;
                    first(made).ok_or(StoreError::Gone)?;
                    tx.record(audit);
                    Ok(())
                })
            })
            .await
    }

    /// Keeps a link with the letter that it goes out in, as far as the recipient's allowance goes. For a user who
    /// is not there or may not sign in, and beyond the allowance, nothing is sent, with the same work.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mail_link(
        &self,
        link: &Link,
        letter: &Mail,
        allowance: &Allowance,
        audit: Vec<AuditEvent>,
    ) -> Result<(), StoreError> {
        let (mut link, mut letter, allowance) = (link.clone(), letter.clone(), allowance.clone());
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let now = tx.world().now();
                    if !outbox::allowed(tx, &allowance).await? {
                        link.expires_at = now;
                    }
                    let [made] = tx.all([create(&link)]).await?;
                    if made.is_empty() || link.expires_at <= now {
                        letter.expires_at = now;
                    }
                    tx.later(outbox::queue(&letter));
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
        let consume = consume(digest, now);
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let [rows] = tx.all([consume]).await?;
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
