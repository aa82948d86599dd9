//! Routes and roles to permits.

use std::time::Duration;

use http::Method;
use palisade_access::Principal;
use palisade_model::{Denial, Timestamp};
use palisade_policy::section::authorize::Who;
use palisade_policy::section::route::{Found, Route};

use crate::house::{GOOD, House, LIGHT, origin, secret};

fn route<'a>(house: &'a House, path: &str) -> &'a Route {
    match house.policy.routes.find(path, &Method::GET) {
        Found::Row(route) => route,
        other => panic!("{path}: {other:?}"),
    }
}

async fn principal(house: &House, name: &str, roles: &[&str]) -> Principal {
    house.user(name, roles).await;
    house.access.sign_in(name, &secret(GOOD), &origin(), None).await.unwrap().session().unwrap().principal
}

// proves: ACC-1, ACC-2
#[tokio::test]
async fn who_may_what() {
    let house = House::new().await;
    let admin = principal(&house, "root", &["admin"]).await;
    let manager = principal(&house, "boss", &["manager"]).await;
    let user = principal(&house, "alice", &["user"]).await;
    let auditor = principal(&house, "eve", &["auditor"]).await;
    let none = principal(&house, "none", &[]).await;
    let (get, post) = (Method::GET, Method::POST);
    use Denial::{Forbidden, Hidden, SignInRequired};
    let table: [(&str, &Method, Option<&Principal>, Option<Denial>); 22] = [
        ("/open", &get, None, None),
        ("/open", &post, None, None),
        ("/open", &get, Some(&none), None),
        ("/work", &get, None, Some(SignInRequired)),
        ("/work", &get, Some(&none), Some(Forbidden)),
        ("/work", &get, Some(&auditor), Some(Forbidden)),
        ("/work", &get, Some(&user), None),
        ("/work", &Method::HEAD, Some(&user), None),
        ("/work", &Method::OPTIONS, Some(&user), None),
        ("/work", &get, Some(&manager), None),
        ("/work", &get, Some(&admin), None),
        ("/work", &post, None, Some(SignInRequired)),
        ("/work", &post, Some(&user), Some(Forbidden)),
        ("/work", &Method::DELETE, Some(&user), Some(Forbidden)),
        ("/work", &Method::PATCH, Some(&user), Some(Forbidden)),
        ("/work", &post, Some(&manager), None),
        ("/work", &post, Some(&admin), None),
        ("/secret", &get, None, Some(Hidden)),
        ("/secret", &get, Some(&none), Some(Hidden)),
        ("/secret", &get, Some(&manager), Some(Hidden)),
        ("/secret", &post, Some(&manager), Some(Hidden)),
        ("/secret", &get, Some(&admin), None),
    ];
    for (path, method, who, expected) in table {
        let answer = house.access.authorize(route(&house, path), method, path, who);
        let context = format!("{method} {path} as {:?}", who.map(Principal::name));
        match expected {
            None => {
                let permit = answer.expect(&context);
                assert_eq!(permit.principal().map(Principal::user), who.map(Principal::user), "{context}");
            }
            Some(denial) => assert_eq!(answer.unwrap_err().denial, denial, "{context}"),
        }
    }
}

// proves: ACC-1
#[tokio::test]
async fn a_route_that_names_nobody_lets_nobody_in() {
    let house = House::new().await;
    let admin = principal(&house, "root", &["admin"]).await;
    let mut nobody = route(&house, "/work").clone();
    nobody.access.read = Who::Nobody;
    let refusal = house.access.authorize(&nobody, &Method::GET, "/nobody", Some(&admin)).unwrap_err();
    assert_eq!((refusal.denial, refusal.status()), (Denial::Forbidden, 403));
    let refusal = house.access.authorize(&nobody, &Method::GET, "/nobody", None).unwrap_err();
    assert_eq!((refusal.denial, refusal.status()), (Denial::SignInRequired, 401));
}

/// A role that the policy dropped, still in the user's record.
// proves: ACC-1
#[tokio::test]
async fn a_role_that_the_policy_does_not_know_gives_nothing() {
    let house = House::new().await;
    let user = house.user("alice", &["user"]).await;
    house.store.set_roles(user, &["emperor".into()], Vec::new()).await.unwrap();
    let principal = house
        .access
        .sign_in("alice", &secret(GOOD), &origin(), None)
        .await
        .unwrap()
        .session()
        .unwrap()
        .principal;
    assert!(principal.roles().is_empty() && principal.role_names().is_empty());
    assert!(house.access.authorize(route(&house, "/work"), &Method::GET, "/work", Some(&principal)).is_err());
}

// proves: ID-2
#[tokio::test]
async fn with_a_password_that_is_too_old_only_the_account_is_open() {
    let house = House::with(&format!("{LIGHT}\nmax_age = \"90d\"")).await;
    let fresh = principal(&house, "alice", &["user"]).await;
    let due: Timestamp = fresh.password_expires_at().unwrap();
    assert_eq!(due.since(house.world.now()), Duration::from_secs(90 * 86_400));
    assert!(house.access.authorize(route(&house, "/work"), &Method::GET, "/work", Some(&fresh)).is_ok());
    house.clock.advance(Duration::from_secs(90 * 86_400));
    let refusal =
        house.access.authorize(route(&house, "/work"), &Method::GET, "/work", Some(&fresh)).unwrap_err();
    assert_eq!((refusal.denial, refusal.status()), (Denial::PasswordExpired, 403));
    // An application hears of nobody on its open pages either.
    for (open, somebody) in [("/account", true), ("/open", false)] {
        let permit = house.access.authorize(route(&house, open), &Method::GET, open, Some(&fresh)).unwrap();
        assert_eq!(permit.principal().is_some(), somebody, "{open}");
    }
    let old = house
        .access
        .sign_in("alice", &secret(GOOD), &origin(), None)
        .await
        .unwrap()
        .session()
        .unwrap()
        .principal;
    let new = secret("oboe lantern granite 77");
    let renewed = house.access.change_password(&old, &secret(GOOD), &new, &origin()).await.unwrap().principal;
    assert!(house.access.authorize(route(&house, "/work"), &Method::GET, "/work", Some(&renewed)).is_ok());
}
