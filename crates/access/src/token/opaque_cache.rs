//! Opaque tokens in memory, by the digest of their text: what makes a key as cheap as a session.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ipnet::IpNet;
use palisade_model::{ClientAddress, Timestamp};
use parking_lot::Mutex;

use crate::cache::{ByDigest, by_digest};
use crate::live::{Live, Reading};
use crate::principal::Principal;

/// The step in which the store learns that a token was used.
const STEP: Duration = Duration::from_secs(60);

/// A token as it was read: whom it names and from where.
pub(crate) struct Known {
    pub(crate) principal: Principal,
    pub(crate) networks: Vec<IpNet>,
    pub(crate) expires_at: Option<Timestamp>,
}

impl Known {
    /// Whether it may be used from there. Where networks are named, an address that is a proxy's is none of them.
    pub(crate) fn admits(&self, client: Option<ClientAddress>) -> bool {
        let within = |client: ClientAddress| {
            client.is_known() && self.networks.iter().any(|network| network.contains(&client.ip()))
        };
        self.networks.is_empty() || client.is_some_and(within)
    }
}

struct Entry {
    known: Known,
    reading: Reading,
    /// Last use that the store knows of, or soon will, in microseconds.
    told: AtomicI64,
}

/// Live tokens.
pub(crate) struct OpaqueTokens {
    cache: ByDigest<Entry>,
    /// Uses that the store has yet to learn of.
    untold: Mutex<HashMap<[u8; 32], Timestamp>>,
}

impl OpaqueTokens {
    pub(crate) fn new() -> Self {
        Self { cache: by_digest(), untold: Mutex::default() }
    }

    /// Whom the token names, if that is still believed; `Some(None)` when it may not be used from there.
    pub(crate) fn hit(
        &self,
        digest: &[u8; 32],
        client: Option<ClientAddress>,
        now: Timestamp,
        live: &Live,
    ) -> Option<Option<Principal>> {
        let entry = self.cache.get(digest)?;
        let over = entry.known.expires_at.is_some_and(|at| at <= now);
        if over || !live.holds(entry.reading, &entry.known.principal.subjects()) {
            self.cache.remove(digest);
            return None;
        }
        if !entry.known.admits(client) {
            return Some(None);
        }
        self.touch(&entry, digest, now);
        Some(Some(entry.known.principal.clone()))
    }

    /// Remembers what a store read that began at `reading` said. It is no use of the token.
    pub(crate) fn remember(&self, digest: [u8; 32], known: Known, reading: Reading) {
        self.cache.insert(digest, Arc::new(Entry { known, reading, told: AtomicI64::new(i64::MIN) }));
    }

    /// What the store has yet to learn. It stays here until it is [`told`](Self::told).
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

    /// Notes a use that found nothing in the cache.
    pub(crate) fn used(&self, digest: [u8; 32], now: Timestamp) {
        if let Some(entry) = self.cache.get(&digest) {
            self.touch(&entry, &digest, now);
        }
    }

    fn touch(&self, entry: &Entry, digest: &[u8; 32], now: Timestamp) {
        let told = entry.told.load(Ordering::Relaxed);
        if now.since(Timestamp::from_micros(told)) < STEP {
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
