//! Accounts that come back to their owners, letters, and registrations that wait: on each database.

use std::time::Duration;

use palisade_model::id::MailId;
use palisade_model::{Action, Timestamp};
use palisade_store::{
    Allowance, ApiToken, FactorChange, Identity, Link, Mail, Pending, Store, StoreError, TokenKind, User,
};

use crate::fixture::{Fixture, HOUR, created, event, on, password};

const ISSUER: &str = "https://login.example.com";

fn mail(f: &Fixture) -> Mail {
    Mail {
        id: MailId::generate(f.world.now(), f.world.entropy.as_ref()).unwrap(),
        sealed: b"sealed".to_vec(),
        tries: 0,
        next_at: f.world.now(),
        expires_at: f.world.now().plus(HOUR * 24),
    }
}

fn mailed(f: &Fixture, of: &User, purpose: &str, email: &str, seed: u8) -> Link {
    Link { purpose: purpose.into(), email: Some(email.into()), ..f.link(of.id, seed) }
}

fn elsewhere(f: &Fixture, user: &User, subject: &str) -> Identity {
    Identity {
        issuer: ISSUER.into(),
        subject: subject.into(),
        user: user.id,
        provider: "company".into(),
        email: None,
        linked_at: f.world.now(),
        last_used: None,
    }
}

/// Everything that lets somebody in besides the password.
async fn fasten(f: &Fixture, user: &User, seed: u8) {
    f.store.link_identity(&elsewhere(f, user, &format!("sub-{seed}")), vec![]).await.unwrap();
    let key = ApiToken {
        id: palisade_model::id::KeyId::generate(f.world.now(), f.world.entropy.as_ref()).unwrap(),
        digest: [seed; 32],
        kind: TokenKind::Key,
        name: "robot".into(),
        user: user.id,
        scopes: "*".into(),
        networks: String::new(),
        reason: None,
        enabled: true,
        created_at: f.world.now(),
        expires_at: None,
        last_used: None,
        used_at: None,
        replaced_by: None,
    };
    f.store.create_api_token(&key, None, vec![]).await.unwrap();
    let add = FactorChange::AddTotp { sealed: vec![seed], step: 1 };
    f.store.change_factors(user.id, add, Some(vec![[seed; 32]]), None, vec![]).await.unwrap();
    let pending = Pending {
        digest: [seed; 32],
        kind: "second".into(),
        user: Some(user.id),
        state: vec![],
        tries: 0,
        expires_at: f.world.now().plus(HOUR),
    };
    f.store.begin_pending(&pending, vec![]).await.unwrap();
    let session = palisade_store::Session { strong: true, digest: [seed; 32], ..f.session(user.id) };
    f.store.create_session(&session, None, vec![]).await.unwrap();
}

/// What of it is left: account elsewhere, key, factor, recovery codes, ticket, session.
async fn left(store: &Store, user: &User, seed: u8) -> [bool; 6] {
    let factors = store.factors(user.id).await.unwrap();
    [
        !store.identities_of(user.id).await.unwrap().is_empty(),
        store.live_api_token(&[seed; 32]).await.unwrap().is_some(),
        factors.any(),
        factors.recovery_codes > 0,
        store.pending(&[seed; 32], "second").await.unwrap().is_some(),
        store.session(&[seed; 32]).await.unwrap().is_some(),
    ]
}

async fn count(f: &Fixture, action: Action) -> usize {
    f.actions().await.iter().filter(|name| *name == action.name()).count()
}

async fn again(f: &Fixture, user: &User) -> User {
    f.store.user(user.id).await.unwrap().unwrap()
}

async fn waiting(f: &Fixture) -> u64 {
    f.store.mail_outlook(f.world.now()).await.unwrap().waiting
}

on! { [memory sqlite postgres]
    // proves: ID-4, ID-17
    async fn a_mailed_link_takes_from_an_account_what_a_stranger_may_have_fastened(f: Fixture) {
        // Unproven address, whose account it may be, purpose, and what is left.
        let cases = [
            (true, true, "reset", [false, false, false, false, false, false]),
            (true, false, "reset", [false, false, true, true, false, false]),
            (false, true, "reset", [true, false, true, true, false, false]),
            (false, true, "undo", [false, false, true, true, false, false]),
            (false, true, "password", [true, false, true, true, false, false]),
        ];
        for (seed, (unproven, anybodys, purpose, kept)) in (1..).zip(cases) {
            let mut user = f.some_user(&format!("user{seed}"));
            user.email_verified_at = (!unproven).then(|| f.world.now());
            f.store.create_user(&user, vec![created(&user)]).await.unwrap();
            fasten(&f, &user, seed).await;
            let email = if purpose == "undo" { format!("former{seed}@example.com") } else { user.email.clone().unwrap() };
            let mut link = mailed(&f, &user, purpose, &email, seed);
            link.email = link.email.filter(|_| purpose != "password");
            f.store.create_link(&link, vec![]).await.unwrap();
            let (letter, now) = (mail(&f), f.world.now());
            let redeem = |of: User, row| {
                let (new, letter, link) = (password("new", now, 0), letter.clone(), link.clone());
                let store = f.store.clone();
                async move { store.redeem_link(&link.digest, &of, anybodys, &new, Some(&letter), row).await }
            };
            let row = || vec![event(Action::LinkUsed, "x")];
            let (before, queued) = (count(&f, Action::LinkUsed).await, waiting(&f).await);
            for stale in [User { password: Some("another".into()), ..user.clone() }, f.some_user("stranger")] {
                assert_eq!(redeem(stale, row()).await, Err(StoreError::Gone));
            }
            assert_eq!(left(&f.store, &user, seed).await, [true; 6], "a refused one changes nothing");
            assert_eq!((count(&f, Action::LinkUsed).await, waiting(&f).await), (before, queued));
            redeem(user.clone(), row()).await.unwrap();
            assert_eq!(left(&f.store, &user, seed).await, kept, "{purpose}");
            assert_eq!((count(&f, Action::LinkUsed).await, waiting(&f).await), (before + 1, queued + 1));
            let now_is = again(&f, &user).await;
            assert_eq!(now_is.password.as_deref(), Some("new"));
            assert_eq!(now_is.email_verified_at.is_some(), !unproven || purpose == "reset");
            assert_eq!(f.store.user_by_login(&email).await.unwrap().map(|user| user.id), Some(user.id));
            assert_eq!(redeem(now_is, row()).await, Err(StoreError::Gone), "once");
        }
    }

    // proves: ID-4
    async fn of_many_who_bring_one_link_one_sets_the_password(f: Fixture) {
        let ann = f.user("ann").await;
        let link = mailed(&f, &ann, "reset", "ann@example.com", 1);
        f.store.create_link(&link, vec![]).await.unwrap();
        let mut trying = Vec::new();
        for n in 0..50 {
            let (store, ann, now) = (f.store.clone(), ann.clone(), f.world.now());
            trying.push(tokio::spawn(async move {
                let new = password(&format!("hash {n}"), now, 3);
                store.redeem_link(&[1; 32], &ann, true, &new, None, vec![event(Action::LinkUsed, "x")]).await
            }));
        }
        let mut done = 0;
        for one in trying {
            done += usize::from(one.await.unwrap().is_ok());
        }
        assert_eq!((done, count(&f, Action::LinkUsed).await), (1, 1));
    }

    // proves: ID-4
    async fn an_address_changes_hands_with_its_way_back_or_not_at_all(f: Fixture) {
        let (ann, bob) = (f.user("ann").await, f.user("bob").await);
        let link = mailed(&f, &ann, "email", "new@example.com", 1);
        let taken = mailed(&f, &ann, "email", "Bob@example.com", 2);
        for one in [&link, &taken] {
            f.store.create_link(one, vec![]).await.unwrap();
        }
        let (here, other) = (f.session(ann.id), f.session(ann.id));
        for session in [&here, &other] {
            f.store.create_session(session, None, vec![]).await.unwrap();
        }
        let family = f.token(ann.id);
        f.store.create_family(&family, vec![]).await.unwrap();
        let undo = Link { expires_at: f.world.now().plus(HOUR * 100), ..mailed(&f, &ann, "undo", "ann@example.com", 3) };
        let change = |digest: [u8; 32], of: User, undo: Link, letter: Mail| {
            let (store, now, here) = (f.store.clone(), f.world.now(), here.id);
            async move {
                let row = vec![event(Action::UserChanged, "x")];
                store.change_email(&digest, &of, now, Some(here), Some((&undo, &letter)), row).await
            }
        };
        assert_eq!(change(taken.digest, ann.clone(), undo.clone(), mail(&f)).await, Err(StoreError::Taken { what: "email" }));
        assert_eq!(change(link.digest, bob.clone(), undo.clone(), mail(&f)).await, Err(StoreError::Gone), "another's link");
        let stale = User { email: Some("old@example.com".into()), ..ann.clone() };
        assert_eq!(change(link.digest, stale, undo.clone(), mail(&f)).await, Err(StoreError::Gone));
        assert_eq!((waiting(&f).await, count(&f, Action::UserChanged).await), (0, 0));
        assert!(f.store.link(&undo.digest).await.unwrap().is_none());
        assert!(f.store.session(&other.digest).await.unwrap().is_some());

        change(link.digest, ann.clone(), undo.clone(), mail(&f)).await.unwrap();
        let ann = again(&f, &ann).await;
        assert_eq!((ann.email.as_deref(), ann.email_verified_at.is_some()), (Some("new@example.com"), true));
        assert_eq!(f.store.user_by_login("ann@example.com").await.unwrap(), None, "the former one is free");
        assert_eq!((waiting(&f).await, count(&f, Action::UserChanged).await), (1, 1));
        assert!(f.store.session(&here.digest).await.unwrap().is_some());
        assert!(f.store.session(&other.digest).await.unwrap().is_none());
        assert!(f.store.family_live(family.family).await.unwrap().is_none());
        assert!(f.store.link(&taken.digest).await.unwrap().is_none(), "links from before");

        // The way back outlives another password, and of two the older one wins.
        let later = Link { expires_at: f.world.now().plus(HOUR * 101), ..mailed(&f, &ann, "undo", "new@example.com", 4) };
        f.store.create_link(&later, vec![]).await.unwrap();
        f.store.set_password(&ann, &password("the taker's", f.world.now(), 0), None, None, vec![]).await.unwrap();
        let ann = again(&f, &ann).await;
        let new = password("the owner's", f.world.now(), 0);
        f.store.redeem_link(&undo.digest, &ann, true, &new, None, vec![]).await.unwrap();
        assert_eq!(again(&f, &ann).await.email.as_deref(), Some("ann@example.com"));
        assert!(f.store.link(&later.digest).await.unwrap().is_none(), "the taker's way back");
    }

    // proves: ID-6
    async fn an_unproven_account_goes_to_its_addresss_owner_bare_and_once(f: Fixture) {
        let ann = f.user("ann").await;
        fasten(&f, &ann, 1).await;
        f.store.create_link(&f.link(ann.id, 2), vec![]).await.unwrap();
        let row = || vec![event(Action::UserChanged, "x")];
        let other = User { email: Some("other@example.com".into()), ..ann.clone() };
        let by = |user: &User, subject| elsewhere(&f, user, subject);
        let (at, gone) = (f.world.now(), Err(StoreError::Gone));
        assert_eq!(f.store.take_over(&other, &by(&ann, "owner"), at, row()).await, gone);
        let cay = f.user("cay").await;
        f.store.link_identity(&by(&cay, "cays"), vec![]).await.unwrap();
        let taken = f.store.take_over(&ann, &by(&ann, "cays"), at, row()).await;
        assert_eq!(taken, Err(StoreError::Taken { what: "identity" }));
        assert!(again(&f, &ann).await.password.is_some(), "left with no way in");
        assert_eq!((left(&f.store, &ann, 1).await, count(&f, Action::UserChanged).await), ([true; 6], 0));
        f.store.take_over(&ann, &by(&ann, "owner"), at, row()).await.unwrap();
        let ways = f.store.identities_of(ann.id).await.unwrap();
        assert_eq!(ways, [by(&ann, "owner")], "the owner's, and no other");
        assert_eq!(left(&f.store, &ann, 1).await, [true, false, false, false, false, false]);
        assert!(f.store.link(&[2; 32]).await.unwrap().is_none());
        let taken = again(&f, &ann).await;
        assert_eq!((taken.password, taken.email_verified_at), (None, Some(f.world.now())));
        assert_eq!(f.store.take_over(&ann, &by(&ann, "later"), at, row()).await, gone, "proven by now");
        assert_eq!(count(&f, Action::UserChanged).await, 1);
        let bob = f.user("bob").await;
        f.store.set_enabled(bob.id, false, vec![]).await.unwrap();
        assert_eq!(f.store.take_over(&bob, &by(&bob, "bobs"), at, row()).await, gone, "disabled");
    }

    // proves: ID-4
    async fn a_letter_goes_with_its_change_and_is_claimed_once(f: Fixture) {
        let ann = f.user("ann").await;
        let now = f.world.now();
        let stale = User { password: Some("another".into()), ..ann.clone() };
        let new = password("new", now, 0);
        assert_eq!(f.store.set_password(&stale, &new, None, Some(&mail(&f)), vec![]).await, Err(StoreError::Gone));
        assert_eq!(waiting(&f).await, 0, "nothing changed, nothing is told");
        f.store.set_password(&ann, &new, None, Some(&mail(&f)), vec![]).await.unwrap();
        for _ in 0..29 {
            assert!(f.store.queue_mail(&mail(&f), None).await.unwrap());
        }
        assert_eq!(waiting(&f).await, 30);
        let until = now.plus(Duration::from_secs(60));
        let mut claiming = Vec::new();
        for _ in 0..10 {
            let store = f.store.clone();
            claiming.push(tokio::spawn(async move { store.claim_mail(now, until, 5).await.unwrap() }));
        }
        let mut ids = Vec::new();
        for one in claiming {
            ids.extend(one.await.unwrap().into_iter().map(|mail| (mail.id, mail.tries)));
        }
        let claimed = ids.len();
        ids.sort_by_key(|(id, _)| id.0);
        ids.dedup();
        assert_eq!(ids.len(), claimed, "one was claimed twice");
        assert!(ids.iter().all(|(_, tries)| *tries == 1) && claimed >= 5);
        f.store.drop_mail(ids[0].0).await.unwrap();
        f.store.put_off_mail(ids[1].0, now.plus(HOUR * 2)).await.unwrap();
        f.clock.advance(Duration::from_secs(60));
        let due = f.store.claim_mail(f.world.now(), f.world.now().plus(HOUR), 100).await.unwrap();
        assert_eq!(due.len(), 28, "one was sent, one is put off");
        f.clock.advance(HOUR * 24);
        assert!(f.store.claim_mail(f.world.now(), f.world.now().plus(HOUR), 100).await.unwrap().is_empty());
        f.store.prune(f.world.now()).await.unwrap();
        assert_eq!(waiting(&f).await, 0);
    }

    // proves: ID-4
    async fn nobodys_mailbox_is_filled_however_many_ask_at_once(f: Fixture) {
        let ann = f.user("ann").await;
        let allowance = |f: &Fixture| Allowance { recipient: [7; 32], most: 3, ends: f.world.now().plus(HOUR) };
        let mut asking = Vec::new();
        for n in 0..40 {
            let (store, allowance, letter) = (f.store.clone(), allowance(&f), mail(&f));
            let link = mailed(&f, &ann, "reset", "ann@example.com", n + 1);
            asking.push(tokio::spawn(async move {
                store.mail_link(&link, &letter, &allowance, vec![event(Action::ResetRequested, "x")]).await.unwrap();
            }));
        }
        for one in asking {
            one.await.unwrap();
        }
        assert_eq!((waiting(&f).await, count(&f, Action::ResetRequested).await), (3, 40));
        let mut live = 0;
        for n in 0..40 {
            let link = f.store.link(&[n + 1; 32]).await.unwrap();
            live += usize::from(link.is_some_and(|link| link.expires_at > f.world.now()));
        }
        assert_eq!(live, 3, "links that went out");
        assert!(!f.store.queue_mail(&mail(&f), Some(&allowance(&f))).await.unwrap());
        let stranger = f.some_user("nobody");
        let other = Allowance { recipient: [8; 32], ..allowance(&f) };
        f.store.mail_link(&mailed(&f, &stranger, "reset", "x@example.com", 90), &mail(&f), &other, vec![]).await.unwrap();
        assert_eq!(waiting(&f).await, 3, "nobody gets no letter");
        f.clock.advance(HOUR);
        assert!(f.store.queue_mail(&mail(&f), Some(&allowance(&f))).await.unwrap(), "a new hour");
    }

    // proves: ID-4
    async fn a_registration_is_finished_once_and_by_nobody_when_it_is_over(f: Fixture) {
        let allowance = Allowance { recipient: [7; 32], most: 3, ends: f.world.now().plus(HOUR) };
        let keep = |seed: u8, until: Timestamp| {
            let (store, letter, allowance) = (f.store.clone(), mail(&f), allowance.clone());
            async move {
                let row = vec![event(Action::SignUpRequested, "x")];
                store.keep_sign_up(&[seed; 32], vec![seed], until, &letter, &allowance, row).await.unwrap();
            }
        };
        keep(1, f.world.now().plus(HOUR)).await;
        keep(2, f.world.now()).await;
        assert_eq!(f.store.sign_up(&[1; 32], f.world.now()).await.unwrap(), Some(vec![1]));
        assert_eq!(f.store.sign_up(&[2; 32], f.world.now()).await.unwrap(), None, "work and nothing else");
        let row = |user: &User| vec![created(user)];
        let late = f.some_user("late");
        assert_eq!(f.store.finish_sign_up(&[2; 32], &late, row(&late)).await, Err(StoreError::Gone));
        let taken = f.user("ann").await;
        let same_name = User { name: "ANN".into(), ..f.some_user("other") };
        let refused = f.store.finish_sign_up(&[1; 32], &same_name, row(&same_name)).await;
        assert_eq!(refused, Err(StoreError::Taken { what: "name" }));
        assert!(f.store.sign_up(&[1; 32], f.world.now()).await.unwrap().is_some(), "it can be tried again");
        let mut finishing = Vec::new();
        for n in 0..30 {
            let (store, user) = (f.store.clone(), f.some_user(&format!("eva{n}")));
            finishing.push(tokio::spawn(async move {
                let row = vec![created(&user)];
                store.finish_sign_up(&[1; 32], &user, row).await.is_ok()
            }));
        }
        let mut made = 0;
        for one in finishing {
            made += usize::from(one.await.unwrap());
        }
        assert_eq!((made, f.store.user_count().await.unwrap()), (1, 2));
        assert_eq!(again(&f, &taken).await, taken);
    }
}
