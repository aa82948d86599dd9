//! Signing keys: one first key for all nodes, overlap, and never a purpose without a key.

use std::time::Duration;

use palisade_model::{Action, Timestamp};
use palisade_store::{SigningKey, Subject};

use crate::fixture::{Fixture, HOUR, event, on};

impl Fixture {
    fn key(&self, id: &str, kind: &str, active_from: Timestamp) -> SigningKey {
        SigningKey {
            id: id.into(),
            purpose: "tokens".into(),
            kind: kind.into(),
            sealed: id.as_bytes().to_vec(),
            created_at: self.world.now(),
            active_from,
            retired_at: None,
        }
    }

    /// Each key's name and end, the newest first.
    async fn ends(&self) -> Vec<(String, Option<Timestamp>)> {
        let keys = self.store.signing_keys().await.unwrap();
        keys.into_iter().map(|key| (key.id, key.retired_at)).collect()
    }
}

on! { [memory sqlite postgres]
    // proves: ID-9, ID-11
    async fn of_many_nodes_that_start_at_once_one_makes_the_first_key(f: Fixture) {
        let starting: Vec<_> = (0..20)
            .map(|node| {
                let (store, key) = (f.store.clone(), f.key(&format!("node{node}"), "ed25519", f.world.now()));
                tokio::spawn(async move {
                    let end = key.active_from;
                    store.first_signing_key(&key, end, vec![event(Action::KeyMade, &key.id)]).await.unwrap()
                })
            })
            .collect();
        let mut made = 0;
        for start in starting {
            made += usize::from(start.await.unwrap());
        }
        assert_eq!(made, 1);
        assert_eq!(f.ends().await.len(), 1);
        assert_eq!(f.actions().await.iter().filter(|action| *action == "key.made").count(), 1);
    }

    // proves: ID-11, AUD-1
    async fn a_new_key_ends_the_others_later_and_nodes_are_told(f: Fixture) {
        let now = f.world.now();
        f.store.first_signing_key(&f.key("a", "ed25519", now), now, vec![]).await.unwrap();
        let (before, _) = f.store.invalidations_after(-1).await.unwrap();
        let (soon, end) = (now.plus(Duration::from_secs(300)), now.plus(HOUR));
        let row = vec![event(Action::KeyRotated, "b")];
        f.store.rotate_signing_key(&f.key("b", "ed25519", soon), end, row).await.unwrap();
        assert_eq!(f.ends().await, [("b".into(), None), ("a".into(), Some(end))]);
        assert_eq!(f.store.invalidations_after(before).await.unwrap().1, [Subject::SigningKeys]);
        assert_eq!(f.actions().await.last().unwrap(), "key.rotated");

        // A later end does not give an old key a longer life.
        let row = vec![event(Action::KeyRotated, "c")];
        f.store.rotate_signing_key(&f.key("c", "ed25519", soon.plus(HOUR)), end.plus(HOUR), row).await.unwrap();
        let ends = f.ends().await;
        assert_eq!(ends, [("c".into(), None), ("b".into(), Some(end.plus(HOUR))), ("a".into(), Some(end))]);
        // The algorithm changes: the keys of the other kind end.
        assert!(f.store.first_signing_key(&f.key("p", "p256", now), now.plus(HOUR), vec![]).await.unwrap());
        assert!(f.ends().await.iter().all(|(id, end)| (id == "p") == end.is_none()));
    }

    // proves: ID-11
    async fn the_last_key_that_signs_cannot_be_retired_and_its_successor_gets_no_end(f: Fixture) {
        let now = f.world.now();
        let retired = |id: &'static str| {
            let store = f.store.clone();
            async move {
                let row = vec![event(Action::KeyRetired, id)];
                store.retire_signing_key(id, now, row).await.unwrap()
            }
        };
        f.store.first_signing_key(&f.key("a", "ed25519", now), now, vec![]).await.unwrap();
        assert!(!retired("a").await, "nothing else signs");
        assert!(!retired("nothing").await);
        let soon = now.plus(Duration::from_secs(300));
        f.store.rotate_signing_key(&f.key("b", "ed25519", soon), soon.plus(HOUR), vec![]).await.unwrap();
        assert!(!retired("a").await, "the next one does not sign yet");
        assert!(!f.actions().await.contains(&"key.retired".to_owned()));
        assert!(retired("b").await);
        assert_eq!(f.ends().await, [("b".into(), Some(now)), ("a".into(), None)], "a signs on for good");
        assert!(!retired("b").await, "twice");

        f.clock.advance(HOUR * 24 * 31);
        f.store.prune(f.world.now()).await.unwrap();
        assert_eq!(f.ends().await, [("a".into(), None)], "the private half does not stay");
    }

    // proves: ID-11
    async fn a_key_is_sealed_anew_only_if_nobody_was_faster(f: Fixture) {
        let now = f.world.now();
        f.store.first_signing_key(&f.key("a", "ed25519", now), now, vec![]).await.unwrap();
        f.store.reseal_signing_key("a", b"something else", b"late").await.unwrap();
        assert_eq!(f.store.signing_keys().await.unwrap()[0].sealed, b"a");
        f.store.reseal_signing_key("a", b"a", b"anew").await.unwrap();
        assert_eq!(f.store.signing_keys().await.unwrap()[0].sealed, b"anew");
    }
}
