//! A part of the map: keys with their windows, never more than it has room for.

use std::collections::HashMap;
use std::hash::BuildHasher as _;

use palisade_model::Timestamp;

use super::spread::Spread;
use super::window::Window;
use super::{Check, CounterRow, Quota};

/// Keys that are looked at before one of them has to go.
const SAMPLE: usize = 8;
/// Windows of one key at most, when a snapshot is taken back.
const MOST_WINDOWS: u32 = 16;

struct Entry {
    key: [u8; 16],
    windows: Vec<Window>,
}

impl Entry {
    /// How much is lost when this entry goes: less is forgotten first.
    fn worth(&mut self, now: Timestamp) -> (u64, i64) {
        let fullness = self.windows.iter_mut().map(|window| window.fullness(now)).max();
        let expiry = self.windows.iter().map(Window::expiry).max();
        (fullness.unwrap_or(0), expiry.unwrap_or(i64::MIN))
    }

    /// Makes the windows those of the check; what was counted in windows of the same length stays.
    fn fit(&mut self, check: &Check<'_>) {
        let fits = self.windows.len() == check.windows.len()
            && self
                .windows
                .iter()
                .zip(check.windows)
                .all(|(window, (count, length))| window.count == *count && window.has_length(*length));
        if !fits {
            let windows = check.windows.iter().enumerate().map(|(slot, (count, length))| {
                let known = self.windows.get(slot).filter(|window| window.has_length(*length));
                known.map_or_else(|| Window::new(*count, *length), |window| window.with_count(*count))
            });
            self.windows = windows.collect();
        }
    }
}

/// A part of the map.
pub(super) struct Shard {
    places: HashMap<[u8; 16], usize, Spread>,
    entries: Vec<Entry>,
    capacity: usize,
    /// The state of a small generator that picks whom to look at when room is wanted.
    dice: u64,
}

impl Shard {
    pub(super) fn new(capacity: usize, spread: Spread) -> Self {
        let dice = spread.hash_one([1; 16]) | 1;
        Self { places: HashMap::with_hasher(spread), entries: Vec::new(), capacity, dice }
    }

    fn find(&mut self, key: &[u8; 16]) -> Option<&mut Entry> {
        self.entries.get_mut(*self.places.get(key)?)
    }

    /// What the check's windows take now. A key that is not known has counted nothing.
    pub(super) fn quotas<'s>(
        &'s mut self,
        now: Timestamp,
        check: &'s Check<'_>,
    ) -> impl Iterator<Item = Quota> + 's {
        let mut entry = self.find(&check.key);
        if let Some(entry) = &mut entry {
            entry.fit(check);
        }
        check.windows.iter().enumerate().map(move |(slot, (count, length))| {
            match entry.as_mut().and_then(|entry| entry.windows.get_mut(slot)) {
                Some(window) => window.quota(now),
                None => Quota {
                    limit: *count,
                    remaining: *count,
                    reset: if *count == 0 { *length } else { std::time::Duration::ZERO },
                    window: *length,
                    which: 0,
                },
            }
        })
    }

    /// Counts a hit on every window of the check.
    pub(super) fn count(&mut self, now: Timestamp, check: &Check<'_>) {
        if !self.places.contains_key(&check.key) {
            self.insert(now, Entry { key: check.key, windows: Vec::new() });
        }
        if let Some(entry) = self.find(&check.key) {
            entry.fit(check);
            entry.windows.iter_mut().for_each(|window| window.add(now));
        }
    }

    fn insert(&mut self, now: Timestamp, entry: Entry) {
        if self.entries.len() >= self.capacity
            && let Some(place) = self.least_useful(now)
        {
            self.remove(place);
        }
        self.places.insert(entry.key, self.entries.len());
        self.entries.push(entry);
    }

    /// The least useful of a few entries picked at random.
    fn least_useful(&mut self, now: Timestamp) -> Option<usize> {
        let places: [usize; SAMPLE] = std::array::from_fn(|_| self.roll());
        places.into_iter().min_by_key(|place| {
            self.entries.get_mut(*place).map_or((u64::MAX, i64::MAX), |entry| entry.worth(now))
        })
    }

    /// The next number of an xorshift generator, as a place among the entries.
    fn roll(&mut self) -> usize {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        usize::try_from(self.dice % self.entries.len().max(1) as u64).unwrap_or(0)
    }

    /// Takes an entry out and moves the last one to its place.
    fn remove(&mut self, place: usize) {
        if place >= self.entries.len() {
            return;
        }
        let gone = self.entries.swap_remove(place);
        self.places.remove(&gone.key);
        if let Some(moved) = self.entries.get(place) {
            self.places.insert(moved.key, place);
        }
    }

    pub(super) fn forget(&mut self, key: &[u8; 16]) -> bool {
        let place = self.places.get(key).copied();
        if let Some(place) = place {
            self.remove(place);
        }
        place.is_some()
    }

    /// What counts now.
    pub(super) fn rows(&mut self, now: Timestamp) -> Vec<CounterRow> {
        let mut rows = Vec::new();
        for entry in &mut self.entries {
            for (slot, window) in (0..).zip(&mut entry.windows) {
                let hits = window.hits(now);
                if !hits.is_empty() {
                    let (key, count, length) = (entry.key, window.count, window.length());
                    rows.push(CounterRow { key, slot, count, window: length, hits });
                }
            }
        }
        rows
    }

    /// Takes a row of a snapshot back, unless the window has counted something since.
    pub(super) fn restore(&mut self, row: &CounterRow) {
        let (Some(slot), Some(latest)) =
            ((row.slot < MOST_WINDOWS).then_some(row.slot as usize), row.hits.iter().map(|hit| hit.0).max())
        else {
            return;
        };
        if !self.places.contains_key(&row.key) {
            self.insert(latest, Entry { key: row.key, windows: Vec::new() });
        }
        let Some(entry) = self.find(&row.key) else { return };
        while entry.windows.len() <= slot {
            entry.windows.push(Window::new(row.count, row.window));
        }
        if let Some(window) = entry.windows.get_mut(slot).filter(|window| window.expiry() == i64::MIN) {
            *window = Window::restored(row.count, row.window, &row.hits);
        }
    }
}
