//! Access and refresh tokens against the store: revocation, rotation, reuse.

use std::sync::Arc;
use std::time::Duration;

use palisade_access::{NewUser, TOKEN_REUSED, Tokens, Via};
use palisade_model::audit::Origin;
use palisade_model::{Denial, TenantId, Token};
use serde_json::Value;

use crate::house::{GOOD, House, LIGHT, origin, policy, secret};

async fn tokens(house: &House, login: &str) -> Tokens {
    house.access.sign_in_tokens(login, &secret(GOOD), &origin()).await.unwrap().tokens().unwrap()
}

async fn refused(house: &House, token: &str) -> bool {
    match house.access.bearer(token).await {
        Ok(_) => false,
        Err(refusal) => {
            assert_eq!((refusal.denial, refusal.status()), (Denial::CredentialInvalid, 401));
            true
        }
    }
}

fn claims(token: &str) -> Value {
    let body = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&data_encoding::BASE64URL_NOPAD.decode(body.as_bytes()).unwrap()).unwrap()
}

// proves: ID-9
#[tokio::test]
async fn each_algorithm_of_the_policy_makes_tokens_that_verify_here_after_a_restart_and_for_others() {
    let long = "an HS256 secret for tests, 0123456789";
    for (algorithm, alg) in [("HS256", "HS256"), ("EdDSA", "EdDSA"), ("ES256", "ES256")] {
        let more = format!("{LIGHT}\n[identify.tokens]\nalgorithm = \"{algorithm}\"");
        let secrets: &[(&str, &str)] = if alg == "HS256" { &[("JWT_SECRET_KEY", long)] } else { &[] };
        let house = House::of(policy(&more, secrets)).await;
        let user = house.user("alice", &["manager"]).await;
        let issued = tokens(&house, "alice").await;
        assert_eq!(issued.expires_in, Duration::from_secs(1800));
        assert_eq!(issued.refresh_expires_in, Duration::from_secs(7 * 86_400));
        for access in [house.access.clone(), house.neighbour().await] {
            let principal = access.bearer(&issued.access).await.unwrap();
            assert_eq!(principal.user(), user);
            assert_eq!(principal.role_names(), ["manager", "user"]);
            assert!(matches!(principal.via(), Via::Token(_)));
        }
        let header = jsonwebtoken::decode_header(&issued.access).unwrap();
        assert_eq!(format!("{:?}", header.alg).to_uppercase(), alg.to_uppercase());
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(house.access.jwks()).unwrap();
        match set.find(&header.kid.unwrap()) {
            None => assert_eq!(alg, "HS256", "only a shared secret is not published"),
            Some(jwk) => {
                // As a stranger would, with the published key alone.
                let key = jsonwebtoken::DecodingKey::from_jwk(jwk).unwrap();
                let mut checks = jsonwebtoken::Validation::new(header.alg);
                checks.set_audience(&["https://tracker.example"]);
                checks.set_issuer(&["https://tracker.example"]);
                checks.validate_exp = false;
                jsonwebtoken::decode::<Value>(&issued.access, &key, &checks).unwrap();
            }
        }
        let published = house.access.jwks().to_string();
        assert!(!published.contains("\"d\"") && !published.contains("\"k\"") && !published.contains(long));
    }
}

// proves: ID-9
#[tokio::test]
async fn a_token_of_another_house_is_refused() {
    let (ours, theirs) = (House::new().await, House::new().await);
    ours.user("alice", &["user"]).await;
    theirs.user("alice", &["user"]).await;
    let foreign = tokens(&theirs, "alice").await;
    assert!(refused(&ours, &foreign.access).await);
    for bad in ["", "x", "a.b.c", foreign.refresh.expose()] {
        assert!(refused(&ours, bad).await, "{bad}");
    }
}

/// The assertion to the upstream is signed by us, for the same issuer, and still no access token.
// proves: ID-9, ACC-6
#[tokio::test]
async fn an_assertion_is_no_access_token() {
    let house = House::new().await;
    house.user("alice", &["user"]).await;
    let session =
        house.access.sign_in("alice", &secret(GOOD), &origin(), None).await.unwrap().session().unwrap();
    let request = palisade_model::RequestId::parse("request-1").unwrap();
    let assertion = house.access.assertion(&session.principal, "GET", "/work", &request).unwrap();
    assert!(refused(&house, &assertion).await);
}

// proves: ID-9, ID-10
#[tokio::test]
async fn it_lives_its_time_and_dies_with_sign_out_disabling_and_a_new_password() {
    let house = House::new().await;
    let running = House::run(&house.access).await;
    let user = house.user("alice", &["user"]).await;
    let server = Origin::default();

    let issued = tokens(&house, "alice").await;
    house.clock.advance(Duration::from_secs(1799));
    assert!(!refused(&house, &issued.access).await);
    house.clock.advance(Duration::from_secs(1));
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert!(refused(&house, &issued.access).await, "expired, cached or not");

    let issued = tokens(&house, "alice").await;
    let principal = house.access.bearer(&issued.access).await.unwrap();
    house.access.sign_out(&principal, &origin()).await.unwrap();
    assert!(refused(&house, &issued.access).await);
    assert!(house.access.refresh(issued.refresh.expose(), &origin()).await.is_err());
    assert_eq!(house.count("token.revoked").await, 1);

    let issued = tokens(&house, "alice").await;
    assert!(!refused(&house, &issued.access).await);
    house.access.disable(user, None, &server).await.unwrap();
    assert!(refused(&house, &issued.access).await);
    assert!(house.access.refresh(issued.refresh.expose(), &origin()).await.is_err());
    house.access.enable(user, None, &server).await.unwrap();
    assert!(refused(&house, &issued.access).await, "nothing brings it back");

    let issued = tokens(&house, "alice").await;
    let session =
        house.access.sign_in("alice", &secret(GOOD), &origin(), None).await.unwrap().session().unwrap();
    assert!(!refused(&house, &issued.access).await);
    let new = secret("oboe lantern granite 77");
    house.access.change_password(&session.principal, &secret(GOOD), &new, &origin()).await.unwrap();
    assert!(refused(&house, &issued.access).await);
    assert!(house.access.refresh(issued.refresh.expose(), &origin()).await.is_err());
    running.end().await;
}

/// The token still says `admin`; the user record does not.
// proves: ACC-1, ID-9
#[tokio::test]
async fn a_change_of_roles_takes_effect_on_a_token_at_once() {
    let house = House::new().await;
    let running = House::run(&house.access).await;
    let user = house.user("alice", &["admin"]).await;
    let issued = tokens(&house, "alice").await;
    assert_eq!(claims(&issued.access)["roles"], serde_json::json!(["admin", "manager", "user"]));
    let before = house.access.bearer(&issued.access).await.unwrap();
    assert_eq!(before.role_names().len(), 3);
    house.access.set_roles(user, &["auditor".into()], None, &Origin::default()).await.unwrap();
    let after = house.access.bearer(&issued.access).await.unwrap();
    assert_eq!(after.role_names(), ["auditor"]);
    running.end().await;
}

/// An open WebSocket was let in by a role; without the role it has to go.
// proves: ACC-1, ID-9
#[tokio::test]
async fn what_was_opened_with_rights_ends_with_them() {
    let house = House::new().await;
    let user = house.user("alice", &["admin"]).await;
    let issued = tokens(&house, "alice").await;
    let opened = house.access.bearer(&issued.access).await.unwrap();
    assert!(house.access.lives(&opened).await);
    house.access.set_roles(user, &["user".into()], None, &Origin::default()).await.unwrap();
    assert!(!house.access.lives(&opened).await);
    let again = house.access.bearer(&issued.access).await.unwrap();
    assert!(house.access.lives(&again).await, "the token goes on with the new roles");
}

// proves: ID-10
#[tokio::test]
async fn each_refresh_gives_new_tokens_and_uses_up_the_old_one() {
    let house = House::new().await;
    house.user("alice", &["user"]).await;
    let first = tokens(&house, "alice").await;
    house.clock.advance(Duration::from_secs(60));
    let second = house.access.refresh(first.refresh.expose(), &origin()).await.unwrap();
    assert_ne!(second.refresh.expose(), first.refresh.expose());
    assert_ne!(claims(&second.access)["jti"], claims(&first.access)["jti"]);
    assert_eq!(claims(&second.access)["sid"], claims(&first.access)["sid"]);
    assert!(!refused(&house, &second.access).await);
    assert_eq!(house.count("token.refreshed").await, 1);
    house.clock.advance(Duration::from_secs(7 * 86_400));
    let late = house.access.refresh(second.refresh.expose(), &origin()).await.unwrap_err();
    assert_eq!(late.denial, Denial::CredentialInvalid);
}

// proves: ID-10
#[tokio::test]
async fn two_tabs_that_race_get_the_same_successor() {
    let house = Arc::new(House::new().await);
    house.user("alice", &["user"]).await;
    let first = tokens(&house, "alice").await;
    let tabs: Vec<_> = (0..8)
        .map(|_| {
            let (house, token) = (house.clone(), first.refresh.expose().to_owned());
            tokio::spawn(async move { house.access.refresh(&token, &origin()).await.unwrap() })
        })
        .collect();
    let mut successors = Vec::new();
    for tab in tabs {
        successors.push(tab.await.unwrap().refresh.expose().to_owned());
    }
    successors.dedup();
    assert_eq!(successors.len(), 1);
    assert_eq!(house.count("token.refreshed").await, 1);
    assert_eq!(house.count("token.reused").await, 0);
    assert!(house.access.refresh(&successors[0], &origin()).await.is_ok());
}

// proves: ID-10
#[tokio::test]
async fn an_old_refresh_token_revokes_the_whole_family_and_says_so_once() {
    let house = House::new().await;
    let running = House::run(&house.access).await;
    let user = house.user("alice", &["user"]).await;
    let (stolen, other) = (tokens(&house, "alice").await, tokens(&house, "alice").await);
    let next = house.access.refresh(stolen.refresh.expose(), &origin()).await.unwrap();
    assert!(!refused(&house, &next.access).await);
    house.clock.advance(Duration::from_secs(11));
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert!(!refused(&house, &next.access).await, "in the cache again, after the poll");

    let refusal = house.access.refresh(stolen.refresh.expose(), &origin()).await.unwrap_err();
    assert_eq!((refusal.denial, refusal.why.as_ref()), (Denial::CredentialInvalid, TOKEN_REUSED));
    assert!(refused(&house, &next.access).await, "the honest holder is out, too");
    assert!(house.access.refresh(next.refresh.expose(), &origin()).await.is_err());
    assert!(!refused(&house, &other.access).await, "another sign-in is untouched");
    let rows = house.trail().await;
    let reused: Vec<_> = rows.iter().filter(|row| row.action == "token.reused").collect();
    assert_eq!(reused.len(), 1);
    assert_eq!(reused[0].user, Some(user));
    running.end().await;
}

// proves: ID-10
#[tokio::test]
async fn refresh_tokens_that_are_none_are_refused_and_leave_no_trace() {
    let house = House::new().await;
    house.user("alice", &["user"]).await;
    let issued = tokens(&house, "alice").await;
    let before = house.trail().await.len();
    let unknown = Token::generate(&*house.world.entropy).unwrap();
    for bad in ["", "x", unknown.expose(), &issued.access] {
        let refusal = house.access.refresh(bad, &origin()).await.unwrap_err();
        assert_eq!(refusal.denial, Denial::CredentialInvalid);
    }
    assert_eq!(house.trail().await.len(), before);
    assert!(!format!("{issued:?}").contains(issued.refresh.expose()));
}

// proves: ACC-3
#[tokio::test]
async fn the_tenant_is_that_of_the_user_record() {
    let house = House::new().await;
    let new = NewUser {
        name: "nora".into(),
        tenant: TenantId::parse("north"),
        password: Some(secret(GOOD)),
        ..NewUser::default()
    };
    house.access.create_user(new, None, &Origin::default()).await.unwrap();
    house.user("alice", &["user"]).await;
    let (nora, alice) = (tokens(&house, "nora").await, tokens(&house, "alice").await);
    assert_eq!(claims(&nora.access)["tenant"], "north");
    assert_eq!(claims(&alice.access).get("tenant"), None);
    let tenant = house.access.bearer(&nora.access).await.unwrap().tenant().cloned();
    assert_eq!(tenant, TenantId::parse("north"));
    assert_eq!(house.access.bearer(&alice.access).await.unwrap().tenant(), None);
    let rows = house.trail().await;
    let issued = rows.iter().find(|row| row.action == "token.issued").unwrap();
    assert_eq!(issued.tenant.as_deref(), Some("north"));
}
