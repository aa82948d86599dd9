//! What is over is removed, from time to time.

use std::time::Duration;

use palisade_model::Timestamp;

use crate::grant::{api_token, link, pending, refresh, session};
use crate::limiter::counters;
use crate::user::{identity, sign_up};
use crate::{Store, StoreError, feed, lockout, outbox, signing, spent};

/// How long the feed is kept: nodes ask every few hundred milliseconds, and trust nothing older than a second.
const FEED: Duration = Duration::from_secs(3600);

/// How long keys are kept that are of no use any more: for whoever wants to know what happened.
const RETIRED: Duration = Duration::from_secs(30 * 86_400);

/// So many rows of a table are removed at once at most, as the statements say.
const BATCH: usize = 1000;

impl Store {
    /// Removes what is over: sessions, tokens, links, ceremonies, mail, counters, keys that retired a month ago,
    /// and the feed's entries older than an hour.
    /// A thousand of each at once at most; whether there may be more. Call it every minute or so, and again while there
    /// is more: what strangers can make must not outgrow what is removed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn prune(&self, now: Timestamp) -> Result<bool, StoreError> {
        let ago = |span: Duration| {
            let span = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
            Timestamp::from_micros(now.as_micros().saturating_sub(span))
        };
        let (hour_ago, month_ago) = (ago(FEED), ago(RETIRED));
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    tx.later(identity::prune());
                    tx.later(api_token::prune());
                    tx.later(counters::prune(now));
                    tx.later(signing::prune(month_ago));
                    feed::forget(hour_ago).into_iter().for_each(|query| tx.later(query));
                    let mut batches = vec![
                        session::prune(now),
                        spent::prune(now),
                        link::prune(now),
                        sign_up::prune(now),
                        pending::prune(now),
                        lockout::prune(now),
                    ];
                    batches.extend(refresh::prune(now));
                    batches.extend(outbox::prune(now));
                    let removed = tx.each(batches).await?;
                    Ok(removed.iter().any(|rows| rows.len() >= BATCH))
                })
            })
            .await
    }
}
