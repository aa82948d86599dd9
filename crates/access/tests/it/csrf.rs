//! CSRF tokens, and the assertion to the upstream.

use std::collections::HashSet;
use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use data_encoding::BASE64URL_NOPAD;
use palisade_access::{NewSession, NewUser};
use palisade_model::audit::Origin;
use palisade_model::{RequestId, TenantId};
use serde_json::Value;

use crate::house::{GOOD, House, LIGHT, origin, policy, secret};

async fn session(house: &House, name: &str) -> NewSession {
    house.access.sign_in(name, &secret(GOOD), &origin(), None).await.unwrap().session().unwrap()
}

// proves: CSRF-2
#[tokio::test]
async fn a_token_is_another_text_each_time_and_good_for_its_session_alone() {
    let house = House::new().await;
    house.user("alice", &["user"]).await;
    house.user("mallory", &["user"]).await;
    let (alice, again, mallory) =
        (session(&house, "alice").await, session(&house, "alice").await, session(&house, "mallory").await);
    let tokens: Vec<String> = (0..50).map(|_| house.access.csrf_token(&alice.principal).unwrap()).collect();
    assert_eq!(tokens.iter().collect::<HashSet<_>>().len(), 50, "BREACH: never the same bytes");
    let cookie = house.access.csrf_cookie(&alice.principal);
    for token in tokens.iter().chain([&cookie]) {
        assert!(house.access.csrf_accepts(&alice.principal, token));
        assert!(!house.access.csrf_accepts(&mallory.principal, token), "another user");
        assert!(!house.access.csrf_accepts(&again.principal, token), "another session of the same user");
    }
}

// proves: CSRF-2
#[tokio::test]
async fn nothing_else_passes_for_a_token() {
    let house = House::new().await;
    house.user("alice", &["user"]).await;
    let alice = session(&house, "alice").await;
    let (token, cookie) =
        (house.access.csrf_token(&alice.principal).unwrap(), house.access.csrf_cookie(&alice.principal));
    let accepts = |text: &str| house.access.csrf_accepts(&alice.principal, text);
    for good in [&token, &cookie] {
        for at in 0..good.len() {
            let mut bent = good.clone().into_bytes();
            bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
            let bent = String::from_utf8(bent).unwrap();
            assert!(bent == **good || !accepts(&bent), "byte {at}");
            assert!(!accepts(&good[..at]), "cut at {at}");
        }
        assert!(
            !accepts(&format!("{good}="))
                && !accepts(&format!("{good}A"))
                && !accepts(&format!("{good}AAAA"))
        );
    }
    let zeros = BASE64URL_NOPAD.encode(&[0; 64]);
    let digest = BASE64URL_NOPAD.encode(&alice.cookie.digest());
    for bad in ["", "null", "undefined", "\0", &zeros, &digest, alice.cookie.expose(), "\u{e9}"] {
        assert!(!accepts(bad), "{bad:?}");
    }
}

// proves: CSRF-2
#[tokio::test]
async fn it_survives_a_restart_and_dies_with_another_root_secret() {
    let house = House::new().await;
    house.user("alice", &["user"]).await;
    let alice = session(&house, "alice").await;
    let token = house.access.csrf_token(&alice.principal).unwrap();
    assert!(house.neighbour().await.csrf_accepts(&alice.principal, &token));
    let other =
        House::of(policy(LIGHT, &[("SECRET_KEY", "another root secret for tests, 0123456789")])).await;
    assert!(!other.access.csrf_accepts(&alice.principal, &token));
}

// proves: ACC-6
#[tokio::test]
async fn an_assertion_verifies_with_the_published_key_and_says_who_asks_for_what() {
    let house = House::new().await;
    let new = NewUser {
        name: "alice".into(),
        email: Some("a@tracker.example".into()),
        email_verified: true,
        tenant: TenantId::parse("north"),
        roles: Some(vec!["manager".into()]),
        password: Some(secret(GOOD)),
    };
    let user = house.access.create_user(new, None, &Origin::default()).await.unwrap();
    let alice = session(&house, "alice").await.principal;
    let request = RequestId::parse("request-42").unwrap();
    let assertion = house.access.assertion(&alice, "POST", "/work?x=\"1\"", &request).unwrap();

    let parts: Vec<&str> = assertion.split('.').collect();
    let part = |n: usize| BASE64URL_NOPAD.decode(parts[n].as_bytes()).unwrap();
    let header: Value = serde_json::from_slice(&part(0)).unwrap();
    let published = house.access.jwks();
    let keys = published["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["kid"] == header["kid"]).unwrap();
    let public = BASE64URL_NOPAD.decode(key["x"].as_str().unwrap().as_bytes()).unwrap();
    let message = format!("{}.{}", parts[0], parts[1]);
    UnparsedPublicKey::new(&ED25519, public).verify(message.as_bytes(), &part(2)).unwrap();

    let now = house.world.now().as_secs();
    let claims: Value = serde_json::from_slice(&part(1)).unwrap();
    let expected = serde_json::json!({
        "iss": "https://tracker.example", "aud": "upstream", "sub": user.to_string(),
        "iat": now, "nbf": now, "exp": now + 60, "jti": "request-42",
        "name": "alice", "email": "a@tracker.example", "email_verified": true,
        "tenant": "north", "roles": ["manager", "user"],
        "method": "POST", "path": "/work?x=\"1\"",
    });
    assert_eq!(claims, expected);
    assert_eq!((&header["alg"], &header["typ"]), (&"EdDSA".into(), &"palisade-assertion+jwt".into()));
    let restarted = house.reopen(Arc::clone(&house.policy)).await.unwrap();
    assert_eq!(restarted.jwks(), house.access.jwks(), "the key is kept");
}
