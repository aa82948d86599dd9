//! Keys that rotate while tokens are about: nobody is signed out, and what leaked is worth nothing at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use palisade_access::{Access, Purpose, Tokens, Turn};
use palisade_model::audit::Origin;
use palisade_model::{Denial, RequestId};
use serde_json::Value;

use crate::house::{GOOD, House, LIGHT, origin, policy, secret};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const AHEAD: Duration = Duration::from_secs(300);

async fn tokens(access: &Access) -> Tokens {
    access.sign_in_tokens("alice", &secret(GOOD), &origin()).await.unwrap().tokens().unwrap()
}

fn kid(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

fn published(access: &Access) -> Vec<String> {
    let keys = access.jwks();
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn rotate(access: &Access, turn: Turn) -> String {
    access.rotate_key(Purpose::Tokens, turn, None, &Origin::default()).await.unwrap().id
}

async fn soon(mut holds: impl AsyncFnMut() -> bool) -> bool {
    let patience = Instant::now() + Duration::from_secs(10);
    while Instant::now() < patience {
        if holds().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

// proves: ID-11
#[tokio::test]
async fn a_new_key_is_published_first_then_signs_and_old_tokens_run_out_in_peace() {
    for algorithm in ["EdDSA", "ES256"] {
        let house = House::with(&format!("{LIGHT}\n[identify.tokens]\nalgorithm = \"{algorithm}\"")).await;
        house.user("alice", &["user"]).await;
        let old = tokens(&house.access).await.access;
        let new_kid = rotate(&house.access, Turn::Overlap(HOUR)).await;
        assert_ne!(new_kid, kid(&old));
        assert!(published(&house.access).contains(&new_kid), "published at once");
        assert_eq!(kid(&tokens(&house.access).await.access), kid(&old), "and not used yet");

        house.clock.advance(AHEAD);
        let new = tokens(&house.access).await.access;
        assert_eq!(kid(&new), new_kid, "{algorithm}");
        for token in [&old, &new] {
            house.access.bearer(token).await.unwrap();
            house.neighbour().await.bearer(token).await.unwrap();
        }
        assert_eq!(published(&house.access).len(), 3, "both, and the key of assertions");
        house.clock.advance(HOUR);
        assert!(!published(&house.access).contains(&kid(&old)), "it retires by itself");
        assert_eq!(house.count("key.rotated").await, 1);
    }
}

/// The end of the key's life cuts the token's short, also in the cache.
// proves: ID-11
#[tokio::test]
async fn a_key_that_has_leaked_is_worth_nothing_at_once_on_every_node() {
    let house = House::new().await;
    let neighbour = house.neighbour().await;
    let (here, there) = (House::run(&house.access).await, House::run(&neighbour).await);
    house.user("alice", &["user"]).await;
    let old = tokens(&house.access).await;
    for access in [&house.access, &neighbour] {
        access.bearer(&old.access).await.unwrap();
        access.bearer(&old.access).await.unwrap();
    }
    let new_kid = rotate(&house.access, Turn::AtOnce).await;
    let refusal = house.access.bearer(&old.access).await.unwrap_err();
    assert_eq!(
        (refusal.denial, refusal.why.as_ref()),
        (Denial::CredentialInvalid, "token names another key")
    );
    assert!(soon(async || neighbour.bearer(&old.access).await.is_err()).await, "within a second, as a rule");
    // Whoever holds the refresh token goes on, with the new key.
    let next = neighbour.refresh(old.refresh.expose(), &origin()).await.unwrap();
    assert_eq!(kid(&next.access), new_kid);
    house.access.bearer(&next.access).await.unwrap();
    here.end().await;
    there.end().await;
}

// proves: ID-11
#[tokio::test]
async fn a_node_that_does_not_hear_of_keys_asks_for_them() {
    let house = House::new().await;
    let deaf = house.neighbour().await;
    house.user("alice", &["user"]).await;
    let old = tokens(&house.access).await.access;
    deaf.bearer(&old).await.unwrap();
    rotate(&house.access, Turn::AtOnce).await;
    assert!(deaf.bearer(&old).await.is_err());
    let new = tokens(&house.access).await.access;
    deaf.bearer(&new).await.unwrap();
}

// proves: ID-11
#[tokio::test]
async fn other_nodes_learn_a_new_key_long_before_it_signs() {
    let house = House::new().await;
    let neighbour = house.neighbour().await;
    let there = House::run(&neighbour).await;
    let kid = rotate(&house.access, Turn::Overlap(HOUR)).await;
    assert!(soon(async || published(&neighbour).contains(&kid)).await);
    there.end().await;
}

// proves: ID-11
#[tokio::test]
async fn a_key_that_alone_signs_stays_and_another_can_be_retired() {
    let house = House::new().await;
    house.user("alice", &["user"]).await;
    let old = tokens(&house.access).await.access;
    let server = Origin::default();
    assert!(!house.access.retire_key(&kid(&old), None, &server).await.unwrap());
    assert!(!house.access.retire_key("no such key", None, &server).await.unwrap());
    house.access.bearer(&old).await.unwrap();
    let new = rotate(&house.access, Turn::Overlap(HOUR)).await;
    assert!(!house.access.retire_key(&kid(&old), None, &server).await.unwrap(), "the next does not sign yet");
    house.clock.advance(AHEAD);
    assert!(house.access.retire_key(&kid(&old), None, &server).await.unwrap());
    assert!(house.access.bearer(&old).await.is_err());
    assert_eq!(kid(&tokens(&house.access).await.access), new);
    assert_eq!(house.count("key.retired").await, 1, "what was not done is not told");
}

// proves: ID-11
#[tokio::test]
async fn an_overlap_that_would_cut_tokens_short_is_refused() {
    let house = House::new().await;
    let turn = Turn::Overlap(Duration::from_secs(1799));
    let refusal = house.access.rotate_key(Purpose::Tokens, turn, None, &origin()).await.unwrap_err();
    assert_eq!(refusal.fields[0].field, "overlap");
    assert_eq!(house.count("key.rotated").await, 0);
}

// proves: ID-11, ACC-6
#[tokio::test]
async fn the_key_of_assertions_rotates_apart_from_that_of_tokens() {
    let house = House::new().await;
    house.user("alice", &["user"]).await;
    let session =
        house.access.sign_in("alice", &secret(GOOD), &origin(), None).await.unwrap().session().unwrap();
    let id = RequestId::parse("request-1").unwrap();
    let said = |access: &Access| kid(&access.assertion(&session.principal, "GET", "/", &id).unwrap());
    let (before, token) = (said(&house.access), tokens(&house.access).await.access);
    let turn = Turn::Overlap(HOUR);
    let key = house.access.rotate_key(Purpose::Assertion, turn, None, &origin()).await.unwrap();
    assert_eq!(said(&house.access), before);
    house.clock.advance(AHEAD);
    assert_eq!(said(&house.access), key.id);
    assert_eq!(kid(&tokens(&house.access).await.access), kid(&token));
}

// proves: ID-11
#[tokio::test]
async fn a_changed_algorithm_lets_the_tokens_of_the_former_run_out() {
    let house = House::new().await;
    house.user("alice", &["user"]).await;
    let old = tokens(&house.access).await.access;
    let more = format!("{LIGHT}\n[identify.tokens]\nalgorithm = \"ES256\"");
    let changed = house.reopen(Arc::new(policy(&more, &[]))).await.unwrap();
    changed.bearer(&old).await.unwrap();
    let new = tokens(&changed).await.access;
    assert_eq!(format!("{:?}", jsonwebtoken::decode_header(&new).unwrap().alg), "ES256");
    house.clock.advance(Duration::from_secs(1801));
    assert!(!published(&changed).contains(&kid(&old)));
    // And back again.
    let back = house.neighbour().await;
    assert_ne!(kid(&tokens(&back).await.access), kid(&old));
}

// proves: ID-11
#[tokio::test]
async fn hs256_signs_with_the_new_secret_and_verifies_the_former_ones() {
    let (one, two) = ("the first HS256 secret, 0123456789abc", "the second HS256 secret, 0123456789ab");
    let with = |secret: &str, former: Option<&str>| {
        let list = if former.is_some() { "previous_secrets = [\"env:FORMER\"]" } else { "" };
        let more = format!("{LIGHT}\n[identify.tokens]\n{list}");
        let mut variables = vec![("JWT_SECRET_KEY", secret)];
        variables.extend(former.map(|former| ("FORMER", former)));
        Arc::new(policy(&more, &variables))
    };
    let house = House::of((*with(one, None)).clone()).await;
    house.user("alice", &["user"]).await;
    let old = tokens(&house.access).await.access;
    let during = house.reopen(with(two, Some(one))).await.unwrap();
    during.bearer(&old).await.unwrap();
    let new = tokens(&during).await.access;
    assert_ne!(kid(&new), kid(&old));
    assert!(house.access.bearer(&new).await.is_err(), "it was not signed with the first");
    let after = house.reopen(with(two, None)).await.unwrap();
    after.bearer(&new).await.unwrap();
    assert!(after.bearer(&old).await.is_err());
    let refusal = after.rotate_key(Purpose::Tokens, Turn::AtOnce, None, &origin()).await.unwrap_err();
    assert_eq!(refusal.fields[0].field, "purpose");
    assert_eq!(after.jwks()["keys"].as_array().unwrap().len(), 1, "only the key of assertions is published");
}

// proves: ID-11, CSRF-2
#[tokio::test]
async fn another_root_secret_loses_nothing_while_the_former_is_listed() {
    let new_root = "another root secret for tests, 0123456789";
    let house = House::new().await;
    house.user("alice", &["user"]).await;
    let session =
        house.access.sign_in("alice", &secret(GOOD), &origin(), None).await.unwrap().session().unwrap();
    let issued = tokens(&house.access).await;
    let principal = house.access.session(session.cookie.expose()).await.unwrap().unwrap();
    let forms = [house.access.csrf_token(&principal).unwrap(), house.access.csrf_cookie(&principal)];

    let root = "a root secret for tests, 0123456789abcdef";
    let variables = [("SECRET_KEY", new_root), ("FORMER", root)];
    let text = LIGHT
        .replace("[identify.passwords]", "previous_secret_keys = [\"env:FORMER\"]\n[identify.passwords]");
    let during = house.reopen(Arc::new(policy(&text, &variables))).await.unwrap();
    during.bearer(&issued.access).await.unwrap();
    let principal = during.session(session.cookie.expose()).await.unwrap().unwrap();
    for form in &forms {
        assert!(during.csrf_accepts(&principal, form));
    }
    assert!(!house.access.csrf_accepts(&principal, &during.csrf_token(&principal).unwrap()), "made anew");

    // Sealed anew meanwhile: the former secret is of no use any more.
    let after = house.reopen(Arc::new(policy(LIGHT, &[("SECRET_KEY", new_root)]))).await.unwrap();
    after.bearer(&issued.access).await.unwrap();
    assert!(!after.csrf_accepts(&principal, &forms[0]));
    assert!(house.reopen(house.policy.clone()).await.is_err());
    after.refresh(issued.refresh.expose(), &origin()).await.unwrap();
}

// proves: ID-11
#[tokio::test]
async fn no_private_half_leaves() {
    let house = House::new().await;
    rotate(&house.access, Turn::Overlap(DAY)).await;
    let keys: Value = house.access.jwks();
    for key in keys["keys"].as_array().unwrap() {
        assert!(key.get("d").is_none() && key["use"] == "sig", "{key}");
    }
}
