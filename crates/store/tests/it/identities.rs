//! Accounts elsewhere, what they began, and what may happen once.

use palisade_model::{Action, AuditEvent};
use palisade_store::{Identity, Source, StoreError, Subject, Unlinked};

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

fn source(subject: &str, sid: &str) -> Source {
    Source { issuer: ISSUER.into(), subject: subject.into(), sid: Some(sid.into()) }
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
        assert_eq!(unlink("one").await.unwrap(), Unlinked::LastWay);
        f.store.link_identity(&identity(&f, ann.id, "two"), vec![]).await.unwrap();
        assert_eq!(unlink("none").await.unwrap(), Unlinked::Unknown);
        let session = f.session(ann.id);
        f.store.create_session_from(&session, Some(&source("one", "s")), None, vec![]).await.unwrap();
        assert_eq!(unlink("one").await.unwrap(), Unlinked::Done);
        assert_eq!(f.store.session(&session.digest).await.unwrap(), None, "what it began ends with it");
        assert_eq!(unlink("two").await.unwrap(), Unlinked::LastWay);
        assert_eq!(f.actions().await.iter().filter(|name| *name == Action::IdentityUnlinked.name()).count(), 1);
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
