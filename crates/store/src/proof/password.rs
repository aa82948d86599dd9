//! A user's password, and whether they may sign in at all. What either let in ends with it.

use palisade_model::id::{SessionId, UserId};
use palisade_model::{AuditEvent, Timestamp};

use crate::db::Tx;
use crate::feed::Subject;
use crate::grant::session::Proven;
use crate::grant::{api_token, link, pending, refresh, session};
use crate::sql::{statements, values};
use crate::user::{MOST, enabled, look};
use crate::value::first;
use crate::{Mail, Renewal, Session, Store, StoreError, User, outbox};

statements! {
    KEEP_FORMER = "INSERT INTO password_history (user_id, number, hash) \
                   SELECT id, COALESCE((SELECT MAX(number) FROM password_history WHERE user_id = $1), 0) + 1, \
                   password FROM users WHERE id = $1 AND password IS NOT NULL";
    FORGET_FORMER = "DELETE FROM password_history WHERE user_id = $1 AND number <= \
                     (SELECT COALESCE(MAX(number), 0) FROM password_history WHERE user_id = $1) - $2";
    SET_PASSWORD = "UPDATE users SET password = $2, password_at = $3 WHERE id = $1 \
                    AND (password = $4 OR (password IS NULL AND $4 IS NULL)) RETURNING 1";
    RENEW_HASH = "UPDATE users SET password = $3 WHERE id = $1 AND password = $2 RETURNING 1";
    HISTORY = "SELECT hash FROM (\
               SELECT password AS hash, 9223372036854775807 AS number FROM users \
               WHERE id = $1 AND password IS NOT NULL \
               UNION ALL SELECT hash, number FROM password_history WHERE user_id = $1\
               ) AS hashes ORDER BY number DESC LIMIT $2";
    HASHES = "SELECT id, password FROM users WHERE id > $1 AND password IS NOT NULL ORDER BY id LIMIT $2";
    SET_ENABLED = "UPDATE users SET enabled = $2 WHERE id = $1 RETURNING 1";
}

/// A password to be.
#[derive(Clone, Debug)]
pub struct NewPassword {
    /// Its hash.
    pub hash: String,
    /// When it is set.
    pub at: Timestamp,
    /// How many former ones are kept.
    pub keep_history: usize,
}

/// Sets another password for whoever still has the one that was read, and ends what that one let in.
pub(crate) async fn replace(
    tx: &mut Tx<'_>,
    of: &User,
    new: &NewPassword,
    end_sessions_except: Option<SessionId>,
) -> Result<(), StoreError> {
    let id = of.id;
    let keep = i64::try_from(new.keep_history).unwrap_or(i64::MAX);
    let [found, _, _, set, ..] = tx
        .all([
            look(id),
            KEEP_FORMER.with(values![id]),
            FORGET_FORMER.with(values![id, keep]),
            SET_PASSWORD.with(values![id, &new.hash, new.at, of.password.as_ref()]),
            session::end_all(id, end_sessions_except),
            refresh::revoke_all(id, new.at),
            link::forget_all_but_undo(id, Timestamp::from_micros(i64::MAX)),
            pending::forget_of(id),
        ])
        .await?;
    enabled(found)?;
    first(set).ok_or(StoreError::Gone)?;
    tx.changed(Subject::User(id));
    Ok(())
}

impl Store {
    /// Sets the password of a user as they were read, keeps the former one and so many (`keep_history`) before it,
    /// and ends everything that the former one let in: sessions (but the one of `renewal`, which it gives back with what
    /// it rests on), refresh families, links not yet used and sign-ins that wait for their second factor. `mail` tells
    /// of it.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when there is no such user, it is disabled, or its password is not the one that was read:
    /// whoever proved that one proved nothing; or when the session is over.
    pub async fn set_password(
        &self,
        of: &User,
        new: &NewPassword,
        renewal: Option<Renewal>,
        mail: Option<&Mail>,
        audit: Vec<AuditEvent>,
    ) -> Result<Option<Session>, StoreError> {
        let (of, new, mail) = (of.clone(), new.clone(), mail.cloned());
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    replace(tx, &of, &new, renewal.map(|renewal| renewal.session)).await?;
                    let renewed = match renewal {
                        Some(renewal) => Some(session::renew(tx, of.id, renewal, Proven::AsBefore).await?),
                        None => None,
                    };
                    mail.iter().for_each(|mail| tx.later(outbox::queue(mail)));
                    tx.record(audit);
                    Ok(renewed)
                })
            })
            .await
    }

    /// Replaces a password's hash by one of the same password at another cost. Does nothing when the password
    /// was changed meanwhile.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn renew_hash(
        &self,
        id: UserId,
        old: &str,
        new: &str,
        audit: Vec<AuditEvent>,
    ) -> Result<(), StoreError> {
        let values = values![id, old, new];
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let [renewed] = tx.all([RENEW_HASH.with(values)]).await?;
                    if !renewed.is_empty() {
                        tx.changed(Subject::User(id));
                        tx.record(audit);
                    }
                    Ok(())
                })
            })
            .await
    }

    /// The hashes of the user's last `n` passwords, the present one first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn password_history(&self, id: UserId, n: usize) -> Result<Vec<String>, StoreError> {
        let n = i64::try_from(n).unwrap_or(i64::MAX);
        let rows = self.db().point(HISTORY.with(values![id, n])).await?;
        rows.into_iter().map(|mut row| row.read()).collect()
    }

    /// The hashes of users in order of their making, behind `after`; at most `limit`, and never more than 1,000.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn password_hashes(
        &self,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<(UserId, String)>, StoreError> {
        let after = after.map_or_else(Vec::new, |id| id.0.as_bytes().to_vec());
        let rows = self.db().list(HASHES.with(values![after, i64::from(limit.min(MOST))])).await?;
        rows.into_iter().map(|mut row| Ok((row.read()?, row.read()?))).collect()
    }

    /// Lets the user sign in, or no more. Disabling ends their sessions, refresh families, API tokens, links and
    /// whatever ceremony they are in; none of it comes back with them.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when there is no such user.
    pub async fn set_enabled(
        &self,
        id: UserId,
        enabled: bool,
        audit: Vec<AuditEvent>,
    ) -> Result<(), StoreError> {
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let set = SET_ENABLED.with(values![id, enabled]);
                    let set = if enabled {
                        let [set] = tx.all([set]).await?;
                        set
                    } else {
                        let now = tx.world().now();
                        let ending = [
                            set,
                            session::end_all(id, None),
                            refresh::revoke_all(id, now),
                            link::forget_unused(id),
                            pending::forget_of(id),
                            api_token::disable_all(id),
                        ];
                        let [set, ..] = tx.all(ending).await?;
                        set
                    };
                    first(set).ok_or(StoreError::Gone)?;
                    tx.changed(Subject::User(id));
                    tx.record(audit);
                    Ok(())
                })
            })
            .await
    }
}
