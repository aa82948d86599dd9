//! A session whose user's rights change gets another id at its next use (ID-8).

use std::collections::HashSet;
use std::time::{Duration, Instant};

use palisade_access::{Access, NewSession, Principal, Via};
use palisade_model::audit::Origin;
use palisade_model::id::UserId;

use crate::house::{GOOD, House, origin, secret};

const GRACE: Duration = Duration::from_secs(10);

async fn sign_in(access: &Access) -> NewSession {
    access.sign_in("alice", &secret(GOOD), &origin(), None).await.unwrap().session().unwrap()
}

async fn become_role(access: &Access, user: UserId, role: &str) {
    access.set_roles(user, &[role.into()], None, &Origin::default()).await.unwrap();
}

async fn known(access: &Access, cookie: &str) -> Option<Principal> {
    access.session(cookie).await.unwrap()
}

fn id(principal: &Principal) -> Via {
    principal.via()
}

// proves: ID-8, ACC-1, CSRF-2
#[tokio::test]
async fn the_next_use_gives_it_another_id_and_the_former_one_dies() {
    let house = House::new().await;
    let running = House::run(&house.access).await;
    let user = house.user("alice", &["user"]).await;
    let session = sign_in(&house.access).await;
    let old = session.cookie.expose();
    let before = known(&house.access, old).await.unwrap();
    assert!(before.renewed().is_none());
    let form = house.access.csrf_token(&before).unwrap();

    become_role(&house.access, user, "manager").await;
    let first = known(&house.access, old).await.unwrap();
    let new = first.renewed().expect("another cookie").expose().to_owned();
    assert_ne!(new, old);
    assert_eq!(
        (id(&first), first.role_names()),
        (id(&before), &["manager".to_owned(), "user".to_owned()][..])
    );
    assert!(house.access.csrf_accepts(&first, &form), "the form was made before");

    // A request that was under way: signed in, and handed no cookie.
    let second = known(&house.access, old).await.unwrap();
    assert!(second.renewed().is_none() && house.access.csrf_accepts(&second, &form));
    let now = known(&house.access, &new).await.unwrap();
    assert!(now.renewed().is_none(), "once");
    assert!(!house.access.csrf_accepts(&now, &form), "what was bound to the former id is dead with it");
    assert!(house.access.csrf_accepts(&now, &house.access.csrf_token(&first).unwrap()));

    house.clock.advance(GRACE);
    assert!(known(&house.access, old).await.is_none());
    assert!(known(&house.access, &new).await.is_some());
    assert_eq!(house.count("session.rotated").await, 1);
    running.end().await;
}

/// Whoever planted or stole the id before somebody became an administrator does not become one with them.
// proves: ID-8
#[tokio::test]
async fn an_id_that_was_known_before_is_worth_nothing_once_its_owner_went_on() {
    let house = House::new().await;
    let neighbour = house.neighbour().await;
    let (here, there) = (House::run(&house.access).await, House::run(&neighbour).await);
    let user = house.user("alice", &["user"]).await;
    let session = sign_in(&house.access).await;
    let old = session.cookie.expose();
    assert!(known(&neighbour, old).await.is_some(), "cached there");
    become_role(&house.access, user, "admin").await;
    let mine = known(&house.access, old).await.unwrap().renewed().unwrap().expose().to_owned();
    house.clock.advance(GRACE);
    let patience = Instant::now() + Duration::from_secs(10);
    while known(&neighbour, old).await.is_some() && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(known(&neighbour, old).await.is_none());
    assert!(known(&neighbour, &mine).await.is_some());
    // Ending it ends both ids.
    become_role(&house.access, user, "user").await;
    let next = known(&house.access, &mine).await.unwrap();
    let newest = next.renewed().unwrap().expose().to_owned();
    house.access.sign_out(&next, &origin()).await.unwrap();
    assert!(known(&house.access, &mine).await.is_none() && known(&house.access, &newest).await.is_none());
    here.end().await;
    there.end().await;
}

// proves: ID-8
#[tokio::test(flavor = "multi_thread")]
async fn of_many_requests_at_once_one_gets_the_cookie_and_none_is_turned_away() {
    let house = House::new().await;
    let user = house.user("alice", &["user"]).await;
    let session = sign_in(&house.access).await;
    become_role(&house.access, user, "manager").await;
    let asking: Vec<_> = (0..30)
        .map(|_| {
            let (access, cookie) = (house.access.clone(), session.cookie.clone());
            tokio::spawn(async move { known(&access, cookie.expose()).await })
        })
        .collect();
    let mut cookies = HashSet::new();
    for asked in asking {
        let principal = asked.await.unwrap().expect("signed in");
        assert_eq!(principal.role_names()[0], "manager");
        cookies.extend(principal.renewed().map(|cookie| cookie.expose().to_owned()));
    }
    assert_eq!(cookies.len(), 1);
    assert_eq!(house.count("session.rotated").await, 1);
    assert_eq!(house.store.sessions_of(user).await.unwrap().len(), 1);
}

// proves: ID-8, ACC-1
#[tokio::test]
async fn lost_rights_are_lost_at_once_and_a_restart_forgets_nothing() {
    let house = House::new().await;
    let user = house.user("alice", &["admin"]).await;
    let session = sign_in(&house.access).await;
    become_role(&house.access, user, "user").await;
    let restarted = house.neighbour().await;
    let principal = known(&restarted, session.cookie.expose()).await.unwrap();
    assert_eq!(principal.role_names(), ["user"]);
    assert!(principal.renewed().is_some());
    // The session's end stays where it was.
    assert_eq!(principal.ends_at(), session.principal.ends_at());
}
