//! Sessions in memory: what makes the hot path free of the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use palisade_model::Timestamp;
use palisade_store::Session;
use parking_lot::Mutex;

use crate::cache::{ByDigest, by_digest};
use crate::live::{Live, Reading};
use crate::principal::Principal;

/// The coarsest step in which the store learns that a session was used.
const COARSEST: Duration = Duration::from_secs(60);

struct Entry {
    principal: Principal,
    reading: Reading,
    expires_at: Timestamp,
    /// Last use, in microseconds.
    seen: AtomicI64,
    /// Last use that the store knows of, or soon will.
    told: AtomicI64,
}

/// Live sessions by the digest of their cookie.
pub(crate) struct Sessions {
    cache: ByDigest<Entry>,
    /// Uses that the store has yet to learn of.
    untold: Mutex<HashMap<[u8; 32], Timestamp>>,
    idle: Duration,
    step: Duration,
}

impl Sessions {
    /// `idle`: how long a session lives without a request.
    pub(crate) fn new(idle: Duration) -> Self {
        Self {
            cache: by_digest(),
            untold: Mutex::default(),
            idle,
            step: idle.checked_div(20).unwrap_or_default().min(COARSEST),
        }
    }

    /// Whose session it is, if that is still believed; counts as a use.
    pub(crate) fn hit(&self, digest: &[u8; 32], now: Timestamp, live: &Live) -> Option<Principal> {
        let entry = self.cache.get(digest)?;
        let seen = Timestamp::from_micros(entry.seen.load(Ordering::Relaxed));
        let fresh = now < entry.expires_at && now.since(seen) < self.idle;
        if fresh && live.holds(entry.reading, &entry.principal.subjects()) {
            self.touch(&entry, digest, now);
            return Some(entry.principal.clone());
        }
        // Another node may have seen it meanwhile: the store decides, not this entry.
        self.cache.remove(digest);
        None
    }

    /// Whether a session from the store still lives.
    pub(crate) fn lives(&self, session: &Session, now: Timestamp) -> bool {
        let untold = self.untold.lock().get(&session.digest).copied();
        let seen = untold.map_or(session.last_seen, |at| at.max(session.last_seen));
        now < session.expires_at && now.since(seen) < self.idle
    }

    /// Remembers what a store read that began at `reading` said; counts as a use.
    pub(crate) fn remember(&self, session: &Session, principal: Principal, reading: Reading, now: Timestamp) {
        let entry = Arc::new(Entry {
            principal,
            reading,
            expires_at: session.expires_at,
            seen: AtomicI64::new(session.last_seen.as_micros()),
            told: AtomicI64::new(session.last_seen.as_micros()),
        });
        self.touch(&entry, &session.digest, now);
        self.cache.insert(session.digest, entry);
    }

    /// What the store has yet to learn. It stays here until it is [`told`](Self::told), so that nothing is
    /// lost when writing fails or is cut off.
    pub(crate) fn untold(&self) -> Vec<([u8; 32], Timestamp)> {
        self.untold.lock().iter().map(|(digest, at)| (*digest, *at)).collect()
    }

    /// The store learned these.
    pub(crate) fn told(&self, uses: &[([u8; 32], Timestamp)]) {
        let mut untold = self.untold.lock();
        for (digest, at) in uses {
            if untold.get(digest).is_some_and(|latest| latest <= at) {
                untold.remove(digest);
            }
        }
    }

    fn touch(&self, entry: &Entry, digest: &[u8; 32], now: Timestamp) {
        entry.seen.fetch_max(now.as_micros(), Ordering::Relaxed);
        let told = entry.told.load(Ordering::Relaxed);
        if now.since(Timestamp::from_micros(told)) < self.step {
            return;
        }
        // One of many requests takes the lock, once in a step.
        let elected =
            entry.told.compare_exchange(told, now.as_micros(), Ordering::Relaxed, Ordering::Relaxed);
        if elected.is_ok() {
            self.untold.lock().insert(*digest, now);
        }
    }
}
