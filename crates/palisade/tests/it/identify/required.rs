//! Who has to have a second factor, and which pages of the application ask for proof anew.

use std::time::Duration;

use http::{Method, StatusCode};
use palisade_model::audit::Origin;
use palisade_model::{ManualClock, Secret, TenantId, World};
use serde_json::json;

use super::fixation::{code, session_of};
use super::{HTML, post};
use crate::support::{Client, PASSWORD, Site, Upstream};

fn policy(upstream: &Upstream) -> String {
    format!(
        "[identify.second_factor]\nrequired_for_tenants = [\"acme\"]\n\
         [shield.limits]\nlogin = \"1000/minute\"\n\
         [[route]]\npath = \"/{{*rest}}\"\nto = \"upstream:app\"\nallow = \"signed-in\"\ncsrf = \"off\"\n\n\
         [upstream.app]\nurl = \"http://{}\"\n",
        upstream.address
    )
}

/// Sets up an authenticator app in the client's session, which goes on under another cookie. The recovery codes.
async fn set_up(site: &Site, client: &mut Client) -> Vec<Secret> {
    let access = &site.running.access;
    let principal = access.session(&session_of(client).unwrap()).await.unwrap().unwrap();
    let offer = access.offer_totp(&principal).await.unwrap();
    let shown = Secret::new(code(offer.secret.expose()));
    let changed = access.add_totp(&principal, &offer.ceremony, &shown, &Origin::default()).await.unwrap();
    client.put_cookie("palisade_session", changed.session.cookie.expose());
    changed.codes.unwrap()
}

// proves: ID-17, ACC-3
#[tokio::test]
async fn users_of_a_tenant_that_needs_a_second_factor_can_set_one_up_and_nothing_else() {
    let upstream = Upstream::plain().await;
    let site = Site::start(&policy(&upstream)).await;
    let mut bob = site.signed_in_at("bob", "admin", Some("other")).await;
    let mut none = site.signed_in("none", "admin").await;
    assert_eq!(bob.get("/work").await.status, StatusCode::OK, "another tenant");
    assert_eq!(none.get("/work").await.status, StatusCode::OK, "no tenant");

    let mut ann = site.signed_in_at("ann", "user", Some("acme")).await;
    let before = upstream.received().len();
    site.assert_refused(&ann.get("/work").await, 403, "authorize.factor");
    let page = ann.send(Method::GET, "/work", &[HTML], "").await;
    assert_eq!(
        (page.status, page.header("location").unwrap().split('?').next()),
        (StatusCode::SEE_OTHER, Some("/account/factors"))
    );
    assert_eq!(ann.get("/account/factors").await.status, StatusCode::OK);
    let login = json!({ "login": "ann", "password": PASSWORD }).to_string();
    let json = [("content-type", "application/json")];
    let tokens = site.client().send(Method::POST, "/api/v1/auth/login", &json, &login).await.json();
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let by_token = site.client().send(Method::GET, "/work", &[("authorization", bearer.as_str())], "").await;
    site.assert_refused(&by_token, 403, "authorize.factor");
    assert_eq!(upstream.received().len(), before, "nothing of it reached the application");

    set_up(&site, &mut ann).await;
    assert_eq!(ann.get("/work").await.status, StatusCode::OK);
}

// proves: ID-16, ID-17, ACC-3
#[tokio::test]
async fn whoever_comes_into_the_tenant_later_needs_one_from_the_next_request_on_and_so_do_their_keys() {
    let upstream = Upstream::plain().await;
    let site = Site::start(&policy(&upstream)).await;
    let access = &site.running.access;
    let mut eve = site.signed_in("eve", "user").await;
    let token = eve.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
    let own = format!("http://{}", site.address);
    let headers = [("content-type", "application/json"), ("origin", &own), ("x-csrf-token", &token)];
    let wish = json!({ "name": "report", "scopes": "read:/work", "expires": "30d" }).to_string();
    let key = eve.send(Method::POST, "/api/v1/auth/keys", &headers, &wish).await.json();
    let key = format!("Bearer {}", key["token"].as_str().unwrap());
    let by_key =
        async || site.client().send(Method::GET, "/work", &[("authorization", key.as_str())], "").await;
    assert_eq!((eve.get("/work").await.status, by_key().await.status), (StatusCode::OK, StatusCode::OK));

    let user = site.running.store.user_by_login("eve").await.unwrap().unwrap().id;
    let acme = TenantId::parse("acme").unwrap();
    let before = (session_of(&eve), upstream.received().len());
    access.set_tenant(user, Some(&acme), None, &Origin::default()).await.unwrap();
    site.assert_refused(&by_key().await, 403, "authorize.factor");
    site.assert_refused(&eve.get("/work").await, 403, "authorize.factor");
    assert_eq!(upstream.received().len(), before.1);
    assert_ne!(session_of(&eve), before.0, "another id at any change of rights");

    set_up(&site, &mut eve).await;
    assert_eq!(by_key().await.status, StatusCode::OK, "its owner has one now");
    access.set_tenant(user, None, None, &Origin::default()).await.unwrap();
    assert_eq!(by_key().await.status, StatusCode::OK);
}

fn guarded(upstream: &Upstream) -> String {
    let row = |path: &str, more: &str| {
        format!(
            "[[route]]\npath = \"{path}\"\nto = \"upstream:app\"\nallow = \"user\"\ncsrf = \"origin\"\n{more}\n"
        )
    };
    format!(
        "[identify.second_factor]\nfresh = \"5m\"\n[shield.limits]\nlogin = \"1000/minute\"\n\
         [upstream.app]\nurl = \"http://{}\"\n{}{}{}{}",
        upstream.address,
        row("/{*rest}", ""),
        row("/pay", "proof = \"recent\""),
        row("/vault", "proof = \"strong\""),
        row("/hidden", "proof = \"recent\"\nhide = true").replace("\"user\"", "\"admin\""),
    )
}

async fn at_a_fixed_time(upstream: &Upstream) -> (Site, std::sync::Arc<ManualClock>) {
    let (still, clock) = World::still(World::real().now());
    (Site::start_in(World { clock: still.clock, ..World::real() }, &guarded(upstream)).await, clock)
}

// proves: ID-17, ACC-1
#[tokio::test]
async fn a_page_that_asks_for_a_recent_proof_is_closed_to_an_old_one_and_open_after_confirming() {
    let upstream = Upstream::plain().await;
    let (site, clock) = at_a_fixed_time(&upstream).await;
    let mut ann = site.signed_in("ann", "user").await;
    assert_eq!(ann.get("/pay").await.status, StatusCode::OK, "just signed in");
    clock.advance(Duration::from_secs(5 * 60));
    assert_eq!(ann.get("/pay").await.status, StatusCode::OK, "to the second");
    clock.advance(Duration::from_secs(1));
    let before = upstream.received().len();
    let refused = ann.get("/pay").await;
    assert_eq!(
        refused.header("www-authenticate"),
        Some(r#"Bearer realm="api", error="insufficient_user_authentication""#)
    );
    site.assert_refused(&refused, 401, "identify.proof");
    let page = ann.send(Method::GET, "/pay?n=7", &[HTML], "").await;
    assert_eq!(
        (page.status, page.header("location")),
        (StatusCode::SEE_OTHER, Some("/auth/confirm?next=/pay%3Fn%3D7"))
    );

    // A form is not lost silently.
    let own = format!("http://{}", site.address);
    let referer = format!("{own}/pay/form");
    let form = [("origin", own.as_str()), ("referer", &referer), HTML, ("content-type", super::FORM)];
    let sent = ann.send(Method::POST, "/pay", &form, "amount=7").await;
    assert_eq!(sent.status, StatusCode::UNAUTHORIZED);
    assert!(sent.text().contains("was not carried out"), "{}", sent.text());
    assert!(sent.text().contains("href=\"/auth/confirm?next=/pay/form\""), "{}", sent.text());
    assert_eq!(upstream.received().len(), before, "nothing of it reached the application");
    assert_eq!(ann.get("/work").await.status, StatusCode::OK, "all else goes on");

    let token = ann.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
    let field = site.running.policy.csrf.field.clone();
    let wrong = [(field.as_str(), token.as_str()), ("password", "wrong"), ("next", "/pay?n=7")];
    let done = post(&site, &mut ann, "/auth/confirm", &wrong).await;
    assert_ne!(done.status, StatusCode::SEE_OTHER);
    site.assert_refused(&ann.get("/pay").await, 401, "identify.proof");
    let right = [(field.as_str(), token.as_str()), ("password", PASSWORD), ("next", "/pay?n=7")];
    let done = post(&site, &mut ann, "/auth/confirm", &right).await;
    assert_eq!((done.status, done.header("location")), (StatusCode::SEE_OTHER, Some("/pay?n=7")));
    assert_eq!(ann.get("/pay?n=7").await.status, StatusCode::OK);

    // Hidden from those who may not use it, and from nobody else.
    let mut ada = site.signed_in("ada", "admin").await;
    clock.advance(Duration::from_secs(301));
    assert_eq!(ann.get("/hidden").await.status, StatusCode::NOT_FOUND);
    site.assert_refused(&ada.get("/hidden").await, 401, "identify.proof");
}

// proves: ID-16, ID-17
#[tokio::test]
async fn tokens_and_keys_have_no_recent_proof_and_a_strong_page_takes_second_factors_alone() {
    let upstream = Upstream::plain().await;
    let site = Site::start(&guarded(&upstream)).await;
    let mut ann = site.signed_in("ann", "user").await;
    site.assert_refused(&ann.get("/vault").await, 403, "authorize.factor");
    let page = ann.send(Method::GET, "/vault", &[HTML], "").await;
    assert_eq!(page.header("location"), Some("/account/factors?next=/vault"));

    let token = ann.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
    let own = format!("http://{}", site.address);
    let headers = [("content-type", "application/json"), ("origin", &own), ("x-csrf-token", &token)];
    let wish = json!({ "name": "report", "scopes": "read", "expires": "30d" }).to_string();
    let key = ann.send(Method::POST, "/api/v1/auth/keys", &headers, &wish).await.json();
    let json = [("content-type", "application/json")];
    let login = json!({ "login": "ann", "password": PASSWORD }).to_string();
    let weak = site.client().send(Method::POST, "/api/v1/auth/login", &json, &login).await.json();
    let codes = set_up(&site, &mut ann).await;
    assert_eq!(ann.get("/vault").await.status, StatusCode::OK);

    let half = site.client().send(Method::POST, "/api/v1/auth/login", &json, &login).await.json();
    let shown = json!({ "ticket": half["ticket"], "code": codes[0].expose() }).to_string();
    let strong = site.client().send(Method::POST, "/api/v1/auth/second", &json, &shown).await.json();
    let asks = async |token: &serde_json::Value, path: &str| {
        let bearer = format!("Bearer {}", token.as_str().unwrap());
        site.client().send(Method::GET, path, &[("authorization", bearer.as_str())], "").await
    };
    let before = upstream.received().len();
    site.assert_refused(&asks(&key["token"], "/pay").await, 401, "identify.proof");
    site.assert_refused(&asks(&key["token"], "/vault").await, 401, "identify.proof");
    site.assert_refused(&asks(&strong["access_token"], "/pay").await, 401, "identify.proof");
    assert_eq!(asks(&weak["access_token"], "/vault").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(upstream.received().len(), before);
    assert_eq!(asks(&strong["access_token"], "/vault").await.status, StatusCode::OK);
    assert_eq!(asks(&key["token"], "/work").await.status, StatusCode::OK);
}

// proves: ID-17
#[tokio::test]
async fn account_pages_ask_for_proof_before_anybody_fills_in_a_form_that_needs_it() {
    let upstream = Upstream::plain().await;
    let (site, clock) = at_a_fixed_time(&upstream).await;
    let mut ann = site.signed_in("ann", "user").await;
    let form = "action=\"/account/keys\"";
    assert!(ann.get("/account/keys").await.text().contains(form), "just signed in");
    clock.advance(Duration::from_secs(301));
    let page = ann.get("/account/keys").await;
    let page = page.text();
    assert!(!page.contains(form), "{page}");
    assert!(page.contains("href=\"/auth/confirm?next=%2Faccount%2Fkeys\""), "{page}");
    assert!(page.contains("<p class=\"brand\"><a href=\"/\">"), "the way back: {page}");
}

// proves: ID-17
#[tokio::test]
async fn whoever_had_to_set_up_a_second_step_goes_on_to_where_they_wanted_and_nowhere_else() {
    let upstream = Upstream::plain().await;
    let site = Site::start(&policy(&upstream)).await;
    for (name, wish, link) in [
        ("ann", "/work?n=7", "href=\"/work?n=7\""),
        ("eve", "//evil.example/", "href=\"/account/factors\""),
        ("eva", "https://evil.example/", "href=\"/account/factors\""),
    ] {
        let mut client = site.signed_in_at(name, "user", Some("acme")).await;
        let wished: String = url::form_urlencoded::byte_serialize(wish.as_bytes()).collect();
        let page = client.get(&format!("/account/factors?next={wished}")).await;
        let page = page.text();
        assert_eq!(page.contains("name=\"next\" value=\"/work?n=7\""), name == "ann", "{page}");
        assert!(!page.contains("evil.example"), "{page}");
        let token = client.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
        let access = &site.running.access;
        let principal = access.session(&session_of(&client).unwrap()).await.unwrap().unwrap();
        let offer = access.offer_totp(&principal).await.unwrap();
        let first = code(offer.secret.expose());
        let field = site.running.policy.csrf.field.clone();
        let fields = [
            (field.as_str(), token.as_str()),
            ("ceremony", offer.ceremony.expose()),
            ("code", &first),
            ("next", wish),
        ];
        let codes = post(&site, &mut client, "/account/factors/app/confirm", &fields).await;
        assert_eq!(codes.status, StatusCode::OK, "{}", codes.text());
        assert!(codes.text().contains(link) && !codes.text().contains("evil.example"), "{}", codes.text());
    }
}
