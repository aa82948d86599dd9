//! Sessions, refresh families and one-time links.

use std::time::Duration;

use palisade_model::{Action, digest};
use palisade_store::{Rotation, Session, Subject};

use crate::fixture::{HOUR, event, on};

const RACE: Duration = Duration::from_secs(10);

on! { [memory sqlite postgres]
    // proves: ID-8
    async fn a_session_is_found_until_it_is_over(f: Fixture) {
        let ann = f.user("ann").await;
        let session = f.session(ann.id);
        f.store.create_session(&session, None, vec![event(Action::SignedIn, "ann")]).await.unwrap();
        let (found, user) = f.store.session(&session.digest).await.unwrap().unwrap();
        assert_eq!(user, ann);
        assert_eq!(found, Session { agent: Some("a browser\u{fffd}with a NUL".into()), ..session.clone() });
        assert!(f.store.session(&[0; 32]).await.unwrap().is_none());

        f.clock.advance(Duration::from_secs(60));
        f.store.touch_sessions(&[(session.digest, f.world.now()), ([0; 32], f.world.now())]).await.unwrap();
        f.store.touch_sessions(&[(session.digest, session.created_at)]).await.unwrap();
        let seen = f.store.session(&session.digest).await.unwrap().unwrap().0.last_seen;
        assert_eq!(seen, f.world.now(), "never back in time");

        f.clock.advance(HOUR - Duration::from_secs(60));
        assert!(f.store.session(&session.digest).await.unwrap().is_none(), "at the very end it is over");
        assert!(f.store.sessions_of(ann.id).await.unwrap().is_empty());
    }

    // proves: ID-8
    async fn a_session_is_ended_by_its_owner_alone(f: Fixture) {
        let (ann, bob) = (f.user("ann").await, f.user("bob").await);
        let session = f.session(ann.id);
        f.store.create_session(&session, None, vec![]).await.unwrap();
        let (before, _) = f.store.invalidations_after(-1).await.unwrap();
        let rows = f.actions().await.len();
        let audit = || vec![event(Action::SignedOut, "ann")];

        assert!(!f.store.end_session(session.id, bob.id, audit()).await.unwrap(), "somebody else's");
        assert!(f.store.session(&session.digest).await.unwrap().is_some());
        assert_eq!(f.actions().await.len(), rows, "nothing was done, so nothing is told");
        assert!(f.store.end_session(session.id, ann.id, audit()).await.unwrap());
        assert!(!f.store.end_session(session.id, ann.id, audit()).await.unwrap(), "twice");
        assert!(f.store.session(&session.digest).await.unwrap().is_none());
        assert_eq!(f.actions().await.len(), rows + 1);
        let (_, told) = f.store.invalidations_after(before).await.unwrap();
        assert_eq!(told, [Subject::Session(session.id)]);
    }

    // proves: ID-8
    async fn the_least_used_sessions_over_the_limit_end(f: Fixture) {
        let ann = f.user("ann").await;
        let bob = f.user("bob").await;
        let bobs = f.session(bob.id);
        f.store.create_session(&bobs, Some(1), vec![]).await.unwrap();
        let mut sessions = Vec::new();
        for _ in 0..3 {
            f.clock.advance(Duration::from_secs(1));
            let session = f.session(ann.id);
            assert!(f.store.create_session(&session, Some(3), vec![]).await.unwrap().is_empty());
            sessions.push(session);
        }
        // The oldest is used, so the second is the one to go.
        f.clock.advance(Duration::from_secs(1));
        f.store.touch_sessions(&[(sessions[0].digest, f.world.now())]).await.unwrap();
        let fourth = f.session(ann.id);
        let ended = f.store.create_session(&fourth, Some(3), vec![]).await.unwrap();
        assert_eq!(ended, [sessions[1].digest]);
        assert!(f.store.session(&sessions[1].digest).await.unwrap().is_none());
        assert_eq!(f.store.sessions_of(ann.id).await.unwrap().len(), 3);
        let (_, told) = f.store.invalidations_after(0).await.unwrap();
        assert_eq!(told.last(), Some(&Subject::Session(sessions[1].id)));

        assert_eq!(f.store.end_sessions_of(ann.id, Some(fourth.id), vec![]).await.unwrap(), 2);
        assert!(f.store.session(&fourth.digest).await.unwrap().is_some());
        assert_eq!(f.store.end_sessions_of(ann.id, None, vec![]).await.unwrap(), 1);
        assert!(f.store.session(&bobs.digest).await.unwrap().is_some(), "somebody else's");
    }

    // proves: ID-8
    async fn the_limit_holds_when_many_sign_in_at_once(f: Fixture) {
        for turn in 0..10 {
            let ann = f.user(&format!("ann{turn}")).await;
            let signing: Vec<_> = (0..8)
                .map(|_| {
                    let (store, session) = (f.store.clone(), f.session(ann.id));
                    tokio::spawn(async move { store.create_session(&session, Some(2), vec![]).await.unwrap() })
                })
                .collect();
            let mut ended = 0;
            for session in signing {
                ended += session.await.unwrap().len();
            }
            assert_eq!((f.store.sessions_of(ann.id).await.unwrap().len(), ended), (2, 6));
        }
    }

    // proves: ID-8
    async fn a_link_is_used_exactly_once_by_fifty_at_once(f: Fixture) {
        let ann = f.user("ann").await;
        f.store.create_link(&f.link(ann.id, 1), vec![event(Action::LinkIssued, "ann")]).await.unwrap();
        let now = f.world.now();
        assert_eq!(f.store.link(&[1; 32]).await.unwrap(), Some(f.link(ann.id, 1)), "looking does not use it");
        let using: Vec<_> = (0..50)
            .map(|_| {
                let store = f.store.clone();
                tokio::spawn(async move {
                    store.use_link(&[1; 32], now, vec![event(Action::LinkUsed, "ann")]).await.unwrap()
                })
            })
            .collect();
        let mut got = Vec::new();
        for used in using {
            got.extend(used.await.unwrap());
        }
        assert_eq!(got.len(), 1);
        assert_eq!((got[0].user, got[0].used_at), (ann.id, Some(now)));
        let uses = f.actions().await.into_iter().filter(|it| it == Action::LinkUsed.name()).count();
        assert_eq!(uses, 1, "those who came too late are not in the trail");

        f.store.create_link(&f.link(ann.id, 2), vec![]).await.unwrap();
        let late = now.plus(HOUR);
        assert!(f.store.use_link(&[2; 32], late, vec![]).await.unwrap().is_none(), "over");
        assert!(f.store.use_link(&[3; 32], now, vec![]).await.unwrap().is_none(), "unknown");
    }

    // proves: ID-10
    async fn of_fifty_who_race_one_rotates_and_all_get_the_same(f: Fixture) {
        let ann = f.user("ann").await;
        let token = f.token(ann.id);
        f.store.create_family(&token, vec![event(Action::TokenIssued, "ann")]).await.unwrap();
        let next = digest::sha256(&[b"next"]);
        let now = f.world.now();
        let racing: Vec<_> = (0..50)
            .map(|_| {
                let store = f.store.clone();
                tokio::spawn(async move {
                    let audit = vec![event(Action::TokenRefreshed, "ann")];
                    let reuse = vec![event(Action::TokenReused, "ann")];
                    store
                        .rotate_refresh(&token.digest, &next, now, now.plus(HOUR), RACE, audit, reuse)
                        .await
                        .unwrap()
                })
            })
            .collect();
        let (mut rotated, mut raced) = (0, 0);
        for outcome in racing {
            match outcome.await.unwrap() {
                Rotation::Rotated(token, user) => {
                    rotated += 1;
                    assert_eq!((token.digest, user.id), (next, ann.id));
                }
                Rotation::Raced(token, _) => {
                    raced += 1;
                    assert_eq!(token.digest, next);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((rotated, raced), (1, 49));
        assert_eq!(f.actions().await.last().unwrap(), Action::TokenRefreshed.name());
        assert_eq!(f.actions().await.len(), 3, "a race is not in the trail");
        assert_eq!(f.store.refresh_token(&token.digest).await.unwrap().unwrap().successor, Some(next));
    }

    // proves: ID-10
    async fn a_token_used_again_revokes_its_whole_family(f: Fixture) {
        let (ann, bob) = (f.user("ann").await, f.user("bob").await);
        let (token, other, bobs) = (f.token(ann.id), f.token(ann.id), f.token(bob.id));
        for token in [&token, &other, &bobs] {
            f.store.create_family(token, vec![]).await.unwrap();
        }
        let rotate = async |digest: [u8; 32], next: [u8; 32]| {
            let now = f.world.now();
            let audit = vec![event(Action::TokenRefreshed, "ann")];
            let reuse = vec![event(Action::TokenReused, "ann")];
            f.store.rotate_refresh(&digest, &next, now, now.plus(HOUR), RACE, audit, reuse).await.unwrap()
        };
        assert!(matches!(rotate(token.digest, [2; 32]).await, Rotation::Rotated(..)));
        f.clock.advance(RACE);
        assert!(matches!(rotate(token.digest, [2; 32]).await, Rotation::Raced(..)), "ten seconds are in time");
        f.clock.advance(Duration::from_micros(1));
        assert_eq!(rotate(token.digest, [2; 32]).await, Rotation::Reused(token.family, ann.id));
        assert_eq!(f.store.family_live(token.family).await.unwrap(), None);
        assert_eq!(rotate([2; 32], [3; 32]).await, Rotation::Unknown, "the successor went with its family");
        assert_eq!(rotate(token.digest, [2; 32]).await, Rotation::Unknown, "one alert is enough");
        assert!(f.store.refresh_token(&[3; 32]).await.unwrap().is_none());
        assert!(f.store.family_live(other.family).await.unwrap().is_some(), "the user's other family");
        assert!(f.store.family_live(bobs.family).await.unwrap().is_some(), "somebody else's");
        let (_, told) = f.store.invalidations_after(0).await.unwrap();
        assert_eq!(told.last(), Some(&Subject::Family(token.family)));
        let reused = f.actions().await.into_iter().filter(|it| it == Action::TokenReused.name()).count();
        assert_eq!(reused, 1);

        // Another successor within the race is no race: the caller derives it, so a thief made it.
        assert!(matches!(rotate(bobs.digest, [4; 32]).await, Rotation::Rotated(..)));
        assert_eq!(rotate(bobs.digest, [5; 32]).await, Rotation::Reused(bobs.family, bob.id));
        assert!(f.store.refresh_token(&[5; 32]).await.unwrap().is_none());
    }

    // proves: ID-10
    async fn an_old_or_unknown_or_revoked_token_gives_nothing(f: Fixture) {
        let ann = f.user("ann").await;
        let (old, revoked) = (f.token(ann.id), f.token(ann.id));
        f.store.create_family(&old, vec![]).await.unwrap();
        f.store.create_family(&revoked, vec![]).await.unwrap();
        assert!(f.store.revoke_family(revoked.family, vec![event(Action::TokenRevoked, "ann")]).await.unwrap());
        assert!(!f.store.revoke_family(revoked.family, vec![event(Action::TokenRevoked, "ann")]).await.unwrap());
        let rotate = async |digest: [u8; 32]| {
            let now = f.world.now();
            f.store.rotate_refresh(&digest, &[9; 32], now, now.plus(HOUR), RACE, vec![], vec![]).await.unwrap()
        };
        assert_eq!(rotate(revoked.digest).await, Rotation::Unknown);
        assert_eq!(rotate([0; 32]).await, Rotation::Unknown);
        f.clock.advance(HOUR);
        assert_eq!(rotate(old.digest).await, Rotation::Expired);
        assert!(f.store.refresh_token(&[9; 32]).await.unwrap().is_none());
        assert_eq!(f.store.revoke_families_of(ann.id, vec![event(Action::TokenRevoked, "ann")]).await.unwrap(), 1);
        assert_eq!(f.store.revoke_families_of(ann.id, vec![event(Action::TokenRevoked, "ann")]).await.unwrap(), 0);
        let told = f.actions().await.into_iter().filter(|it| it == Action::TokenRevoked.name()).count();
        assert_eq!(told, 2);
    }

    // proves: ID-10
    async fn rotating_and_disabling_at_once_never_leaves_a_live_token(f: Fixture) {
        for turn in 0..8_u8 {
            let ann = f.user(&format!("ann{turn}")).await;
            let token = f.token(ann.id);
            f.store.create_family(&token, vec![]).await.unwrap();
            let (one, two) = (f.store.clone(), f.store.clone());
            let now = f.world.now();
            let next = digest::sha256(&[&[turn]]);
            let rotating = tokio::spawn(async move {
                one.rotate_refresh(&token.digest, &next, now, now.plus(HOUR), RACE, vec![], vec![]).await
            });
            let disabling = tokio::spawn(async move { two.set_enabled(ann.id, false, vec![]).await });
            rotating.await.unwrap().unwrap();
            disabling.await.unwrap().unwrap();
            assert!(f.store.family_live(token.family).await.unwrap().is_none());
            let after =
                f.store.rotate_refresh(&next, &[9; 32], now, now.plus(HOUR), RACE, vec![], vec![]).await.unwrap();
            assert_eq!(after, Rotation::Unknown);
        }
    }
}
