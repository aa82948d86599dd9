//! The rule of a lockout: what a subject's failures come to, step by step.

use std::time::Duration;

use palisade_model::Timestamp;

/// An attempt whose end is not told for so long ended badly: whoever made it went away, or the process died.
const PATIENCE: Duration = Duration::from_secs(60);

/// How failures lead to a lockout (LIMIT-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockoutRule {
    /// So many failures lock out; one at least.
    pub attempts: usize,
    /// How long each of them counts.
    pub window: Duration,
    /// How long the first lockout lasts; each further one lasts twice as long.
    pub first: Duration,
    /// The longest lockout. After as much time without one, they begin with the first length again.
    pub cap: Duration,
}

impl LockoutRule {
    /// How long the `nth` lockout lasts, counted from one.
    fn length(&self, nth: u32) -> Duration {
        let doublings = nth.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.cap)
    }
}

/// Whether somebody may try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They may.
    Free,
    /// Others' attempts that are not decided yet may be the last ones: in a moment.
    Busy,
    /// Not before that time.
    Locked {
        /// The end of the lockout.
        until: Timestamp,
        /// Whether it began just now.
        began: bool,
    },
}

/// What is kept of one subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) failures: Vec<Timestamp>,
    /// Attempts under way, by when they began.
    pub(super) pending: Vec<Timestamp>,
    pub(super) lockings: u32,
    /// The end of the last lockout.
    pub(super) locked_until: Timestamp,
}

impl State {
    /// Takes a place for an attempt, if there is one.
    pub(super) fn reserve(&mut self, rule: &LockoutRule, now: Timestamp) -> Standing {
        let standing = self.standing(rule, now);
        if standing == Standing::Free {
            self.pending.push(now);
        }
        standing
    }

    /// Where the subject stands; what ran out meanwhile is dropped.
    pub(super) fn standing(&mut self, rule: &LockoutRule, now: Timestamp) -> Standing {
        let (lost, pending) = self.pending.iter().partition(|began| now.since(**began) >= PATIENCE);
        self.pending = pending;
        let lost: Vec<Timestamp> = lost;
        self.failures.extend(lost);
        self.judge(rule, now)
    }

    /// The attempt that began `at` failed.
    pub(super) fn fail(&mut self, at: Timestamp, rule: &LockoutRule, now: Timestamp) -> Standing {
        if self.release(at) {
            self.failures.push(now);
        }
        self.standing(rule, now)
    }

    /// The attempt that began `at` counts for nothing.
    pub(super) fn give_back(&mut self, at: Timestamp) {
        self.release(at);
    }

    fn release(&mut self, at: Timestamp) -> bool {
        let place = self.pending.iter().position(|began| *began == at);
        place.map(|place| self.pending.swap_remove(place)).is_some()
    }

    fn judge(&mut self, rule: &LockoutRule, now: Timestamp) -> Standing {
        if now < self.locked_until {
            // What was under way when it began has been counted by it.
            self.failures.clear();
            return Standing::Locked { until: self.locked_until, began: false };
        }
        if now.since(self.locked_until) >= rule.cap {
            self.lockings = 0;
        }
        self.failures.retain(|at| now.since(*at) < rule.window);
        if self.failures.len() >= rule.attempts.max(1) {
            self.lockings = self.lockings.saturating_add(1);
            self.locked_until = now.plus(rule.length(self.lockings));
            self.failures.clear();
            return Standing::Locked { until: self.locked_until, began: true };
        }
        if self.failures.len().saturating_add(self.pending.len()) >= rule.attempts.max(1) {
            return Standing::Busy;
        }
        Standing::Free
    }

    /// When nothing of it counts any more; `None` when nothing does already.
    pub(super) fn expires_at(&self, rule: &LockoutRule) -> Option<Timestamp> {
        let hits = self.failures.iter().chain(&self.pending).max();
        let hits = hits.map(|last| last.plus(rule.window).plus(PATIENCE));
        let calm = (self.lockings > 0).then(|| self.locked_until.plus(rule.cap));
        hits.max(calm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const RULE: LockoutRule = LockoutRule {
        attempts: 5,
        window: MINUTE.saturating_mul(15),
        first: MINUTE.saturating_mul(15),
        cap: MINUTE.saturating_mul(24 * 60),
    };

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_secs(1_790_000_000 + minutes * 60)
    }

    /// Fails until locked out; the minutes that it lasts.
    fn locked(state: &mut State, from: Timestamp) -> u64 {
        for n in 1..=5 {
            assert_eq!(state.reserve(&RULE, from), Standing::Free, "attempt {n}");
            if let Standing::Locked { until, began: true } = state.fail(from, &RULE, from) {
                assert_eq!(n, 5);
                return until.since(from).as_secs() / 60;
            }
        }
        panic!("five failures lock nobody out");
    }

    // proves: LIMIT-3
    #[test]
    fn each_lockout_is_twice_as_long_up_to_the_cap_and_calm_begins_anew() {
        let (mut state, mut now, mut lengths) = (State::default(), at(0), Vec::new());
        for _ in 0..9 {
            let minutes = locked(&mut state, now);
            lengths.push(minutes);
            now = now.plus(MINUTE * u32::try_from(minutes).unwrap());
        }
        assert_eq!(lengths, [15, 30, 60, 120, 240, 480, 960, 1440, 1440]);
        now = now.plus(RULE.cap);
        assert_eq!(locked(&mut state, now), 15);
    }

    // proves: LIMIT-3
    #[test]
    fn while_locked_nothing_is_let_in_nothing_counts_and_nothing_prolongs() {
        let mut state = State::default();
        locked(&mut state, at(0));
        for minute in 0..15 {
            let Standing::Locked { until, began: false } = state.reserve(&RULE, at(minute)) else {
                panic!("let in after {minute} minutes");
            };
            assert_eq!(until, at(15));
        }
        assert_eq!(state.reserve(&RULE, at(15)), Standing::Free);
        assert_eq!((state.pending.len(), state.failures.len()), (1, 0));
    }

    // proves: LIMIT-3
    #[test]
    fn failures_stop_counting_one_by_one() {
        let mut state = State::default();
        for minute in [0, 4, 8, 12] {
            assert_eq!(state.reserve(&RULE, at(minute)), Standing::Free);
            assert_eq!(state.fail(at(minute), &RULE, at(minute)), Standing::Free);
        }
        // The first has run out, so this is the fourth.
        assert_eq!(state.reserve(&RULE, at(15)), Standing::Free);
        assert_eq!(state.fail(at(15), &RULE, at(15)), Standing::Free);
        assert_eq!(state.reserve(&RULE, at(16)), Standing::Free);
        assert!(matches!(state.fail(at(16), &RULE, at(16)), Standing::Locked { began: true, .. }));
    }

    // A process that is killed in the middle of an attempt must not give the attempt back.
    // proves: LIMIT-3
    #[test]
    fn an_attempt_whose_end_nobody_told_failed() {
        let mut state = State::default();
        for _ in 0..5 {
            assert_eq!(state.reserve(&RULE, at(0)), Standing::Free);
        }
        assert_eq!(state.reserve(&RULE, at(0)), Standing::Busy);
        assert!(matches!(state.reserve(&RULE, at(1)), Standing::Locked { began: true, .. }));
        state.give_back(at(0));
        assert!(matches!(state.reserve(&RULE, at(2)), Standing::Locked { began: false, .. }));
    }

    proptest::proptest! {
        // Whatever is tried in whatever order: within no window are more attempts let in, unless they were given back.
        // proves: LIMIT-3
        #[test]
        fn never_more_than_so_many_in_any_window(steps in proptest::collection::vec((0_u64..200, 0_u8..3), 1..300)) {
            let (mut state, mut now, mut spent) = (State::default(), at(0), Vec::new());
            for (pause, end) in steps {
                now = now.plus(Duration::from_secs(pause));
                if state.reserve(&RULE, now) == Standing::Free {
                    match end {
                        0 => state.give_back(now),
                        1 => drop(state.fail(now, &RULE, now)),
                        _ => {}
                    }
                    if end > 0 {
                        spent.push(now);
                    }
                }
                let recent = spent.iter().filter(|at| now.since(**at) < RULE.window).count();
                proptest::prop_assert!(recent <= RULE.attempts, "{recent} attempts");
            }
        }
    }
}
