//! Accounts elsewhere, what they began, and what may happen once.

use palisade_model::{Action, AuditEvent};
use palisade_store::{FactorChange, Identity, Location, Passkey, Source, StoreError, Subject, User};

use crate::fixture::{Fixture, HOUR, created, event, on};

const ISSUER: &str = "https://login.example.com";

fn identity(f: &Fixture, user: palisade_model::id::UserId, subject: &str) -> Identity {
    Identity {
        issuer: ISSUER.into(),
        subject: subject.into(),
        user,
        provider: "company".into(),
        email: Some("ann@example.com".into()),
        linked_at: f.world.now(),
        last_used: None,
    }
}

fn passkey(f: &Fixture, user: palisade_model::id::UserId, seed: u8) -> Passkey {
    Passkey {
        id: vec![seed],
        user,
        name: "a key".into(),
        credential: "{}".into(),
        created_at: f.world.now(),
        last_used: None,
    }
}

fn source(subject: &str, sid: &str) -> Source {
    Source { issuer: ISSUER.into(), subject: subject.into(), sid: Some(sid.into()), hint: None }
}

fn row() -> AuditEvent {
    event(Action::SessionRevoked, "x")
}

on! { [memory sqlite postgres]
    // proves: ID-6
    async fn an_account_elsewhere_is_one_persons_alone(f: Fixture) {
        let (ann, bob) = (f.user("ann").await, f.user("bob").await);
        let linked = identity(&f, ann.id, "sub-1");
        f.store.link_identity(&linked, vec![event(Action::IdentityLinked, "x")]).await.unwrap();
        let taken = f.store.link_identity(&identity(&f, bob.id, "sub-1"), vec![row()]).await;
        assert_eq!(taken, Err(StoreError::Taken { what: "identity" }));
        assert_eq!(f.store.user_by_identity(ISSUER, "sub-1").await.unwrap().unwrap().id, ann.id);
        for (issuer, subject) in [(ISSUER, "SUB-1"), (ISSUER, ""), ("https://login.example.com/", "sub-1")] {
            assert_eq!(f.store.user_by_identity(issuer, subject).await.unwrap(), None);
        }
        let newcomer = f.some_user("cay");
        let wanted = identity(&f, newcomer.id, "sub-1");
        let made = f.store.create_user_from(&newcomer, &wanted, vec![created(&newcomer)]).await;
        assert_eq!(made, Err(StoreError::Taken { what: "identity" }));
        assert_eq!(f.store.user_by_login("cay").await.unwrap(), None, "half a user was left behind");
        assert_eq!(f.store.identities_of(ann.id).await.unwrap(), [linked]);
        assert!(f.store.identities_of(bob.id).await.unwrap().is_empty());
    }

    // proves: ID-6
    async fn the_last_way_in_is_not_taken_away(f: Fixture) {
        let mut ann = f.some_user("ann");
        ann.password = None;
        f.store.create_user_from(&ann, &identity(&f, ann.id, "one"), vec![created(&ann)]).await.unwrap();
        let unlink = |subject| f.store.unlink_identity(ann.id, ISSUER, subject, None, vec![event(Action::IdentityUnlinked, "x")]);
        assert_eq!(unlink("one").await, Err(StoreError::LastWay));
        f.store.link_identity(&identity(&f, ann.id, "two"), vec![]).await.unwrap();
        assert_eq!(unlink("none").await, Ok(false));
        let session = f.session(ann.id);
        f.store.create_session_from(&session, Some(&source("one", "s")), None, vec![]).await.unwrap();
        assert_eq!(unlink("one").await, Ok(true));
        assert_eq!(f.store.session(&session.digest).await.unwrap(), None, "what it began ends with it");
        assert_eq!(unlink("two").await, Err(StoreError::LastWay));
        assert_eq!(f.store.identities_of(ann.id).await.unwrap().len(), 1, "it stays");
        assert_eq!(f.actions().await.iter().filter(|name| *name == Action::IdentityUnlinked.name()).count(), 1);
    }

    // Between the proof by an account elsewhere and the session, that account may be gone or somebody else's.
    // proves: ID-6
    async fn no_session_begins_by_an_account_elsewhere_that_is_not_the_users(f: Fixture) {
        let (ann, bob) = (f.user("ann").await, f.user("bob").await);
        f.store.link_identity(&identity(&f, ann.id, "sub-1"), vec![]).await.unwrap();
        let begin = async |user: &User| {
            let (session, row) = (f.session(user.id), vec![event(Action::SignedIn, "x")]);
            let begun = f.store.create_session_from(&session, Some(&source("sub-1", "s")), None, row).await;
            (begun.map(drop), f.store.session(&session.digest).await.unwrap().is_some())
        };
        assert_eq!(begin(&bob).await, (Err(StoreError::Gone), false), "another's");
        assert_eq!(begin(&ann).await, (Ok(()), true));
        assert_eq!(f.store.unlink_identity(ann.id, ISSUER, "sub-1", None, vec![]).await, Ok(true));
        assert_eq!(begin(&ann).await, (Err(StoreError::Gone), false), "unlinked meanwhile");
        f.store.link_identity(&identity(&f, bob.id, "sub-1"), vec![]).await.unwrap();
        assert_eq!(begin(&ann).await, (Err(StoreError::Gone), false), "somebody else's by now");
        assert_eq!(f.actions().await.iter().filter(|name| *name == Action::SignedIn.name()).count(), 1);
    }

    // Each alone leaves the other; together, on two nodes at once, they must not.
    // proves: ID-6, ID-17
    async fn of_two_ways_in_that_are_given_up_at_once_one_stays(f: Fixture) {
        let nodes = match f.location {
            Location::Memory => [f.store.clone(), f.store.clone()],
            _ => [f.reopen().await, f.reopen().await],
        };
        for round in 0..20_u8 {
            let ann = User { password: None, ..f.some_user(&format!("ann-{round}")) };
            let (one, two) = (format!("one-{round}"), format!("two-{round}"));
            f.store.create_user_from(&ann, &identity(&f, ann.id, &one), vec![created(&ann)]).await.unwrap();
            let by_passkey = round % 2 == 0;
            if by_passkey {
                let change = FactorChange::AddPasskey(passkey(&f, ann.id, round));
                f.store.change_factors(ann.id, change, None, None, vec![]).await.unwrap();
            } else {
                f.store.link_identity(&identity(&f, ann.id, &two), vec![]).await.unwrap();
            }
            let row = || vec![event(Action::IdentityUnlinked, "x")];
            let first = nodes[0].unlink_identity(ann.id, ISSUER, &one, None, row());
            let second = async {
                if by_passkey {
                    let change = FactorChange::RemovePasskey(vec![round]);
                    nodes[1].change_factors(ann.id, change, None, None, row()).await.map(|_| true)
                } else {
                    nodes[1].unlink_identity(ann.id, ISSUER, &two, None, row()).await
                }
            };
            let (first, second) = tokio::join!(first, second);
            let refused = [&first, &second].iter().filter(|one| ***one == Err(StoreError::LastWay)).count();
            assert_eq!(refused, 1, "{first:?}, {second:?}");
            let ways = f.store.identities_of(ann.id).await.unwrap().len()
                + f.store.passkeys(ann.id).await.unwrap().len();
            assert_eq!(ways, 1, "a user with no way in");
        }
        assert_eq!(f.actions().await.iter().filter(|name| *name == Action::IdentityUnlinked.name()).count(), 20);
    }

    // proves: ID-6, ID-17
    async fn a_passkey_that_is_the_last_way_in_stays_but_not_beside_a_password(f: Fixture) {
        for (name, password, outcome) in [("bare", None, Err(StoreError::LastWay)), ("ann", Some("hash"), Ok(None))] {
            let user = User { password: password.map(str::to_owned), ..f.some_user(name) };
            f.store.create_user(&user, vec![]).await.unwrap();
            let change = FactorChange::AddPasskey(passkey(&f, user.id, name.len() as u8));
            f.store.change_factors(user.id, change, None, None, vec![]).await.unwrap();
            // A session of theirs, which must not end for nothing.
            let session = palisade_store::Session { strong: true, ..f.session(user.id) };
            f.store.create_session(&session, None, vec![]).await.unwrap();
            let remove = FactorChange::RemovePasskey(vec![name.len() as u8]);
            let removed = f.store.change_factors(user.id, remove, None, None, vec![event(Action::FactorRemoved, name)]).await;
            assert_eq!(removed, outcome, "{name}");
            assert_eq!(f.store.passkeys(user.id).await.unwrap().is_empty(), removed.is_ok(), "{name}");
            assert_eq!(f.store.session(&session.digest).await.unwrap().is_none(), removed.is_ok(), "{name}");
        }
        assert_eq!(f.actions().await.iter().filter(|name| *name == Action::FactorRemoved.name()).count(), 1);
    }

    // proves: ID-6
    async fn the_providers_logout_ends_what_its_session_began_and_no_other(f: Fixture) {
        let (ann, bob) = (f.user("ann").await, f.user("bob").await);
        for (user, subject) in [(&ann, "ann"), (&bob, "bob")] {
            f.store.link_identity(&identity(&f, user.id, subject), vec![]).await.unwrap();
        }
        let [first, second, bobs, by_password] = [ann.id, ann.id, bob.id, ann.id].map(|user| f.session(user));
        for (session, source) in
            [(&first, source("ann", "s1")), (&second, source("ann", "s2")), (&bobs, source("bob", "s3"))]
        {
            f.store.create_session_from(session, Some(&source), None, vec![]).await.unwrap();
        }
        f.store.create_session(&by_password, None, vec![]).await.unwrap();
        let asked = std::cell::Cell::new(0_u8);
        let end = |subject, sid| {
            asked.set(asked.get() + 1);
            let once = ([asked.get(); 32], f.world.now().plus(HOUR));
            let ended = f.store.end_sessions_from(ISSUER, subject, sid, f.world.now(), once, row());
            async { ended.await.map(Option::unwrap) }
        };
        let before = f.store.invalidations_after(-1).await.unwrap().0;
        assert!(end(None, None).await.unwrap().is_empty(), "nobody named ends nothing");
        assert!(end(Some("bob"), Some("s1")).await.unwrap().is_empty(), "both have to fit");
        assert_eq!(end(Some("ann"), Some("s1")).await.unwrap(), [first.id]);
        let (_, told) = f.store.invalidations_after(before).await.unwrap();
        assert_eq!(told, [Subject::Session(first.id)]);
        assert_eq!(end(Some("ann"), None).await.unwrap(), [second.id]);
        let once = |seed: u8| ([seed; 32], f.world.now().plus(HOUR));
        let elsewhere =
            f.store.end_sessions_from("https://evil.example", Some("bob"), None, f.world.now(), once(99), row());
        assert_eq!(elsewhere.await.unwrap(), Some(vec![]));
        let again = f.store.end_sessions_from(ISSUER, Some("bob"), None, f.world.now(), once(99), row());
        assert_eq!(again.await.unwrap(), None, "asked before");
        for (session, lives) in [(&first, false), (&second, false), (&bobs, true), (&by_password, true)] {
            assert_eq!(f.store.session(&session.digest).await.unwrap().is_some(), lives);
        }
        let revoked = f.actions().await.iter().filter(|name| *name == Action::SessionRevoked.name()).count();
        assert_eq!(revoked, 2, "one row for each session");

        let late = f.session(ann.id);
        let refused = f.store.create_session_from(&late, Some(&source("ann", "s1")), None, vec![]).await;
        assert_eq!(refused, Err(StoreError::Gone), "a sign-in that was begun before the logout ends with it");
        assert_eq!(f.store.session(&late.digest).await.unwrap(), None);
    }

    // proves: ID-6
    async fn of_many_one_spends_it(f: Fixture) {
        let digest = [7; 32];
        let until = f.world.now().plus(HOUR);
        let mut trying = Vec::new();
        for _ in 0..20 {
            let store = f.store.clone();
            trying.push(tokio::spawn(async move { store.spend(&digest, until).await.unwrap() }));
        }
        let mut spent = 0;
        for one in trying {
            spent += usize::from(one.await.unwrap());
        }
        assert_eq!(spent, 1);
        f.clock.advance(HOUR * 2);
        f.store.prune(f.world.now()).await.unwrap();
        assert!(f.store.spend(&digest, f.world.now().plus(HOUR)).await.unwrap(), "forgotten when it is over");
    }
}
