//! Who has to have a second factor, and what asks for proof: by tenant, from the first request to the last.

use http::{Method, StatusCode};
use palisade_model::audit::Origin;
use palisade_model::{Secret, TenantId};
use serde_json::json;

use super::HTML;
use super::fixation::{code, session_of};
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
