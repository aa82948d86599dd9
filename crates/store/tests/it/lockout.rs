//! Lockouts on each database: exact for many at once, for another node, and forgotten when they are over.

use std::time::Duration;

use palisade_model::Action;
use palisade_store::{Bucket, LockoutRule, Standing};

use crate::fixture::{HOUR, event, on};

const RULE: LockoutRule = LockoutRule {
    attempts: 5,
    window: Duration::from_secs(900),
    first: Duration::from_secs(900),
    cap: Duration::from_secs(3600),
};

fn bucket(key: u8, owner: Option<u8>, stops: bool) -> Bucket {
    let row = event(Action::LockoutBegan, "somebody");
    Bucket { key: [key; 32], owner: owner.map(|owner| [owner; 32]), rule: RULE, stops, row }
}

on! { [memory sqlite postgres]
    // proves: LIMIT-3, AUD-1
    async fn of_forty_at_once_five_get_a_place_and_their_failures_lock_with_one_row(f: Fixture) {
        let tries: Vec<_> = (0..40).map(|_| {
            let (store, now) = (f.store.clone(), f.world.now());
            tokio::spawn(async move { store.reserve_attempt(vec![bucket(1, None, true)], now).await.unwrap()[0] })
        }).collect();
        let mut free = 0;
        for one in tries {
            match one.await.unwrap() {
                Standing::Free => free += 1,
                other => assert_eq!(other, Standing::Busy),
            }
        }
        assert_eq!(free, 5);
        let now = f.world.now();
        for n in 1..=5 {
            let buckets = vec![bucket(1, None, true)];
            let failed = f.store.fail_attempt(buckets, now, now, vec![event(Action::SignInFailed, "x")]).await.unwrap();
            assert_eq!(matches!(failed[0], Standing::Locked { began: true, .. }), n == 5, "{n}");
        }
        let rows = f.actions().await;
        assert_eq!(rows.iter().filter(|row| *row == "lockout.began").count(), 1);
        assert_eq!(rows.iter().filter(|row| *row == "session.sign_in_failed").count(), 5);
        let standing = f.store.reserve_attempt(vec![bucket(1, None, true)], now).await.unwrap()[0];
        assert_eq!(standing, Standing::Locked { until: now.plus(RULE.first), began: false });
    }

    // proves: LIMIT-3
    async fn one_that_stops_takes_no_place_elsewhere_and_one_that_does_not_lets_the_other_count(f: Fixture) {
        let now = f.world.now();
        for (key, stops) in [(1, true), (2, false)] {
            for _ in 0..5 {
                f.store.reserve_attempt(vec![bucket(key, None, stops)], now).await.unwrap();
                f.store.fail_attempt(vec![bucket(key, None, stops)], now, now, vec![]).await.unwrap();
            }
        }
        for _ in 0..9 {
            let at = f.store.reserve_attempt(vec![bucket(1, None, true), bucket(3, None, false)], now).await.unwrap();
            assert!(matches!(at[..], [Standing::Locked { began: false, .. }, Standing::Free]), "{at:?}");
        }
        let at = f.store.reserve_attempt(vec![bucket(4, None, true), bucket(2, None, false)], now).await.unwrap();
        assert!(matches!(at[..], [Standing::Free, Standing::Locked { began: false, .. }]), "{at:?}");
    }

    // proves: LIMIT-3, LIMIT-8
    async fn what_is_given_back_unlocked_or_over_leaves_nothing(f: Fixture) {
        let now = f.world.now();
        let both = || vec![bucket(1, None, true), bucket(2, Some(9), false)];
        f.store.reserve_attempt(both(), now).await.unwrap();
        f.store.give_attempt_back(both(), now, false).await.unwrap();
        assert_eq!(f.store.unlock_all(vec![event(Action::LockoutLifted, "x")]).await.unwrap(), 0);
        assert!(!f.actions().await.contains(&"lockout.lifted".to_owned()));

        f.store.reserve_attempt(both(), now).await.unwrap();
        assert_eq!(f.store.unlock(vec![[9; 32]], vec![event(Action::LockoutLifted, "x")]).await.unwrap(), 1, "by owner");
        assert_eq!(f.store.unlock(vec![[1; 32], [7; 32]], vec![]).await.unwrap(), 1, "by key");
        assert_eq!(f.actions().await.iter().filter(|row| *row == "lockout.lifted").count(), 1);

        f.store.reserve_attempt(both(), now).await.unwrap();
        f.clock.advance(HOUR);
        f.store.prune(f.world.now()).await.unwrap();
        assert_eq!(f.store.unlock_all(vec![]).await.unwrap(), 0, "pruned");
    }

    // Strangers make rows as fast as they like; what is over has to go as fast.
    // proves: LIMIT-3
    async fn what_is_left_over_is_told_so_that_it_is_removed_at_once(f: Fixture) {
        let now = f.world.now();
        let tries: Vec<_> = (0_u32..1_005).map(|n| {
            let (store, mut one) = (f.store.clone(), bucket(1, None, true));
            one.key[..4].copy_from_slice(&n.to_be_bytes());
            tokio::spawn(async move { store.reserve_attempt(vec![one], now).await.unwrap() })
        }).collect();
        for one in tries {
            one.await.unwrap();
        }
        assert!(!f.store.prune(now).await.unwrap(), "nothing is over");
        f.clock.advance(HOUR);
        assert!(f.store.prune(f.world.now()).await.unwrap(), "a thousand, and there are more");
        assert!(!f.store.prune(f.world.now()).await.unwrap());
        assert_eq!(f.store.unlock_all(vec![]).await.unwrap(), 0);
    }
}
