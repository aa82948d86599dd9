//! One window: what was counted in it, and what it still takes.

use std::time::Duration;

use palisade_model::Timestamp;

use super::Quota;

/// Hits up to this count are kept one by one.
const EXACT: usize = 12;
/// For higher counts: hits within this part of the window are kept together.
const PARTS: i64 = 10;
/// A clock that shows so much less than before was set back; anything smaller is threads overtaking another.
const SET_BACK: i64 = 1_000_000;

/// Hits that stop counting together.
#[derive(Clone, Copy, Debug, Default)]
struct Segment {
    /// When the last of them was made.
    last: i64,
    hits: u32,
}

/// One window of one key.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) count: u32,
    /// Its length in microseconds.
    span: i64,
    /// When the latest segment was begun.
    begun: i64,
    /// How many of the segments are in use; these are in order of time.
    used: usize,
    segments: Box<[Segment]>,
}

impl Window {
    pub(super) fn new(count: u32, length: Duration) -> Self {
        let slots = usize::try_from(count).unwrap_or(EXACT).clamp(1, EXACT);
        Self {
            count,
            span: micros(length),
            begun: i64::MIN,
            used: 0,
            segments: vec![Segment::default(); slots].into(),
        }
    }

    /// Whether the window is of this length, so that what it counted can be taken over.
    pub(super) fn has_length(&self, length: Duration) -> bool {
        self.span == micros(length)
    }

    /// The same hits under another count.
    pub(super) fn with_count(&self, count: u32) -> Self {
        let mut window = Self::new(count, self.length());
        window.take_over(self.live().iter().copied());
        window
    }

    /// A window as a snapshot has it.
    pub(super) fn restored(count: u32, length: Duration, hits: &[(Timestamp, u32)]) -> Self {
        let mut window = Self::new(count, length);
        let mut segments: Vec<_> =
            hits.iter().map(|(at, hits)| Segment { last: at.as_micros(), hits: *hits }).collect();
        segments.sort_unstable_by_key(|segment| segment.last);
        window.take_over(segments.into_iter());
        window
    }

    /// Takes segments as they are; those that do not fit count with the latest.
    fn take_over(&mut self, segments: impl Iterator<Item = Segment>) {
        for segment in segments {
            self.begun = i64::MIN;
            self.push(segment.last, segment.hits);
        }
    }

    /// Its length.
    pub(super) fn length(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.span).unwrap_or(0))
    }

    fn live(&self) -> &[Segment] {
        self.segments.get(..self.used).unwrap_or_default()
    }

    fn newest(&mut self) -> Option<&mut Segment> {
        self.segments.get_mut(..self.used)?.last_mut()
    }

    /// Drops what counts no more. Gives the time to go by, which never runs back for one window.
    fn settle(&mut self, now: Timestamp) -> i64 {
        let mut now = now.as_micros();
        if let Some(newest) = self.live().last() {
            if newest.last.saturating_sub(now) > SET_BACK {
                self.segments.iter_mut().for_each(|segment| segment.last = segment.last.min(now));
                self.begun = self.begun.min(now);
            } else {
                now = now.max(newest.last);
            }
        }
        let span = self.span;
        let over = self.live().iter().take_while(|segment| segment.last.saturating_add(span) <= now).count();
        if over > 0 {
            self.segments.copy_within(over..self.used, 0);
            self.used -= over;
        }
        now
    }

    /// Counts a hit. The caller has seen that there is room.
    pub(super) fn add(&mut self, now: Timestamp) {
        let now = self.settle(now);
        self.push(now, 1);
    }

    fn push(&mut self, at: i64, hits: u32) {
        let together = if self.count as usize <= EXACT { 1 } else { self.span / PARTS };
        let joins = at.saturating_sub(self.begun) < together || self.used == self.segments.len();
        match self.newest() {
            // Both count on as the later one does: longer, never shorter.
            Some(newest) if joins => {
                newest.last = at;
                newest.hits = newest.hits.saturating_add(hits);
            }
            _ => {
                if let Some(free) = self.segments.get_mut(self.used) {
                    *free = Segment { last: at, hits };
                    self.used += 1;
                    self.begun = at;
                }
            }
        }
    }

    /// What the window takes now.
    pub(super) fn quota(&mut self, now: Timestamp) -> Quota {
        let now = self.settle(now);
        let counted = self.counted();
        // After a reload with a lower count more may be counted than allowed: all of that has to go first.
        let mut must_go = counted.saturating_sub(self.count).saturating_add(1);
        let mut reset = None;
        for segment in self.live() {
            reset = Some(segment.last.saturating_add(self.span).saturating_sub(now));
            must_go = must_go.saturating_sub(segment.hits);
            if must_go == 0 {
                break;
            }
        }
        let never = if self.count == 0 { self.span } else { 0 };
        Quota {
            limit: self.count,
            remaining: self.count.saturating_sub(counted),
            reset: Duration::from_micros(u64::try_from(reset.unwrap_or(never)).unwrap_or(0)),
            window: self.length(),
            which: 0,
        }
    }

    fn counted(&self) -> u32 {
        self.live().iter().fold(0, |sum, segment| segment.hits.saturating_add(sum))
    }

    /// How near its limit the window is, in 65,536ths; 0 when it counts nothing.
    pub(super) fn fullness(&mut self, now: Timestamp) -> u64 {
        self.settle(now);
        (u64::from(self.counted()) << 16) / u64::from(self.count.max(1))
    }

    /// When the last hit stops counting.
    pub(super) fn expiry(&self) -> i64 {
        self.live().last().map_or(i64::MIN, |segment| segment.last.saturating_add(self.span))
    }

    /// What counts now, for a snapshot.
    pub(super) fn hits(&mut self, now: Timestamp) -> Vec<(Timestamp, u32)> {
        self.settle(now);
        self.live().iter().map(|segment| (Timestamp::from_micros(segment.last), segment.hits)).collect()
    }
}

fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX).max(1)
}
