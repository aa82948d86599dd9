//! One-time links.

use std::sync::Arc;
use std::time::Duration;

use palisade_access::NewUser;
use palisade_model::audit::Origin;
use palisade_model::{Denial, Token};

use crate::house::{BETTER, GOOD, House, origin, secret};

async fn invalid(house: &House, token: &str) {
    let refusal = house.access.link_user(token).await.unwrap_err();
    assert_eq!((refusal.denial, refusal.status()), (Denial::LinkInvalid, 410));
    let refusal = house.access.redeem_link(token, &secret(BETTER), &origin(), None).await.unwrap_err();
    assert_eq!(refusal.denial, Denial::LinkInvalid);
}

// proves: ID-4, ID-5
#[tokio::test]
async fn it_sets_the_password_once_and_ends_what_rested_on_the_old_one() {
    let house = House::new().await;
    let user = house.user("alice", &["user"]).await;
    let session =
        house.access.sign_in("alice", &secret(GOOD), &origin(), None).await.unwrap().session().unwrap();
    let link = house.access.issue_link(user, None, &Origin::default()).await.unwrap();
    assert!(!format!("{:?}", house.trail().await).contains(link.expose()));

    assert_eq!(house.access.link_user(link.expose()).await.unwrap().id, user);
    let weak = house.access.redeem_link(link.expose(), &secret("weak"), &origin(), None).await.unwrap_err();
    assert_eq!((weak.denial, weak.fields[0].field.as_ref()), (Denial::InvalidInput, "password"));
    let new = house
        .access
        .redeem_link(link.expose(), &secret(BETTER), &origin(), None)
        .await
        .unwrap()
        .session()
        .unwrap();
    assert_eq!(new.principal.user(), user);
    assert!(house.access.session(session.cookie.expose()).await.unwrap().is_none());
    assert!(house.access.session(new.cookie.expose()).await.unwrap().is_some());
    assert!(house.access.sign_in("alice", &secret(GOOD), &origin(), None).await.is_err());
    invalid(&house, link.expose()).await;
    assert_eq!(house.count("link.used").await, 1);
}

// proves: ID-4
#[tokio::test]
async fn of_twenty_at_once_one_gets_through() {
    let house = Arc::new(House::new().await);
    let user = house.user("alice", &["user"]).await;
    let link = house.access.issue_link(user, None, &Origin::default()).await.unwrap();
    let tries: Vec<_> = (0..20)
        .map(|n| {
            let (house, link) = (house.clone(), link.expose().to_owned());
            tokio::spawn(async move {
                let password = secret(&format!("granite lantern oboe {n} {n}"));
                house.access.redeem_link(&link, &password, &origin(), None).await.is_ok()
            })
        })
        .collect();
    let mut through = 0;
    for one in tries {
        through += usize::from(one.await.unwrap());
    }
    assert_eq!(through, 1);
    assert_eq!(house.count("link.used").await, 1);
    assert_eq!(house.count("user.password_changed").await, 1);
}

// proves: ID-4
#[tokio::test]
async fn it_runs_out_is_overtaken_and_dies_with_its_user() {
    let house = House::new().await;
    let user = house.user("alice", &["user"]).await;
    let server = Origin::default();

    let link = house.access.issue_link(user, None, &server).await.unwrap();
    house.clock.advance(Duration::from_secs(86_399));
    assert!(house.access.link_user(link.expose()).await.is_ok());
    house.clock.advance(Duration::from_secs(1));
    invalid(&house, link.expose()).await;

    let (first, second) = (
        house.access.issue_link(user, None, &server).await.unwrap(),
        house.access.issue_link(user, None, &server).await.unwrap(),
    );
    house.clock.advance(Duration::from_secs(1));
    house
        .access
        .redeem_link(second.expose(), &secret(BETTER), &origin(), None)
        .await
        .unwrap()
        .session()
        .unwrap();
    invalid(&house, first.expose()).await;

    let link = house.access.issue_link(user, None, &server).await.unwrap();
    house.access.disable(user, None, &server).await.unwrap();
    invalid(&house, link.expose()).await;
    assert_eq!(house.access.issue_link(user, None, &server).await.unwrap_err().denial, Denial::LinkInvalid);

    for bad in ["", "x", Token::generate(&*house.world.entropy).unwrap().expose()] {
        invalid(&house, bad).await;
    }
}

// proves: ID-5
#[tokio::test]
async fn the_first_administrator_comes_by_a_link_and_only_as_long_as_nobody_has_a_password() {
    let house = House::new().await;
    assert!(house.trail().await.iter().all(|row| row.action != "user.created"), "nobody is there by default");
    let first = house.access.first_administrator().await.unwrap().unwrap();
    let again = house.access.first_administrator().await.unwrap().unwrap();
    assert_eq!(house.count("user.created").await, 1, "a restart makes no second one");
    for guess in ["", "admin", "password"] {
        assert!(house.access.sign_in("admin", &secret(guess), &origin(), None).await.is_err());
    }
    house.clock.advance(Duration::from_secs(1));
    let admin = house
        .access
        .redeem_link(again.expose(), &secret(GOOD), &origin(), None)
        .await
        .unwrap()
        .session()
        .unwrap();
    assert_eq!(admin.principal.role_names(), ["admin", "manager", "user"]);
    invalid(&house, first.expose()).await;
    assert!(house.access.first_administrator().await.unwrap().is_none());
    let bare = NewUser { name: "bare".into(), ..NewUser::default() };
    house.access.create_user(bare, Some(admin.principal.user()), &origin()).await.unwrap();
    assert!(house.access.first_administrator().await.unwrap().is_none());
}

// The trail says who made a way into somebody's account: never the one whose it is.
// proves: ID-4, AUD-1
#[tokio::test]
async fn whoever_issues_a_link_is_who_the_trail_names() {
    let house = House::new().await;
    let (user, admin) = (house.user("alice", &["user"]).await, house.user("root", &["admin"]).await);
    for by in [None, Some(admin)] {
        house.access.issue_link(user, by, &Origin::default()).await.unwrap();
        let row = house.trail().await.pop().unwrap();
        assert_eq!((row.action.as_str(), row.user, row.entity_id), ("link.issued", by, user.to_string()));
    }
}
