//! The limiter against a model that keeps every hit.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use palisade_model::{Timestamp, digest};
use palisade_store::{Check, Limiter, Verdict};
use proptest::prelude::*;

use crate::fixture::{START, on};

const MINUTE: Duration = Duration::from_secs(60);

fn key(number: u64) -> [u8; 16] {
    digest::sha256(&[&number.to_be_bytes()])[..16].try_into().unwrap()
}

fn at(micros: u64) -> Timestamp {
    START.plus(Duration::from_micros(micros))
}

/// All hits that were allowed, for ever.
#[derive(Default)]
struct Model(HashMap<[u8; 16], Vec<Timestamp>>);

impl Model {
    /// Hits within the last `window`, one that was made now included.
    fn within(&self, key: &[u8; 16], now: Timestamp, window: Duration) -> usize {
        let hits = self.0.get(key).map_or(&[][..], Vec::as_slice);
        hits.iter().rev().take_while(|hit| now.since(**hit) < window).count()
    }

    fn has_room(&self, now: Timestamp, checks: &[Check<'_>]) -> bool {
        checks.iter().all(|check| {
            check
                .windows
                .iter()
                .all(|(count, window)| self.within(&check.key, now, *window) < *count as usize)
        })
    }

    fn hit(&mut self, now: Timestamp, checks: &[Check<'_>]) {
        for check in checks {
            self.0.entry(check.key).or_default().push(now);
        }
    }
}

type Windows = Vec<(u32, Duration)>;

/// One to three windows, of 1 ms to 5 s.
fn windows(counts: std::ops::Range<u32>) -> impl Strategy<Value = Windows> {
    let window =
        (counts, 1_000..5_000_000_u64).prop_map(|(count, span)| (count, Duration::from_micros(span)));
    prop::collection::vec(window, 1..4)
}

/// Requests: the pause before each, and which of the keys it hits.
fn requests() -> impl Strategy<Value = Vec<(u64, Vec<u64>)>> {
    let pause = prop_oneof![Just(0), 1..100_u64, 1..40_000_u64, 1..1_500_000_u64];
    prop::collection::vec((pause, prop::collection::vec(0..4_u64, 1..4)), 1..300)
}

fn distinct(mut keys: Vec<u64>) -> Vec<u64> {
    keys.sort_unstable();
    keys.dedup();
    keys
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    // proves: LIMIT-1
    #[test]
    fn never_more_than_the_count_in_any_window(windows in windows(1..60), requests in requests()) {
        let (limiter, mut model, mut now) = (Limiter::new(1000), Model::default(), 0);
        for (pause, keys) in requests {
            now += pause;
            let checks: Vec<_> =
                distinct(keys).into_iter().map(|it| Check { key: key(it), windows: &windows }).collect();
            let verdict = limiter.hit(at(now), &checks);
            if verdict.allowed {
                prop_assert!(model.has_room(at(now), &checks), "one too many");
                model.hit(at(now), &checks);
            } else {
                // Refused for a reason: some window, made longer by a tenth at most, is full.
                let longer: Windows =
                    windows.iter().map(|(count, span)| (*count, *span + *span / 10)).collect();
                let checks: Vec<_> =
                    checks.iter().map(|it| Check { key: it.key, windows: &longer }).collect();
                prop_assert!(!model.has_room(at(now), &checks), "refused without need");
            }
        }
    }

    // proves: LIMIT-1, LIMIT-3
    #[test]
    fn small_counts_are_exact(windows in windows(1..13), requests in requests()) {
        let (limiter, mut model, mut now) = (Limiter::new(1000), Model::default(), 0);
        for (pause, keys) in requests {
            now += pause;
            let checks: Vec<_> =
                distinct(keys).into_iter().map(|it| Check { key: key(it), windows: &windows }).collect();
            let expected = model.has_room(at(now), &checks);
            prop_assert_eq!(limiter.look(at(now), &checks).allowed, expected);
            prop_assert_eq!(limiter.hit(at(now), &checks).allowed, expected);
            if expected {
                model.hit(at(now), &checks);
            }
        }
    }

    // proves: LIMIT-2
    #[test]
    fn remaining_and_reset_are_honest(windows in windows(1..60), requests in requests()) {
        let (limiter, mut now) = (Limiter::new(1000), 0);
        for (pause, _) in requests {
            now += pause;
            let check = [Check { key: key(1), windows: &windows }];
            limiter.hit(at(now), &check);
        }
        let check = [Check { key: key(1), windows: &windows }];
        let before = limiter.look(at(now), &check).tightest;
        for _ in 0..before.remaining {
            prop_assert!(limiter.hit(at(now), &check).allowed, "said that more remained");
        }
        let full = limiter.hit(at(now), &check);
        prop_assert!(!full.allowed, "said that less remained");
        prop_assert_eq!(full.tightest.remaining, 0);
        let wait = u64::try_from(full.tightest.reset.as_micros()).unwrap();
        prop_assert!(wait > 0);
        prop_assert!(!limiter.look(at(now + wait - 1), &check).allowed, "said to wait longer than needed");
        prop_assert!(limiter.look(at(now + wait), &check).allowed, "said to wait less than needed");
    }

    // proves: LIMIT-1
    #[test]
    fn a_refused_hit_counts_nowhere(windows in windows(1..30), requests in requests()) {
        let (limiter, mut now) = (Limiter::new(1000), 0);
        for (pause, keys) in requests {
            now += pause;
            let keys = distinct(keys);
            let checks: Vec<_> = keys.iter().map(|it| Check { key: key(*it), windows: &windows }).collect();
            let look = |check: &Check<'_>| limiter.look(at(now), &[*check]);
            let before: Vec<Verdict> = checks.iter().map(look).collect();
            if !limiter.hit(at(now), &checks).allowed {
                prop_assert_eq!(before, checks.iter().map(look).collect::<Vec<_>>());
            }
        }
    }

    // proves: LIMIT-4
    #[test]
    fn a_restart_changes_no_verdict(windows in windows(1..60), requests in requests()) {
        let (before, mut now) = (Limiter::new(1000), 0);
        for (pause, keys) in &requests {
            now += pause;
            for number in distinct(keys.clone()) {
                before.hit(at(now), &[Check { key: key(number), windows: &windows }]);
            }
        }
        let after = Limiter::new(1000);
        after.restore(&before.snapshot(at(now)));
        for (pause, keys) in requests.into_iter().take(50) {
            now += pause / 8;
            for number in distinct(keys) {
                let check = [Check { key: key(number), windows: &windows }];
                let (one, other) = (before.look(at(now), &check), after.look(at(now), &check));
                prop_assert_eq!(one, other);
            }
        }
    }
}

// proves: LIMIT-1, LIMIT-3
#[test]
fn five_in_a_quarter_of_an_hour_are_five_at_every_moment() {
    let limiter = Limiter::new(1000);
    let windows = [(5, MINUTE * 15)];
    let check = [Check { key: key(1), windows: &windows }];
    let mut allowed = VecDeque::new();
    for second in 0..7200 {
        let now = START.plus(Duration::from_secs(second));
        if limiter.hit(now, &check).allowed {
            allowed.push_back(now);
        }
        while allowed.front().is_some_and(|first| now.since(*first) >= MINUTE * 15) {
            allowed.pop_front();
        }
        assert!(allowed.len() <= 5);
    }
}

// proves: LIMIT-1
#[test]
fn the_tightest_window_is_told() {
    let limiter = Limiter::new(1000);
    let (by_address, by_user) = ([(200, MINUTE), (3, Duration::from_secs(1))], [(2, MINUTE * 60)]);
    let checks = [Check { key: key(1), windows: &by_address }, Check { key: key(2), windows: &by_user }];
    let first = limiter.hit(START, &checks);
    assert_eq!(
        (first.allowed, first.tightest.limit, first.tightest.remaining, first.tightest.which),
        (true, 2, 1, 1)
    );
    assert!(limiter.hit(START, &checks).allowed);
    let third = limiter.hit(START, &checks);
    assert!(!third.allowed);
    assert_eq!((third.tightest.which, third.tightest.reset), (1, MINUTE * 60));
    // The address lost nothing by the refusal.
    assert_eq!(limiter.look(START, &checks[..1]).tightest.remaining, 1);
    assert!(!limiter.hit(START, &[Check { key: key(3), windows: &[(0, MINUTE)] }]).allowed, "none at all");
    assert!(limiter.hit(START, &[]).allowed, "no limit");
}

// proves: LIMIT-1
#[test]
fn a_key_named_twice_counts_once() {
    let limiter = Limiter::new(1000);
    let windows = [(2, MINUTE)];
    let check = Check { key: key(1), windows: &windows };
    assert_eq!(limiter.hit(START, &[check, check]).tightest.remaining, 1);
    assert_eq!(limiter.hit(START, &[check, check]).tightest.remaining, 0);
    assert!(!limiter.hit(START, &[check, check]).allowed);
}

// proves: LIMIT-3
#[test]
fn a_flood_of_new_keys_does_not_let_a_locked_out_one_in() {
    let limiter = Limiter::new(4096);
    let login = [(5, MINUTE * 15)];
    let locked = Check { key: key(u64::MAX), windows: &login };
    for _ in 0..5 {
        assert!(limiter.hit(START, &[locked]).allowed);
    }
    // Fifty times as many other keys as there is room for, each with one hit, as an attacker makes them with
    // a different address for each request.
    for number in 0..200_000 {
        limiter
            .hit(START.plus(Duration::from_micros(number)), &[Check { key: key(number), windows: &login }]);
    }
    assert!(!limiter.look(START.plus(MINUTE), &[locked]).allowed, "the flood drove the locked-out key out");
    assert!(limiter.snapshot(START.plus(MINUTE)).len() <= 4096, "more is remembered than there is room for");
}

// proves: LIMIT-3
#[test]
fn nobody_gets_rid_of_their_own_count_by_a_flood() {
    let limiter = Limiter::new(4096);
    let login = [(5, MINUTE * 15)];
    let own = Check { key: key(u64::MAX), windows: &login };
    let mut tries = 0;
    let mut others = 0..;
    // Three tries, then one after each of many floods of keys that are as good as new.
    for round in 0..20 {
        for _ in 0..if round == 0 { 3 } else { 1 } {
            tries += u32::from(limiter.hit(START, &[own]).allowed);
        }
        for number in others.by_ref().take(10_000) {
            limiter.hit(START, &[Check { key: key(number), windows: &login }]);
        }
    }
    assert_eq!(tries, 5);
}

// proves: LIMIT-3
#[test]
fn an_administrator_lets_somebody_in_again() {
    let limiter = Limiter::new(1000);
    let windows = [(1, MINUTE)];
    let (one, other) = (Check { key: key(1), windows: &windows }, Check { key: key(2), windows: &windows });
    assert!(limiter.hit(START, &[one, other]).allowed);
    assert!(limiter.forget(&one.key));
    assert!(!limiter.forget(&one.key));
    assert!(limiter.look(START, &[one]).allowed);
    assert!(!limiter.look(START, &[other]).allowed, "somebody else was let in");
}

// proves: LIMIT-1
#[test]
fn another_count_in_the_policy_keeps_what_was_counted() {
    let limiter = Limiter::new(1000);
    let check = |windows| Check { key: key(1), windows };
    for _ in 0..20 {
        assert!(limiter.hit(START, &[check(&[(50, MINUTE)])]).allowed);
    }
    assert_eq!(limiter.look(START, &[check(&[(30, MINUTE)])]).tightest.remaining, 10);
    let lower = limiter.look(START, &[check(&[(5, MINUTE)])]);
    assert!(!lower.allowed);
    let later = START.plus(lower.tightest.reset);
    assert!(limiter.look(later, &[check(&[(5, MINUTE)])]).allowed);
    // Another length is another window.
    assert!(limiter.look(START, &[check(&[(5, MINUTE * 2)])]).allowed);
}

// proves: LIMIT-1
#[test]
fn a_clock_that_is_set_back_locks_nobody_out_for_longer_than_the_window() {
    let limiter = Limiter::new(1000);
    let windows = [(2, MINUTE)];
    let check = [Check { key: key(1), windows: &windows }];
    let wrong = START.plus(MINUTE * 60 * 24 * 365);
    assert!(limiter.hit(wrong, &check).allowed);
    assert!(limiter.hit(wrong, &check).allowed);
    assert!(!limiter.hit(START, &check).allowed, "what was counted still counts");
    assert!(limiter.hit(START.plus(MINUTE), &check).allowed);
}

// proves: LIMIT-1
#[test]
fn many_threads_get_the_count_and_not_one_more() {
    let limiter = Limiter::new(1000);
    let windows = [(500, MINUTE)];
    let allowed = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let (limiter, allowed) = (&limiter, &allowed);
            scope.spawn(move || {
                for turn in 0..500 {
                    // Two keys in either order, for a deadlock if there is one to be had.
                    let (one, two) = if turn % 2 == 0 { (1, 2) } else { (2, 1) };
                    let checks = [one, two].map(|it| Check { key: key(it), windows: &windows });
                    if limiter.hit(at(thread * 3 + turn), &checks).allowed {
                        allowed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(allowed.into_inner(), 500);
}

// proves: LIMIT-1
#[test]
fn a_hit_is_quick_in_a_full_map() {
    let limiter = Limiter::new(10_000);
    let windows = [(200, MINUTE * 60 * 24), (50, MINUTE * 60)];
    for number in 0..20_000 {
        limiter.hit(START, &[Check { key: key(number), windows: &windows }]);
    }
    let begun = Instant::now();
    for number in 0..10_000 {
        limiter.hit(START, &[Check { key: key(number), windows: &windows }]);
    }
    // Far from the real speed: it only catches what grows with the number of keys.
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

on! { [memory sqlite postgres]
    // proves: LIMIT-4
    async fn counters_survive_a_restart(f: Fixture) {
        let limiter = Limiter::new(1000);
        let (login, all) = ([(5, MINUTE * 15)], [(200, MINUTE * 60 * 24), (50, MINUTE * 60)]);
        let (locked, busy) = (Check { key: key(1), windows: &login }, Check { key: key(2), windows: &all });
        for _ in 0..5 {
            limiter.hit(START, &[locked]);
        }
        for second in 0..40 {
            limiter.hit(START.plus(Duration::from_secs(second)), &[busy]);
        }
        limiter.hit(START, &[Check { key: key(3), windows: &[(9, Duration::from_secs(1))] }]);
        let now = START.plus(MINUTE);
        f.store.save_counters(&limiter.snapshot(START)).await.unwrap();
        f.store.save_counters(&limiter.snapshot(now)).await.unwrap();

        let after = Limiter::new(1000);
        let rows = f.store.load_counters(now).await.unwrap();
        assert_eq!(rows.len(), 3, "what counts no more stays away: {rows:?}");
        after.restore(&rows);
        for check in [locked, busy] {
            assert_eq!(after.look(now, &[check]), limiter.look(now, &[check]));
        }
        assert!(!after.look(now, &[locked]).allowed, "a restart let somebody in");

        f.store.forget_counters(&locked.key).await.unwrap();
        assert_eq!(f.store.load_counters(now).await.unwrap().len(), 2);
        f.store.prune(now.plus(MINUTE * 60 * 24)).await.unwrap();
        assert!(f.store.load_counters(START).await.unwrap().is_empty());
    }
}
