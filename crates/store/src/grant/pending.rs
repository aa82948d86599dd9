//! Ceremonies of several steps: a sign-in that waits for its second factor, a passkey's challenge (ID-17).
//!
//! Each is known by a token that its holder shows, counts what was tried, and can be taken once.

use palisade_model::id::UserId;
use palisade_model::{AuditEvent, Timestamp};

use crate::sql::{Query, statements, values};
use crate::value::{Row, first};
use crate::{Store, StoreError, user};

/// A ceremony that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// SHA-256 of the token that its holder shows.
    pub digest: [u8; 32],
    /// Which ceremony, as `second`.
    pub kind: String,
    /// Whose; `None` where the ceremony is to find that out.
    pub user: Option<UserId>,
    /// What the caller has to remember, in a form of its own.
    pub state: Vec<u8>,
    /// How often it was tried.
    pub tries: u32,
    /// When it ends.
    pub expires_at: Timestamp,
}

macro_rules! columns {
    () => {
        "digest, kind, user_id, state, tries, expires_at"
    };
}

statements! {
    CREATE = "INSERT INTO pending (digest, kind, user_id, state, tries, expires_at) VALUES ($1, $2, $3, $4, $5, $6)";
    FIND = concat!("SELECT ", columns!(), " FROM pending WHERE digest = $1 AND kind = $2 AND expires_at > $3");
    TRY = concat!("UPDATE pending SET tries = tries + 1 WHERE digest = $1 AND kind = $2 AND expires_at > $3 \
                   AND tries < $4 RETURNING ", columns!());
    TAKE = concat!("DELETE FROM pending WHERE digest = $1 AND kind = $2 AND expires_at > $3 RETURNING ", columns!());
    FORGET_OF = "DELETE FROM pending WHERE user_id = $1";
    PRUNE = "DELETE FROM pending WHERE digest IN \
             (SELECT digest FROM pending WHERE expires_at <= $1 LIMIT 1000) RETURNING 1";
}

/// Ends whatever ceremonies a user is in.
pub(crate) fn forget_of(user: UserId) -> Query {
    FORGET_OF.with(values![user])
}

/// Takes a ceremony, for [`taken`].
pub(crate) fn take(digest: &[u8; 32], kind: &str, now: Timestamp) -> Query {
    TAKE.with(values![digest, kind, now])
}

/// What [`take`] answered; none when it is over, unknown, or was taken before.
pub(crate) fn taken(rows: Vec<Row>) -> Result<Option<Pending>, StoreError> {
    first(rows).map(|mut row| read(&mut row)).transpose()
}

/// Removes up to 1,000 ceremonies that are over.
pub(crate) fn prune(now: Timestamp) -> Query {
    PRUNE.with(values![now])
}

fn read(row: &mut Row) -> Result<Pending, StoreError> {
    Ok(Pending {
        digest: row.read()?,
        kind: row.read()?,
        user: row.read()?,
        state: row.read()?,
        tries: row.read()?,
        expires_at: row.read()?,
    })
}

impl Store {
    /// Begins a ceremony.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when it is of a user who is not there or disabled.
    pub async fn begin_pending(&self, pending: &Pending, audit: Vec<AuditEvent>) -> Result<(), StoreError> {
        let p = pending.clone();
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let create = CREATE.with(values![
                        p.digest,
                        p.kind,
                        p.user,
                        p.state,
                        i64::from(p.tries),
                        p.expires_at
                    ]);
                    match p.user {
                        Some(user) => {
                            let [found, _] = tx.all([user::look(user), create]).await?;
                            user::enabled(found)?;
                        }
                        None => tx.later(create),
                    }
                    tx.record(audit);
                    Ok(())
                })
            })
            .await
    }

    /// The ceremony of this kind that the token with this digest is for. Looking changes nothing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn pending(&self, digest: &[u8; 32], kind: &str) -> Result<Option<Pending>, StoreError> {
        let rows = self.db().point(FIND.with(values![digest, kind, self.world().now()])).await?;
        taken(rows)
    }

    /// The same, counted as a try before anything is judged: of many at once, only `most` get it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn try_pending(
        &self,
        digest: &[u8; 32],
        kind: &str,
        most: u32,
    ) -> Result<Option<Pending>, StoreError> {
        let query = TRY.with(values![digest, kind, self.world().now(), i64::from(most)]);
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let [rows] = tx.all([query]).await?;
                    taken(rows)
                })
            })
            .await
    }

    /// Ends the ceremony and hands it over: of all who try, one gets it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn take_pending(&self, digest: &[u8; 32], kind: &str) -> Result<Option<Pending>, StoreError> {
        let query = take(digest, kind, self.world().now());
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let [rows] = tx.all([query]).await?;
                    taken(rows)
                })
            })
            .await
    }
}
