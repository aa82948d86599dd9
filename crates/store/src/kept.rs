//! Secrets that the server keeps, sealed by the caller; and what else is tidied up from time to time.

use std::time::Duration;

use palisade_model::Timestamp;

use crate::sql::{statements, values};
use crate::value::first;
use crate::{Store, StoreError, counters, feed, identity, link, outbox, pending, refresh, session, spent};

/// How long the feed is kept: nodes ask every few hundred milliseconds, and trust nothing older than a second.
const FEED: Duration = Duration::from_secs(3600);

statements! {
    KEEP = "INSERT INTO kept_secrets (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    FIND = "SELECT sealed FROM kept_secrets WHERE name = $1";
}

impl Store {
    /// Keeps a secret under this name unless there is one; the one that is kept. All nodes get the same.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keep_secret(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let keep = KEEP.with(values![name, sealed]);
        let find = FIND.with(values![name]);
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let [_, kept] = tx.all([keep, find]).await?;
                    first(kept).ok_or(StoreError::Corrupt("a secret was not kept"))?.read()
                })
            })
            .await
    }

    /// Removes what is over: sessions, tokens, links, ceremonies, mail, counters, and the feed's entries older than an
    /// hour.
    /// A thousand of each at once at most; call it every minute or so.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn prune(&self, now: Timestamp) -> Result<(), StoreError> {
        let hour_ago = Timestamp::from_micros(
            now.as_micros().saturating_sub(i64::try_from(FEED.as_micros()).unwrap_or(i64::MAX)),
        );
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    tx.later(session::prune(now));
                    tx.later(identity::prune());
                    tx.later(spent::prune(now));
                    refresh::prune(now).into_iter().for_each(|query| tx.later(query));
                    tx.later(link::prune(now));
                    outbox::prune(now).into_iter().for_each(|query| tx.later(query));
                    tx.later(pending::prune(now));
                    tx.later(counters::prune(now));
                    feed::forget(hour_ago).into_iter().for_each(|query| tx.later(query));
                    Ok(())
                })
            })
            .await
    }
}
