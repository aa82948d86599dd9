//! The limiter: how often something may be done in a time, counted in memory (LIMIT-1, LIMIT-3).
//!
//! **The rule.** With a window of `count` hits in time `W`, at no moment were more than `count` hits allowed
//! within the last `W`. This holds for every moment, not for calendar hours or minutes: nobody gets twice the
//! count around a border, and there is no tolerance.
//!
//! **How it is counted.** Up to 12 hits per window are kept one by one, so such a limit is exact: a hit stops
//! counting `W` after it was made. For higher counts, hits that fall within a tenth of `W` are kept together
//! and stop counting together, `W` after the last of them: a hit may count up to a tenth longer, never
//! shorter.
//!
//! **Memory** is bounded by the number of keys. When there is no room for a new key, the least useful of a
//! few keys picked at random goes: one that counts nothing any more, else the one that is furthest from its
//! limit. So a flood of new keys drives out other keys of the flood, and not somebody who is locked out. To
//! have a key forgotten that counts as little as those of a flood, about as many new keys have to be counted,
//! not refused, as there is room for.

pub(crate) mod counters;
mod shard;
mod spread;
mod window;

use std::hash::BuildHasher as _;
use std::time::Duration;

use palisade_model::Timestamp;
use parking_lot::{Mutex, MutexGuard};

use shard::Shard;
use spread::Spread;

/// One thing to count, in all its windows.
#[derive(Clone, Copy, Debug)]
pub struct Check<'a> {
    /// What is counted: a hash of the limit's name and its subject.
    pub key: [u8; 16],
    /// So many in such a time; all must have room.
    pub windows: &'a [(u32, Duration)],
}

/// Whether a hit is allowed, and how much is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is.
    pub allowed: bool,
    /// The window with the least left; when the hit is refused, the full window that stays so longest.
    pub tightest: Quota,
}

/// The state of one window after a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many hits the window takes.
    pub limit: u32,
    /// How many more it takes now.
    pub remaining: u32,
    /// After this time `remaining` is higher than now, if nothing is counted meanwhile; so after a refusal,
    /// the time to wait. Zero when nothing is counted.
    pub reset: Duration,
    /// The window's length.
    pub window: Duration,
    /// Which of the checks it belongs to.
    pub which: usize,
}

impl Quota {
    /// What stands for no limit at all.
    const NONE: Self = Self {
        limit: u32::MAX,
        remaining: u32::MAX,
        reset: Duration::ZERO,
        window: Duration::ZERO,
        which: 0,
    };

    /// Whether this says more to a client than `other`.
    fn tighter(&self, other: &Self) -> bool {
        (self.remaining, std::cmp::Reverse(self.reset)) < (other.remaining, std::cmp::Reverse(other.reset))
    }
}

/// One window of one key, as it is kept between two runs of the server (LIMIT-4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterRow {
    /// The key.
    pub key: [u8; 16],
    /// Which of the key's windows.
    pub slot: u32,
    /// How many hits it takes.
    pub count: u32,
    /// Its length.
    pub window: Duration,
    /// When hits were made, and how many.
    pub hits: Vec<(Timestamp, u32)>,
}

impl CounterRow {
    /// When the last of the hits stops counting.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.hits.iter().map(|(at, _)| at.plus(self.window)).max().unwrap_or_default()
    }
}

/// Parts of the map, each with its own lock: as many as a `u64` has bits.
const SHARDS: usize = 64;

/// The counters of all keys. Shared by all threads.
pub struct Limiter {
    shards: [Mutex<Shard>; SHARDS],
    spread: Spread,
}

/// The shards that one call holds.
type Held<'a> = [Option<MutexGuard<'a, Shard>>; SHARDS];

impl Limiter {
    /// A limiter that remembers `capacity` keys (rounded up to a multiple of 64). A key takes at most some
    /// 250 bytes for each of its windows.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let spread = Spread::at_random();
        let each = capacity.div_ceil(SHARDS).max(1);
        let shard = || Mutex::new(Shard::new(each, Spread::at_random()));
        Self { shards: std::array::from_fn(|_| shard()), spread }
    }

    /// Counts one hit on every window of every key, or on none if one of them is full. A key that is named
    /// twice counts once. Nothing is allocated when the keys are known.
    pub fn hit(&self, now: Timestamp, checks: &[Check<'_>]) -> Verdict {
        let mut held = self.hold(checks);
        let before = self.look_in(&mut held, now, checks);
        if !before.allowed {
            return before;
        }
        for (which, check) in checks.iter().enumerate() {
            let named_before = checks.iter().take(which).any(|earlier| earlier.key == check.key);
            if !named_before && let Some(shard) = self.shard_of(&mut held, &check.key) {
                shard.count(now, check);
            }
        }
        Verdict { allowed: true, ..self.look_in(&mut held, now, checks) }
    }

    /// The verdict on a hit without counting it: `remaining` is what is left before it.
    pub fn look(&self, now: Timestamp, checks: &[Check<'_>]) -> Verdict {
        self.look_in(&mut self.hold(checks), now, checks)
    }

    /// Lets a key in again: forgets what was counted for it. Whether anything was.
    pub fn forget(&self, key: &[u8; 16]) -> bool {
        let check = Check { key: *key, windows: &[] };
        self.shard_of(&mut self.hold(&[check]), key).is_some_and(|shard| shard.forget(key))
    }

    /// All that counts at the moment, to be kept while the server is down. Locks a part of the map at a time.
    pub fn snapshot(&self, now: Timestamp) -> Vec<CounterRow> {
        self.shards.iter().flat_map(|shard| shard.lock().rows(now)).collect()
    }

    /// Takes back what [`snapshot`](Self::snapshot) gave. Keys that are known are left as they are.
    pub fn restore(&self, rows: &[CounterRow]) {
        for row in rows {
            let check = Check { key: row.key, windows: &[] };
            if let Some(shard) = self.shard_of(&mut self.hold(&[check]), &row.key) {
                shard.restore(row);
            }
        }
    }

    /// Locks the shards of all keys, always in the same order, so that no two calls wait for each other.
    fn hold(&self, checks: &[Check<'_>]) -> Held<'_> {
        let wanted = checks.iter().fold(0_u64, |wanted, check| wanted | 1 << self.place(&check.key));
        let mut held = [const { None }; SHARDS];
        for (place, (shard, held)) in self.shards.iter().zip(&mut held).enumerate() {
            if wanted >> place & 1 == 1 {
                *held = Some(shard.lock());
            }
        }
        held
    }

    fn shard_of<'h>(&self, held: &'h mut Held<'_>, key: &[u8; 16]) -> Option<&'h mut Shard> {
        held.get_mut(self.place(key))?.as_deref_mut()
    }

    fn look_in(&self, held: &mut Held<'_>, now: Timestamp, checks: &[Check<'_>]) -> Verdict {
        let mut verdict = Verdict { allowed: true, tightest: Quota::NONE };
        for (which, check) in checks.iter().enumerate() {
            let Some(shard) = self.shard_of(held, &check.key) else { continue };
            let quotas = shard.quotas(now, check);
            for quota in quotas {
                verdict.allowed &= quota.remaining > 0;
                if quota.tighter(&verdict.tightest) {
                    verdict.tightest = Quota { which, ..quota };
                }
            }
        }
        verdict
    }

    /// Which shard has this key: 0 to 63.
    fn place(&self, key: &[u8; 16]) -> usize {
        usize::try_from(self.spread.hash_one(key) % SHARDS as u64).unwrap_or(0)
    }
}

impl std::fmt::Debug for Limiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Limiter")
    }
}
