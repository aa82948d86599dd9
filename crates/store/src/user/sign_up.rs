//! Registrations that wait for their address to be confirmed. Until then there is no account, so nobody can
//! occupy another's name or address.

use palisade_model::{AuditEvent, Timestamp};

use crate::feed::Subject;
use crate::sql::{Query, statements, values};
use crate::value::first;
use crate::{Allowance, Mail, Store, StoreError, User, outbox, user};

statements! {
    KEEP = "INSERT INTO sign_ups (digest, sealed, expires_at) VALUES ($1, $2, $3)";
    FIND = "SELECT sealed FROM sign_ups WHERE digest = $1 AND expires_at > $2";
    FINISH = "DELETE FROM sign_ups WHERE digest = $1 AND expires_at > $2 RETURNING 1";
    PRUNE = "DELETE FROM sign_ups WHERE digest IN (SELECT digest FROM sign_ups WHERE expires_at <= $1 LIMIT 1000) RETURNING 1";
}

/// Removes up to 1,000 registrations that are over.
pub(crate) fn prune(now: Timestamp) -> Query {
    PRUNE.with(values![now])
}

impl Store {
    /// Keeps a registration with the letter that confirms it, as far as the recipient's allowance goes. With
    /// `expires_at` in the past it is only work: for an address that has an account, whose owner gets another
    /// letter.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keep_sign_up(
        &self,
        digest: &[u8; 32],
        sealed: Vec<u8>,
        expires_at: Timestamp,
        letter: &Mail,
        allowance: &Allowance,
        audit: Vec<AuditEvent>,
    ) -> Result<(), StoreError> {
        let keep = KEEP.with(values![digest, sealed, expires_at]);
        let (mut letter, allowance) = (letter.clone(), allowance.clone());
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    if !outbox::allowed(tx, &allowance).await? {
                        letter.expires_at = tx.world().now();
                    }
                    tx.later(keep);
                    tx.later(outbox::queue(&letter));
                    tx.record(audit);
                    Ok(())
                })
            })
            .await
    }

    /// The registration with this digest, if it is not over.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sign_up(&self, digest: &[u8; 32], now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        let rows = self.db().point(FIND.with(values![digest, now])).await?;
        first(rows).map(|mut row| row.read()).transpose()
    }

    /// Makes the user of a registration, which is used up by it.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when it was used or is over; [`StoreError::Taken`] when somebody has the name or the
    /// address by now. Then it can be tried again with another name.
    pub async fn finish_sign_up(
        &self,
        digest: &[u8; 32],
        user: &User,
        audit: Vec<AuditEvent>,
    ) -> Result<(), StoreError> {
        let (finish, user) = (FINISH.with(values![digest, user.created_at]), user.clone());
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let [kept] = tx.all([finish]).await?;
                    first(kept).ok_or(StoreError::Gone)?;
                    user::create_own(tx, &user).await?;
                    tx.changed(Subject::User(user.id));
                    tx.record(audit);
                    Ok(())
                })
            })
            .await
    }
}
