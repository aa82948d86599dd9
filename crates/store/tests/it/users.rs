//! Users, their names and passwords.

use palisade_model::id::UserId;
use palisade_model::{Action, Timestamp};
use palisade_store::{Renewal, StoreError, Subject, User};
use uuid::Uuid;

use crate::fixture::{HOUR, created, event, on, password};

on! { [memory sqlite postgres]
    // proves: VAL-4
    async fn every_statement_fits_the_schema(f: Fixture) {
        assert!(f.store.check_statements().await.unwrap() > 40);
    }

    // proves: ID-2, AUD-1
    async fn a_name_or_email_is_taken_once_as_either(f: Fixture) {
        let ann = f.user("Ann").await;
        assert_eq!(f.store.user(ann.id).await.unwrap(), Some(ann.clone()));
        assert_eq!(f.store.user_by_login("ANN").await.unwrap(), Some(ann.clone()));
        assert_eq!(f.store.user_by_login("ann@example.COM").await.unwrap(), Some(ann.clone()));
        for nobody in ["", "an", "ann ", "ann\0", "%", "' OR 1=1 --"] {
            assert_eq!(f.store.user_by_login(nobody).await.unwrap(), None, "{nobody:?}");
        }

        for (name, email, what) in [
            ("aNN", None, "name"),
            ("Bob", Some("ANN@example.com"), "email"),
            ("ann@example.com", None, "name"),
            ("bob", Some("ann"), "email"),
        ] {
            let mut user = f.some_user(name);
            user.email = email.map(Into::into);
            let refused = f.store.create_user(&user, vec![created(&user)]).await;
            assert_eq!(refused, Err(StoreError::Taken { what }), "{name} {email:?}");
            assert_eq!(f.store.user(user.id).await.unwrap(), None);
        }
        assert_eq!(f.store.user_by_login("bob").await.unwrap(), None, "a refused user left a login behind");
        assert_eq!(f.store.user_count().await.unwrap(), 1);
        assert_eq!(f.actions().await, [Action::UserCreated.name()], "a refused user left a row in the trail");
    }

    // proves: ID-2
    async fn of_many_who_want_a_name_at_once_one_gets_it(f: Fixture) {
        let mut wanting = Vec::new();
        for turn in 0..40_u32 {
            let mut user = f.some_user(&format!("user{}", turn % 10));
            // Each name is wanted as an e-mail by others, in the other order.
            if turn >= 20 {
                user.name = format!("user{}@example.com", turn % 10);
                user.email = Some(format!("user{}", turn % 10));
            }
            let store = f.store.clone();
            wanting.push(tokio::spawn(async move {
                store.create_user(&user, vec![created(&user)]).await.map(|()| user)
            }));
        }
        let mut made = Vec::new();
        for user in wanting {
            match user.await.unwrap() {
                Ok(user) => made.push(user),
                Err(StoreError::Taken { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(made.len(), 10);
        assert_eq!(f.store.user_count().await.unwrap(), 10);
        assert_eq!(f.actions().await.len(), 10, "only who was made is in the trail");
        assert!(f.store.verify_chain().await.unwrap().is_whole());
    }

    // proves: ID-2, ID-8, ID-10
    async fn a_new_password_ends_what_the_old_one_let_in(f: Fixture) {
        let (ann, bob) = (f.user("ann").await, f.user("bob").await);
        let (here, there, bobs) = (f.session(ann.id), f.session(ann.id), f.session(bob.id));
        for session in [&here, &there, &bobs] {
            f.store.create_session(session, None, vec![]).await.unwrap();
        }
        let (token, bobs_token) = (f.token(ann.id), f.token(bob.id));
        f.store.create_family(&token, vec![]).await.unwrap();
        f.store.create_family(&bobs_token, vec![]).await.unwrap();
        f.store.create_link(&f.link(ann.id, 1), vec![]).await.unwrap();

        let changed = vec![event(Action::PasswordChanged, "ann")];
        let now = f.world.now();
        let renewal = Renewal { session: here.id, was: here.digest, becomes: [9; 32] };
        let second = password("second", now, 5);
        let stale = Renewal { was: [8; 32], ..renewal };
        let refused = f.store.set_password(&ann, &second, Some(stale), None, changed.clone()).await;
        assert_eq!(refused, Err(StoreError::Gone), "by a cookie that was given up");
        assert!(f.store.session(&there.digest).await.unwrap().is_some(), "nothing is ended for nothing");
        f.clock.advance(HOUR / 60);
        let on = f.store.set_password(&ann, &second, Some(renewal), None, changed).await.unwrap().unwrap();

        assert!(f.store.session(&here.digest).await.unwrap().is_none(), "the former cookie");
        assert_eq!(f.store.session(&[9; 32]).await.unwrap().unwrap().0, on, "the one that was to stay");
        assert_eq!((on.id, on.proven_at, on.strong), (here.id, here.proven_at, here.strong));
        assert!(f.store.session(&there.digest).await.unwrap().is_none());
        assert!(f.store.session(&bobs.digest).await.unwrap().is_some(), "somebody else's");
        assert!(f.store.family_live(token.family).await.unwrap().is_none());
        assert!(f.store.family_live(bobs_token.family).await.unwrap().is_some());
        assert!(f.store.use_link(&[1; 32], now, vec![]).await.unwrap().is_none(), "an older link");
        assert_eq!(f.store.user(ann.id).await.unwrap().unwrap().password.as_deref(), Some("second"));
        let (_, told) = f.store.invalidations_after(0).await.unwrap();
        assert!(told.contains(&Subject::User(ann.id)));
        assert_eq!(f.actions().await.last().unwrap(), Action::PasswordChanged.name());
    }

    // proves: ID-2, AUD-1
    async fn a_password_is_only_set_over_the_one_that_was_read(f: Fixture) {
        let read = f.user("ann").await;
        let (now, audit) = (f.world.now(), || vec![event(Action::PasswordChanged, "ann")]);
        f.store.set_password(&read, &password("the first", now, 5), None, None, vec![]).await.unwrap();
        let session = f.session(read.id);
        f.store.create_session(&session, None, vec![]).await.unwrap();
        let before = f.actions().await;
        assert_eq!(f.store.set_password(&read, &password("too late", now, 5), None, None, audit()).await, Err(StoreError::Gone));
        let none = User { password: None, ..read.clone() };
        assert_eq!(f.store.set_password(&none, &password("too late", now, 5), None, None, audit()).await, Err(StoreError::Gone));
        assert_eq!(f.store.password_history(read.id, 9).await.unwrap(), ["the first", "hash of ann"]);
        assert!(f.store.session(&session.digest).await.unwrap().is_some(), "nothing is ended for nothing");
        assert_eq!(f.actions().await, before);

        let bare = User { password: None, ..f.some_user("bare") };
        f.store.create_user(&bare, vec![]).await.unwrap();
        f.store.set_password(&bare, &password("the first", now, 5), None, None, audit()).await.unwrap();
    }

    // proves: ID-2
    async fn so_many_former_passwords_are_kept(f: Fixture) {
        let ann = f.user("ann").await;
        for number in 1..=4 {
            let hash = format!("hash {number}");
            let read = f.store.user(ann.id).await.unwrap().unwrap();
            f.store.set_password(&read, &password(&hash, f.world.now(), 2), None, None, vec![]).await.unwrap();
        }
        assert_eq!(f.store.password_history(ann.id, 10).await.unwrap(), ["hash 4", "hash 3", "hash 2"]);
        assert_eq!(f.store.password_history(ann.id, 2).await.unwrap(), ["hash 4", "hash 3"]);

        f.store.renew_hash(ann.id, "hash 3", "stale", vec![]).await.unwrap();
        assert_eq!(f.store.password_history(ann.id, 1).await.unwrap(), ["hash 4"], "a former one was renewed");
        f.store.renew_hash(ann.id, "hash 4", "hash 4 at more cost", vec![]).await.unwrap();
        assert_eq!(f.store.password_history(ann.id, 9).await.unwrap(), ["hash 4 at more cost", "hash 3", "hash 2"]);
    }

    // proves: ID-8, ID-10
    async fn who_is_disabled_is_out_and_stays_out(f: Fixture) {
        let ann = f.user("ann").await;
        let (session, token) = (f.session(ann.id), f.token(ann.id));
        f.store.create_session(&session, None, vec![]).await.unwrap();
        f.store.create_family(&token, vec![]).await.unwrap();
        f.store.create_link(&f.link(ann.id, 1), vec![]).await.unwrap();
        f.store.set_enabled(ann.id, false, vec![event(Action::UserDisabled, "ann")]).await.unwrap();

        assert!(!f.store.user(ann.id).await.unwrap().unwrap().enabled);
        assert!(f.store.session(&session.digest).await.unwrap().is_none());
        assert!(f.store.family_live(token.family).await.unwrap().is_none());
        assert!(f.store.link(&[1; 32]).await.unwrap().is_none());
        let gone = Err(StoreError::Gone);
        let before = f.actions().await;
        let audit = || vec![event(Action::SignedIn, "ann")];
        assert_eq!(f.store.create_session(&f.session(ann.id), None, audit()).await.map(|_| ()), gone);
        assert_eq!(f.store.create_family(&f.token(ann.id), audit()).await, gone);
        assert_eq!(f.store.create_link(&f.link(ann.id, 2), audit()).await, gone);
        assert_eq!(f.store.set_password(&ann, &password("new", f.world.now(), 1), None, None, audit()).await.map(drop), gone);
        assert_eq!(f.actions().await, before, "what was refused is not in the trail");

        f.store.set_enabled(ann.id, true, vec![]).await.unwrap();
        assert!(f.store.session(&session.digest).await.unwrap().is_none(), "an ended session came back");
        assert!(f.store.family_live(token.family).await.unwrap().is_none(), "a revoked family came back");
    }

    // proves: AUD-1
    async fn what_is_not_there_cannot_be_changed(f: Fixture) {
        let nobody = UserId(Uuid::from_u128(7));
        let audit = || vec![event(Action::UserChanged, "nobody")];
        let gone = Err(StoreError::Gone);
        assert_eq!(f.store.set_roles(nobody, &[], audit()).await, gone);
        assert_eq!(f.store.set_enabled(nobody, true, audit()).await, gone);
        let stranger = User { id: nobody, ..f.some_user("nobody") };
        assert_eq!(f.store.set_password(&stranger, &password("x", Timestamp::default(), 1), None, None, audit()).await.map(drop), gone);
        assert_eq!(f.store.create_session(&f.session(nobody), None, audit()).await.map(|_| ()), gone);
        assert_eq!(f.store.create_family(&f.token(nobody), audit()).await, gone);
        assert!(f.actions().await.is_empty());
        assert!(f.store.invalidations_after(0).await.unwrap().1.is_empty());
    }

    // proves: ACC-1
    async fn roles_are_replaced_and_users_are_paged(f: Fixture) {
        let mut made = Vec::new();
        for name in ["ann", "bob", "cid"] {
            made.push(f.user(name).await);
            f.clock.advance(std::time::Duration::from_millis(1));
        }
        let roles = ["admin".to_owned(), "a \"quoted\" role".to_owned()];
        f.store.set_roles(made[0].id, &roles, vec![event(Action::UserChanged, "ann")]).await.unwrap();
        made[0].roles = roles.into();
        let first = f.store.users(None, 2).await.unwrap();
        assert_eq!(first, made[..2]);
        assert_eq!(f.store.users(Some(first[1].id), 2).await.unwrap(), made[2..]);
        assert_eq!(f.store.users(Some(made[2].id), 2).await.unwrap(), []);
    }

    // proves: VAL-4
    async fn a_text_with_nul_is_refused_alike(f: Fixture) {
        let mut user = f.some_user("ann");
        user.name = "a\0n".into();
        assert!(matches!(f.store.create_user(&user, vec![]).await, Err(StoreError::Refused(_))));
        assert_eq!(f.store.user_count().await.unwrap(), 0);
    }

    // proves: ID-1
    async fn nobody_registers_under_a_name_that_reads_as_anothers(f: Fixture) {
        f.user("paul").await;
        f.user("modern").await;
        for twin in ["pau\u{406}", "PauI", "pau1", "\u{440}aul", "\u{440}\u{430}ul", "rnodern", "m\u{43e}dern"] {
            let mut user = f.some_user(twin);
            user.email = None;
            let refused = f.store.register_user(&user, vec![created(&user)]).await;
            assert_eq!(refused, Err(StoreError::Taken { what: "name" }), "{twin}");
            assert_eq!(f.store.user(user.id).await.unwrap(), None, "{twin}");
        }
        assert_eq!(f.actions().await.iter().filter(|action| *action == "user.created").count(), 2);
        // Whom somebody answers for may have it, and then counts like the first.
        let mut known = f.some_user("rnodern");
        known.email = None;
        f.store.create_user(&known, vec![created(&known)]).await.unwrap();
        assert_eq!(f.store.user_by_login("rnodern").await.unwrap(), Some(known));
        for free in ["paula", "saul"] {
            let mut user = f.some_user(free);
            user.email = None;
            f.store.register_user(&user, vec![created(&user)]).await.unwrap();
        }
    }
}
