//! Mail that waits to be sent, and how much of it one recipient gets.
//!
//! Nobody here can read it: callers seal it. Of several nodes the one that claims a letter sends it; if it dies on
//! the way, the claim runs out and another tries.

use palisade_model::Timestamp;
use palisade_model::id::MailId;

use crate::db::Tx;
use crate::sql::{Query, statements, values};
use crate::value::{Row, first};
use crate::{Store, StoreError};

/// A sealed letter on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Its id.
    pub id: MailId,
    /// The letter, sealed by the caller.
    pub sealed: Vec<u8>,
    /// How often it was tried, or is being tried.
    pub tries: u32,
    /// When it is due; while somebody sends it, when their claim runs out.
    pub next_at: Timestamp,
    /// When it is given up.
    pub expires_at: Timestamp,
}

/// How many letters a recipient gets that anybody may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// A keyed digest of the recipient.
    pub recipient: [u8; 32],
    /// So many letters until the window ends.
    pub most: u32,
    /// The end of a window that begins now.
    pub ends: Timestamp,
}

/// What the outbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// Letters that wait.
    pub waiting: u64,
    /// When the first of them is due.
    pub next_at: Option<Timestamp>,
}

statements! {
    QUEUE = "INSERT INTO outbox (id, sealed, tries, next_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
    ALLOW = "INSERT INTO postings (recipient, letters, ends) VALUES ($1, 1, $2) ON CONFLICT (recipient) DO UPDATE SET \
             letters = CASE WHEN postings.ends <= $3 THEN 1 ELSE postings.letters + 1 END, \
             ends = CASE WHEN postings.ends <= $3 THEN $2 ELSE postings.ends END \
             WHERE postings.ends <= $3 OR postings.letters < $4 RETURNING 1";
    // The outer condition counts again for a row that another node has claimed meanwhile.
    CLAIM = "UPDATE outbox SET next_at = $2, tries = tries + 1 WHERE next_at <= $1 AND id IN \
             (SELECT id FROM outbox WHERE next_at <= $1 AND expires_at > $1 ORDER BY next_at LIMIT $3) \
             RETURNING id, sealed, tries, next_at, expires_at";
    DROP = "DELETE FROM outbox WHERE id = $1";
    PUT_OFF = "UPDATE outbox SET next_at = $2 WHERE id = $1";
    OUTLOOK = "SELECT COUNT(*), MIN(next_at) FROM outbox WHERE expires_at > $1";
    PRUNE = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE expires_at <= $1 LIMIT 1000) RETURNING 1";
    PRUNE_POSTINGS = "DELETE FROM postings WHERE recipient IN \
                      (SELECT recipient FROM postings WHERE ends <= $1 LIMIT 1000) RETURNING 1";
}

/// Queues a letter.
pub(crate) fn queue(mail: &Mail) -> Query {
    QUEUE.with(values![mail.id, mail.sealed.clone(), i64::from(mail.tries), mail.next_at, mail.expires_at])
}

/// Removes up to 1,000 letters and windows that are over.
pub(crate) fn prune(now: Timestamp) -> [Query; 2] {
    [PRUNE.with(values![now]), PRUNE_POSTINGS.with(values![now])]
}

/// Takes one letter from the recipient's allowance; whether there was one left.
pub(crate) async fn allowed(tx: &mut Tx<'_>, allowance: &Allowance) -> Result<bool, StoreError> {
    let (now, most) = (tx.world().now(), i64::from(allowance.most));
    let [left] = tx.all([ALLOW.with(values![allowance.recipient, allowance.ends, now, most])]).await?;
    Ok(!left.is_empty())
}

fn read(row: &mut Row) -> Result<Mail, StoreError> {
    Ok(Mail {
        id: row.read()?,
        sealed: row.read()?,
        tries: row.read()?,
        next_at: row.read()?,
        expires_at: row.read()?,
    })
}

impl Store {
    /// Queues a letter that belongs to no other change, as far as the allowance goes, if there is one. Whether it did.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn queue_mail(&self, mail: &Mail, allowance: Option<&Allowance>) -> Result<bool, StoreError> {
        let (queue, allowance) = (queue(mail), allowance.cloned());
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    if let Some(allowance) = allowance
                        && !allowed(tx, &allowance).await?
                    {
                        return Ok(false);
                    }
                    tx.later(queue);
                    Ok(true)
                })
            })
            .await
    }

    /// Claims letters that are due until `until`: nobody else gets them before that. At most `limit`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn claim_mail(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Mail>, StoreError> {
        let claim = CLAIM.with(values![now, until, i64::from(limit)]);
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let [claimed] = tx.all([claim]).await?;
                    claimed.into_iter().map(|mut row| read(&mut row)).collect()
                })
            })
            .await
    }

    /// Forgets a letter: it was sent, or never will be.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn drop_mail(&self, id: MailId) -> Result<(), StoreError> {
        self.change_mail(DROP.with(values![id])).await
    }

    /// Tries a letter again at `at`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn put_off_mail(&self, id: MailId, at: Timestamp) -> Result<(), StoreError> {
        self.change_mail(PUT_OFF.with(values![id, at])).await
    }

    /// How many letters wait, and until when there is nothing to do.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mail_outlook(&self, now: Timestamp) -> Result<Outlook, StoreError> {
        let rows = self.db().point(OUTLOOK.with(values![now])).await?;
        let mut row = first(rows).ok_or(StoreError::Corrupt("a count is missing"))?;
        Ok(Outlook { waiting: row.read()?, next_at: row.read()? })
    }

    async fn change_mail(&self, change: Query) -> Result<(), StoreError> {
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    tx.later(change);
                    Ok(())
                })
            })
            .await
    }
}
