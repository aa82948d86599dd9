//! Verified access tokens, by the digest of their text.

use std::sync::Arc;

use palisade_model::Timestamp;

use crate::cache::{ByDigest, by_digest};
use crate::live::{Live, Reading};
use crate::principal::Principal;

struct Entry {
    principal: Principal,
    reading: Reading,
    expires_at: Timestamp,
}

/// Tokens whose signature was verified and whose family was live.
pub(crate) struct Verified {
    cache: ByDigest<Entry>,
}

impl Verified {
    pub(crate) fn new() -> Self {
        Self { cache: by_digest() }
    }

    /// Whom the token names, if that is still believed.
    pub(crate) fn hit(&self, digest: &[u8; 32], now: Timestamp, live: &Live) -> Option<Principal> {
        let entry = self.cache.get(digest)?;
        if now < entry.expires_at && live.holds(entry.reading, &entry.principal.subjects()) {
            return Some(entry.principal.clone());
        }
        self.cache.remove(digest);
        None
    }

    /// Remembers what a store read that began at `reading` said.
    pub(crate) fn remember(
        &self,
        digest: [u8; 32],
        principal: Principal,
        reading: Reading,
        expires_at: Timestamp,
    ) {
        self.cache.insert(digest, Arc::new(Entry { principal, reading, expires_at }));
    }
}
