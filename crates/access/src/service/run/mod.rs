//! What runs beside the requests: other nodes' revocations come in, uses of sessions and tokens go out.

mod census;

use std::sync::atomic::Ordering;
use std::time::Duration;

use palisade_model::{Action, AuditEvent};
use palisade_store::{StoreError, Subject};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::access::Access;

/// Asks the store's feed only where it ends.
pub(crate) const END: i64 = -1;

/// How often the store is asked what was revoked. A third of the time that the cache is trusted without.
const POLL: Duration = Duration::from_millis(300);

/// How often uses of sessions are written, many in one transaction.
const TELL: Duration = Duration::from_secs(2);

/// How often the store drops what is over: sessions, tokens, links.
const TIDY: Duration = Duration::from_secs(60);

/// How often visitors are removed who cannot come back, and how long their last token is over by then.
const GUESTS_SPAN: Duration = Duration::from_secs(60 * 60);
const GUESTS_STAY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// So many batches are dropped in a row: half a million rows of a table in a minute, and others get their turn between.
const MOST_BATCHES: usize = 500;

impl Access {
    /// Keeps the caches honest and the store tidy until `stop` is ready, then writes what is left to write.
    /// Without it, or while the store does not answer, nothing cached is believed.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let work = async {
            tokio::join!(
                self.keep_polling(),
                self.keep_telling(),
                self.keep_tidy(),
                self.keep_removing_guests(),
                self.keep_counting()
            )
        };
        tokio::select! {
            _ = work => {}
            () = stop => {}
        }
        self.tell().await;
    }

    async fn keep_polling(&self) {
        let mut tick = every(POLL);
        let mut hears = true;
        loop {
            tick.tick().await;
            // Taken before it: what a poll brings is at least as new as that.
            let began = self.now();
            match self.catch_up().await {
                Ok(()) => {
                    self.0.live.known_up_to(began);
                    if !hears {
                        tracing::info!("revocations are read again");
                    }
                    hears = true;
                }
                // Said once, not three times a second.
                Err(error) => {
                    if hears {
                        tracing::warn!(%error, "revocations cannot be read: credentials are checked one by one");
                    }
                    hears = false;
                }
            }
        }
    }

    async fn keep_telling(&self) {
        let mut tick = every(TELL);
        loop {
            tick.tick().await;
            self.tell().await;
        }
    }

    async fn keep_tidy(&self) {
        let mut tick = every(TIDY);
        loop {
            tick.tick().await;
            for _ in 0..MOST_BATCHES {
                match self.store().prune(self.now()).await {
                    Ok(true) => tokio::task::yield_now().await,
                    Ok(false) => break,
                    Err(error) => {
                        tracing::warn!(%error, "what is over could not be dropped from the store: later");
                        break;
                    }
                }
            }
        }
    }

    async fn keep_removing_guests(&self) {
        let mut tick = every(GUESTS_SPAN);
        loop {
            tick.tick().await;
            if let Err(error) = self.remove_guests().await {
                tracing::warn!(%error, "visitors who are gone could not be removed: later");
            }
        }
    }

    /// Removes visitors who registered without name or password and whose tokens have all been over for 30 days. How
    /// many.
    ///
    /// # Errors
    /// The store's failures; what was not removed is there the next time.
    pub async fn remove_guests(&self) -> Result<usize, StoreError> {
        let before = self.now().minus(GUESTS_STAY);
        let mut removed = 0;
        for _ in 0..MOST_BATCHES {
            let row = AuditEvent::new(Action::UserRemoved, "user", "");
            let batch = self.store().remove_guests(before, row).await?;
            removed += batch;
            if batch == 0 {
                break;
            }
        }
        Ok(removed)
    }

    async fn catch_up(&self) -> Result<(), StoreError> {
        let cursor = &self.0.cursor;
        loop {
            match self.store().invalidations_after(cursor.load(Ordering::SeqCst)).await {
                Ok((end, subjects)) => {
                    self.revoke(&subjects);
                    if subjects.contains(&Subject::SigningKeys) {
                        self.reload_keys().await?;
                        // What a key verified that has retired meanwhile.
                        self.0.live.revoke_all();
                    }
                    cursor.store(end, Ordering::SeqCst);
                    if subjects.is_empty() {
                        return Ok(());
                    }
                }
                // Away for so long that the feed was pruned meanwhile. Its end is asked for first: what is
                // revoked after that will be in the feed, what was before is forgotten with everything.
                Err(StoreError::Gone) => {
                    let (end, _) = self.store().invalidations_after(END).await?;
                    self.reload_keys().await?;
                    self.0.live.revoke_all();
                    cursor.store(end, Ordering::SeqCst);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn tell(&self) {
        let uses = self.0.sessions.untold();
        if !uses.is_empty() {
            match self.store().touch_sessions(&uses).await {
                Ok(()) => self.0.sessions.told(&uses),
                Err(error) => tracing::warn!(%error, "the last use of sessions could not be written: later"),
            }
        }
        let uses = self.0.opaque.untold();
        if !uses.is_empty() {
            match self.store().touch_api_tokens(&uses).await {
                Ok(()) => self.0.opaque.told(&uses),
                Err(error) => tracing::warn!(%error, "the last use of tokens could not be written: later"),
            }
        }
    }
}

fn every(span: Duration) -> Interval {
    let mut tick = interval(span);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}
