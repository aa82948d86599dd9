//! Changing a password.

use std::sync::Arc;
use std::time::Duration;

use palisade_model::{Denial, Refusal};

use crate::house::{BETTER, GOOD, House, LIGHT, new_password, origin, secret};

fn field(refusal: &Refusal) -> &str {
    assert_eq!((refusal.denial, refusal.status()), (Denial::InvalidInput, 422));
    assert!(!format!("{refusal:?}").contains("kayak"), "no password in a refusal");
    &refusal.fields[0].field
}

// proves: ID-2
#[tokio::test]
async fn it_asks_for_the_old_one_and_judges_the_new_one() {
    let house = House::new().await;
    house.user("alice", &["user"]).await;
    let session =
        house.access.sign_in("alice", &secret(GOOD), &origin(), None).await.unwrap().session().unwrap();
    let change = async |old: &str, new: &str| {
        house.access.change_password(&session.principal, &secret(old), &secret(new), &origin()).await
    };
    assert_eq!(field(&change("wrong", BETTER).await.unwrap_err()), "old_password");
    assert_eq!(house.count("session.sign_in_failed").await, 1);
    for bad in
        ["short", "password", "my name is alice 77!", "granite\0lantern oboe", &"long enough 9 ".repeat(10)]
    {
        assert_eq!(field(&change(GOOD, bad).await.unwrap_err()), "new_password", "{bad}");
    }
    assert_eq!(house.count("user.password_changed").await, 0);
    assert!(house.access.session(session.cookie.expose()).await.unwrap().is_some());

    let new = change(GOOD, BETTER).await.unwrap();
    assert_ne!(new.cookie.expose(), session.cookie.expose());
    assert!(house.access.session(session.cookie.expose()).await.unwrap().is_none());
    assert!(house.access.session(new.cookie.expose()).await.unwrap().is_some());
    assert_eq!(house.count("user.password_changed").await, 1);
    assert!(house.access.sign_in("alice", &secret(GOOD), &origin(), None).await.is_err());
    assert!(house.access.sign_in("alice", &secret(BETTER), &origin(), None).await.is_ok());
    assert!(house.store.verify_chain().await.unwrap().is_whole());
}

/// A thief who knows the old password is changing it when its owner sets a new one: proof of the old one must not
/// take the account back.
// proves: ID-2, ID-8
#[tokio::test]
async fn proof_of_a_password_that_was_replaced_meanwhile_changes_nothing() {
    let house = Arc::new(House::with("[identify.passwords]\nmemory = \"16MiB\"\npasses = 6").await);
    let user = house.user("alice", &["user"]).await;
    let session =
        house.access.sign_in("alice", &secret(GOOD), &origin(), None).await.unwrap().session().unwrap();
    let theft = tokio::spawn({
        let house = house.clone();
        async move {
            house.access.change_password(&session.principal, &secret(GOOD), &secret(BETTER), &origin()).await
        }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    let read = house.store.user(user).await.unwrap().unwrap();
    house
        .store
        .set_password(&read, &new_password("the owner's", house.world.now()), None, None, vec![])
        .await
        .unwrap();
    assert!(theft.await.unwrap().is_err());
    let kept = house.store.user(user).await.unwrap().unwrap();
    assert_eq!(kept.password.as_deref(), Some("the owner's"));
    assert_eq!(house.store.sessions_of(user).await.unwrap(), []);
    assert_eq!(house.count("user.password_changed").await, 0, "a row without a change");
}

// proves: ID-2
#[tokio::test]
async fn the_last_ones_cannot_come_back_but_older_ones_can() {
    let house = House::with(&format!("{LIGHT}\nhistory = 2")).await;
    house.user("alice", &["user"]).await;
    let line = [GOOD, BETTER, "kelp harpoon minaret 12", "oboe lantern granite 77"];
    let mut session =
        house.access.sign_in("alice", &secret(GOOD), &origin(), None).await.unwrap().session().unwrap();
    for pair in line.windows(2) {
        for former in line.iter().take_while(|one| **one != pair[1]) {
            let refusal = house
                .access
                .change_password(&session.principal, &secret(pair[0]), &secret(former), &origin())
                .await
                .unwrap_err();
            assert_eq!(field(&refusal), "new_password");
        }
        session = house
            .access
            .change_password(&session.principal, &secret(pair[0]), &secret(pair[1]), &origin())
            .await
            .unwrap();
    }
    let back =
        house.access.change_password(&session.principal, &secret(line[3]), &secret(GOOD), &origin()).await;
    assert!(back.is_ok(), "three changes ago");
}

// proves: ID-1
#[tokio::test]
async fn the_rules_can_be_asked_without_a_user() {
    let house = House::new().await;
    let subject = palisade_access::Subject { name: "alice", email: None };
    assert!(house.access.check_password_rules(&secret(GOOD), &subject).is_empty());
    let faults = house.access.check_password_rules(&secret("alice"), &subject);
    assert!(faults.len() >= 2 && faults.iter().all(|fault| fault.field == "password"));
}
