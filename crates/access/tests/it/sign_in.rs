//! Signing in: one answer for whoever fails, one path, one time, and a bound on what it may cost.

use std::sync::Arc;
use std::time::Duration;

use palisade_access::{Entered, Issued, NewUser};
use palisade_model::audit::Origin;
use palisade_model::{Denial, Refusal, Secret};

use crate::house::{GOOD, House, from, new_password, origin, policy, secret};

// proves: ID-1, AUD-1
#[tokio::test]
async fn the_right_password_gives_a_session_and_one_row() {
    let house = House::new().await;
    let user = house.user("alice", &["user"]).await;
    for login in ["alice", "ALICE", " alice ", "Alice@Tracker.example"] {
        let before = house.count("session.signed_in").await;
        let new =
            house.access.sign_in(login, &secret(GOOD), &origin(), None).await.unwrap().session().unwrap();
        assert_eq!(new.principal.user(), user);
        assert_eq!(new.principal.name(), "alice");
        assert_eq!(new.principal.role_names(), ["user"]);
        assert_eq!(house.count("session.signed_in").await, before + 1);
        let found = house.access.session(new.cookie.expose()).await.unwrap().unwrap();
        assert_eq!(found.user(), user);
    }
    let row = house.trail().await.pop().unwrap();
    assert_eq!((row.user, row.entity_type.as_str()), (Some(user), "session"));
    assert_eq!(row.request_id.as_deref(), Some("request-1"));
    assert_eq!(row.personal.unwrap().address.as_deref(), Some("192.0.2.7"));
}

// proves: ID-1
#[tokio::test]
async fn every_failure_is_the_same_refusal_with_one_row_and_no_session() {
    let house = House::new().await;
    let disabled = house.user("disabled", &["user"]).await;
    house.user("known", &["user"]).await;
    house.access.disable(disabled, None, &Origin::default()).await.unwrap();
    let bare = NewUser { name: "bare".into(), ..NewUser::default() };
    house.access.create_user(bare, None, &Origin::default()).await.unwrap();

    let long = "a".repeat(100_000);
    let tries: [(&str, &str); 11] = [
        ("nobody", GOOD),
        ("known", "wrong password"),
        ("known", ""),
        ("known", "violet kayak umbrella 39\0"),
        ("known", &long),
        ("disabled", GOOD),
        ("bare", GOOD),
        ("bare", ""),
        ("", GOOD),
        ("known\0", GOOD),
        (&long, GOOD),
    ];
    let mut answers = Vec::new();
    for (n, (login, password)) in tries.into_iter().enumerate() {
        let before = house.count("session.sign_in_failed").await;
        let from = from(&format!("198.51.100.{n}"));
        let by_cookie = house.access.sign_in(login, &secret(password), &from, None).await.map(drop);
        let by_token = house.access.sign_in_tokens(login, &secret(password), &from).await.map(drop);
        assert_eq!(house.count("session.sign_in_failed").await, before + 2, "{login:.20}");
        answers.extend([format!("{:?}", by_cookie.unwrap_err()), format!("{:?}", by_token.unwrap_err())]);
    }
    assert!(answers[0].contains("SignInFailed"));
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
    assert_eq!(house.count("session.signed_in").await + house.count("token.issued").await, 0);
    assert!(house.access.sign_in("known", &secret(GOOD), &origin(), None).await.is_ok());
}

/// People type their password into the field for the name.
// proves: AUD-5
#[tokio::test]
async fn what_was_typed_as_an_unknown_name_stands_nowhere_in_the_trail() {
    let house = House::new().await;
    house.access.sign_in("MyOwnPassword-77", &secret("x"), &origin(), None).await.unwrap_err();
    let trail = format!("{:?}", house.trail().await).to_lowercase();
    assert!(!trail.contains("myownpassword"));
    assert!(trail.contains("unknown"));
}

// proves: ID-3
#[tokio::test]
async fn two_hundred_at_once_are_shed_and_the_rest_served() {
    let house = Arc::new(
        House::with(
            "[identify.passwords]\nmemory = \"4MiB\"\npasses = 2\nworkers = 2\nqueue = 10\n\
             [identify.lockout]\nattempts = 1000\naccount_attempts = 1000",
        )
        .await,
    );
    house.user("alice", &["user"]).await;
    let tries: Vec<_> = (0..200)
        .map(|_| {
            let house = house.clone();
            tokio::spawn(async move {
                house.access.sign_in("alice", &secret(GOOD), &origin(), None).await.map(drop)
            })
        })
        .collect();
    let (mut served, mut shed) = (0, 0);
    for one in tries {
        match one.await.unwrap() {
            Ok(()) => served += 1,
            Err(Refusal { denial: Denial::HashingBusy, retry_after: Some(after), .. }) => {
                assert!(after >= Duration::from_secs(1));
                shed += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(served >= 12, "{served} served");
    assert!(shed >= 100, "{shed} shed");
    assert_eq!(house.count("session.signed_in").await, served);
    assert_eq!(house.count("session.sign_in_failed").await, 0, "whoever was shed did not fail");
    assert!(house.access.sign_in("alice", &secret(GOOD), &origin(), None).await.is_ok());
}

// proves: ID-3
#[tokio::test]
async fn a_hash_of_other_parameters_is_renewed_at_sign_in_and_only_then() {
    let house = House::new().await;
    let user = house.user("alice", &["user"]).await;
    let hash = |found: Option<palisade_store::User>| found.unwrap().password.unwrap();
    let old = hash(house.store.user(user).await.unwrap());
    let heavier = policy("[identify.passwords]\nmemory = \"128KiB\"\npasses = 2", &[]);
    let access = house.reopen(Arc::new(heavier)).await.unwrap();

    access.sign_in("alice", &secret("wrong password"), &origin(), None).await.unwrap_err();
    assert_eq!(hash(house.store.user(user).await.unwrap()), old);
    access.sign_in("alice", &secret(GOOD), &origin(), None).await.unwrap().session().unwrap();
    let new = hash(house.store.user(user).await.unwrap());
    assert!(new.starts_with("$argon2id$v=19$m=128,t=2,p=1$"), "{new}");
    access.sign_in("alice", &secret(GOOD), &origin(), None).await.unwrap().session().unwrap();
    assert_eq!(hash(house.store.user(user).await.unwrap()), new, "once is enough");
}

// proves: ID-3
#[tokio::test]
async fn the_same_letters_typed_on_another_keyboard_are_the_same_password() {
    let house = House::new().await;
    let new = NewUser {
        name: "zoe".into(),
        password: Some(Secret::new("Cafe\u{301} granite oboe 58")),
        ..NewUser::default()
    };
    house.access.create_user(new, None, &Origin::default()).await.unwrap();
    let composed = secret("Caf\u{e9} granite oboe 58");
    assert!(house.access.sign_in("zoe", &composed, &origin(), None).await.is_ok());
}

/// The old password is being proven when the user is disabled, or the password is set anew.
// proves: ID-8
#[tokio::test]
async fn what_changes_while_somebody_signs_in_is_seen() {
    for change in ["disable", "password"] {
        let house = Arc::new(House::with("[identify.passwords]\nmemory = \"16MiB\"\npasses = 6").await);
        let user = house.user("alice", &["user"]).await;
        let by_cookie = tokio::spawn({
            let house = house.clone();
            async move { house.access.sign_in("alice", &secret(GOOD), &origin(), None).await }
        });
        let by_token = tokio::spawn({
            let house = house.clone();
            async move { house.access.sign_in_tokens("alice", &secret(GOOD), &origin()).await }
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
        match change {
            "disable" => house.access.disable(user, None, &Origin::default()).await.unwrap(),
            _ => {
                let read = house.store.user(user).await.unwrap().unwrap();
                house
                    .store
                    .set_password(&read, &new_password("another", house.world.now()), None, None, vec![])
                    .await
                    .unwrap();
            }
        }
        // If one was quicker than the change, what it gave ended with the change.
        if let Ok(Entered::Session(new)) = by_cookie.await.unwrap() {
            assert!(house.access.session(new.cookie.expose()).await.unwrap().is_none(), "{change}");
        }
        if let Ok(Issued::Tokens(new)) = by_token.await.unwrap() {
            assert!(house.access.bearer(&new.access).await.is_err(), "{change}");
        }
        assert_eq!(house.store.sessions_of(user).await.unwrap(), [], "{change}");
    }
}

// proves: ID-1
#[tokio::test]
async fn without_a_store_nobody_is_signed_in() {
    let house = House::new().await;
    house.user("alice", &["user"]).await;
    house.store.clone().close().await;
    let refusal = house.access.sign_in("alice", &secret(GOOD), &origin(), None).await.unwrap_err();
    assert_eq!(refusal.denial, Denial::IdentityUnavailable);
    assert_eq!(refusal.status(), 503);
}
