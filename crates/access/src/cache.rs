//! The cache behind the hot path: sharded, bounded, small until it is used.

use std::sync::Arc;

use quick_cache::UnitWeighter;
use quick_cache::sync::Cache;

/// How many credentials are remembered. The others are read from the store.
const CAPACITY: u64 = 65_536;

/// Memory is taken for so many at first: enough to spread them over the shards that many cores want.
const AT_FIRST: usize = 4096;

/// By the digest of a credential.
pub(crate) type ByDigest<V> = Cache<[u8; 32], Arc<V>>;

/// An empty cache.
pub(crate) fn by_digest<V>() -> ByDigest<V> {
    Cache::with(AT_FIRST, CAPACITY, UnitWeighter, Default::default(), Default::default())
}
