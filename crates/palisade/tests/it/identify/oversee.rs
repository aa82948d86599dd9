//! Administrators see and end what others have begun, and nobody else does.

use http::{Method, StatusCode};
use palisade_model::audit::Origin;
use palisade_model::{Secret, World};
use serde_json::{Value, json};

use super::fixation::{code, session_of};
use crate::support::{Client, PASSWORD, Site, Upstream, public};

async fn site() -> Site {
    Site::open_to_all(&Upstream::plain().await).await
}

/// The headers that a script of the site sends.
async fn armed(site: &Site, client: &mut Client) -> Vec<(&'static str, String)> {
    let token = client.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
    vec![("origin", format!("http://{}", site.address)), ("x-csrf-token", token)]
}

async fn delete(site: &Site, client: &mut Client, path: &str) -> crate::support::Answer {
    let headers = armed(site, client).await;
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    client.send(Method::DELETE, path, &headers, "").await
}

async fn id_of(client: &mut Client) -> String {
    client.get("/api/v1/auth/me").await.json()["id"].as_str().unwrap().to_owned()
}

fn names(answer: &Value) -> Vec<&str> {
    answer["users"].as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap()).collect()
}

// proves: ID-8, AUD-1
#[tokio::test]
async fn an_administrator_lists_and_ends_anyones_sessions() {
    let site = site().await;
    let mut admin = site.signed_in("ada", "admin").await;
    let mut eva = site.signed_in("eva", "user").await;
    let id = id_of(&mut eva).await;
    let found = admin.get("/api/v1/admin/users?login=eva").await.json();
    assert_eq!((names(&found), &found["users"][0]["id"]), (vec!["eva"], &json!(id)));
    assert!(!found.to_string().contains("password") && !found.to_string().contains("argon2"));

    let path = format!("/api/v1/admin/users/{id}/sessions");
    let list = admin.get(&path).await.json();
    let sid = list["sessions"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(list["sessions"][0]["current"], false);
    assert!(!list.to_string().contains(eva.cookies().split_once('=').unwrap().1), "no cookie is shown");

    // Without the token against forged requests nothing ends.
    let bare = admin.send(Method::DELETE, &format!("{path}/{sid}"), &[], "").await;
    assert_eq!(bare.status, StatusCode::FORBIDDEN);
    assert_eq!(eva.get("/api/v1/auth/me").await.status, StatusCode::OK);

    let done = delete(&site, &mut admin, &format!("{path}/{sid}")).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{}", done.text());
    assert_eq!(eva.get("/api/v1/auth/me").await.status, StatusCode::UNAUTHORIZED);
    let again = delete(&site, &mut admin, &format!("{path}/{sid}")).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    assert_eq!(admin.get("/api/v1/auth/me").await.status, StatusCode::OK, "nobody else is signed out");
}

// proves: ID-8, INC-2
#[tokio::test]
async fn somebody_is_signed_out_everywhere_with_their_tokens() {
    let site = site().await;
    let mut admin = site.signed_in("ada", "admin").await;
    let mut eva = site.signed_in("eva", "user").await;
    let id = id_of(&mut eva).await;
    let login = json!({ "login": "eva", "password": crate::support::PASSWORD }).to_string();
    let headers = [("content-type", "application/json")];
    let tokens = site.client().send(Method::POST, "/api/v1/auth/login", &headers, &login).await.json();
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let me = async || {
        let headers = [("authorization", bearer.as_str())];
        site.client().send(Method::GET, "/api/v1/auth/me", &headers, "").await.status
    };
    assert_eq!(me().await, StatusCode::OK);

    let done = delete(&site, &mut admin, &format!("/api/v1/admin/users/{id}/sessions")).await;
    assert_eq!(done.json(), json!({ "sessions": 1, "families": 1, "tokens": 0, "links": 0 }));
    assert_eq!(me().await, StatusCode::UNAUTHORIZED);
    assert_eq!(eva.get("/api/v1/auth/me").await.status, StatusCode::UNAUTHORIZED);
    let refresh = json!({ "refresh_token": tokens["refresh_token"] }).to_string();
    let refused = site.client().send(Method::POST, "/api/v1/auth/refresh", &headers, &refresh).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{}", refused.text());
}

// proves: ID-8, ACC-2
#[tokio::test]
async fn nobody_else_may() {
    let site = site().await;
    let mut eva = site.signed_in("eva", "user").await;
    let mut otto = site.signed_in("otto", "user").await;
    let id = id_of(&mut otto).await;
    for path in ["/api/v1/admin/users".to_owned(), format!("/api/v1/admin/users/{id}/sessions")] {
        assert_eq!(eva.get(&path).await.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(site.client().get(&path).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let refused = delete(&site, &mut eva, &format!("/api/v1/admin/users/{id}/sessions")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(otto.get("/api/v1/auth/me").await.status, StatusCode::OK);
}

// proves: ID-8, ACC-3
#[tokio::test]
async fn an_administrator_of_a_tenant_meets_that_tenant_alone() {
    let site = site().await;
    let mut north = site.signed_in_at("nora", "admin", Some("north")).await;
    let mut ours = site.signed_in_at("nils", "user", Some("north")).await;
    let mut theirs = site.signed_in_at("sven", "user", Some("south")).await;
    let mut root = site.signed_in("root", "admin").await;
    let everybody = north.get("/api/v1/admin/users").await.json();
    assert_eq!(names(&everybody), ["nora", "nils"]);
    assert_eq!(names(&root.get("/api/v1/admin/users").await.json()).len(), 5, "with the first administrator");
    for login in ["sven", "root", "nobody"] {
        let found = north.get(&format!("/api/v1/admin/users?login={login}")).await.json();
        assert_eq!(names(&found), Vec::<&str>::new(), "{login}");
    }
    let mut answers = Vec::new();
    let nobody = "00000000-0000-7000-8000-000000000000".to_owned();
    for id in [id_of(&mut theirs).await, id_of(&mut root).await, nobody] {
        let path = format!("/api/v1/admin/users/{id}/sessions");
        for mut answer in [north.get(&path).await.json(), delete(&site, &mut north, &path).await.json()] {
            answer["request_id"] = Value::Null;
            answers.push(answer);
        }
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]) && answers[0]["status"] == 404, "{answers:?}");
    for other in [&mut theirs, &mut root] {
        assert_eq!(other.get("/api/v1/auth/me").await.status, StatusCode::OK);
    }
    let id = id_of(&mut ours).await;
    let done = delete(&site, &mut north, &format!("/api/v1/admin/users/{id}/sessions")).await;
    assert_eq!(done.status, StatusCode::OK);
    assert_eq!(ours.get("/api/v1/auth/me").await.status, StatusCode::UNAUTHORIZED);
}

/// A policy whose newcomers have its highest role has no administrators: anybody who registers would be one.
// proves: ID-8, ACC-1
#[tokio::test]
async fn where_newcomers_have_the_highest_role_nobody_administers() {
    let upstream = Upstream::plain().await;
    let policy = format!("[identify.sign_up]\nroles = [\"admin\"]\n{}", public(upstream.address));
    let site = Site::start(&policy).await;
    let mut ada = site.signed_in("ada", "admin").await;
    assert_eq!(ada.get("/api/v1/admin/users").await.status, StatusCode::FORBIDDEN);
}

// proves: VAL-1
#[tokio::test]
async fn a_page_of_users_is_asked_for_properly_or_refused_by_field() {
    let site = site().await;
    let mut admin = site.signed_in("ada", "admin").await;
    site.signed_in("eva", "user").await;
    let first = admin.get("/api/v1/admin/users?limit=1").await.json();
    let last = first["users"][0]["id"].as_str().unwrap();
    let second = admin.get(&format!("/api/v1/admin/users?limit=1&after={last}")).await.json();
    assert_eq!(
        (names(&first), names(&second)),
        (vec!["admin"], vec!["ada"]),
        "the first administrator is there"
    );
    for (query, field) in
        [("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("after=x", "after")]
    {
        let refused = admin.get(&format!("/api/v1/admin/users?{query}")).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["errors"][0]["field"]), (422, &json!(field)));
    }
}

/// Who may use the administrators' routes, what breakglass gives and what the first administrator gets is one role.
// proves: ID-8, ID-13, LIMIT-6
#[tokio::test]
async fn breakglass_and_the_first_administrator_have_the_administrators_role_and_no_other() {
    let upstream = Upstream::plain().await;
    for (roles, expected) in [
        // Of equals, `admin`, wherever it stands.
        ("user = {}\nadmin = {}\n", json!(["admin"])),
        // Nobody, by the order of lines.
        ("editor = {}\nviewer = {}\n", json!([])),
    ] {
        let policy =
            format!("[authorize.roles]\n{roles}[identify.sign_up]\nroles = []\n{}", public(upstream.address));
        let site = Site::start(&policy).await;
        let first = site.running.store.user_by_login("admin").await.unwrap().expect("made at the start");
        assert_eq!(json!(first.roles), expected);
        let access = &site.running.access;
        let made = access
            .issue_breakglass("a test", std::time::Duration::from_secs(60), &Origin::default())
            .await
            .unwrap();
        let session = access.redeem_breakglass(made.token.expose(), &Origin::default(), None).await.unwrap();
        assert_eq!(json!(session.principal.role_names()), expected);
        let mut holder = site.client();
        holder.put_cookie(&site.running.policy.identify.sessions.cookie, session.cookie.expose());
        let seen = holder.get("/api/v1/admin/users").await.status;
        let may = expected != json!([]);
        assert_eq!(seen, if may { StatusCode::OK } else { StatusCode::FORBIDDEN }, "{roles}");
    }
}

// proves: ID-8, ID-17, AUD-1, ACC-3
#[tokio::test]
async fn an_administrator_with_a_recent_proof_resets_the_factors_of_those_they_oversee() {
    let (still, clock) = World::still(World::real().now());
    let world = World { clock: still.clock, ..World::real() };
    let upstream = Upstream::plain().await;
    let policy = format!("[identify.second_factor]\nfresh = \"5m\"\n{}", public(upstream.address));
    let site = Site::start_in(world, &policy).await;
    let mut admin = site.signed_in_at("ada", "admin", Some("acme")).await;
    let mut eva = site.signed_in_at("eva", "user", Some("acme")).await;
    let mut bob = site.signed_in_at("bob", "user", Some("other")).await;
    let access = &site.running.access;
    for client in [&mut eva, &mut bob] {
        let principal = access.session(&session_of(client).unwrap()).await.unwrap().unwrap();
        let offer = access.offer_totp(&principal).await.unwrap();
        let shown = Secret::new(code(offer.secret.expose()));
        let changed = access.add_totp(&principal, &offer.ceremony, &shown, &Origin::default()).await.unwrap();
        client.put_cookie("palisade_session", changed.session.cookie.expose());
    }
    let path = format!("/api/v1/admin/users/{}/factors", id_of(&mut eva).await);
    let of_bob = format!("/api/v1/admin/users/{}/factors", id_of(&mut bob).await);
    assert_eq!(delete(&site, &mut bob, &path).await.status, StatusCode::FORBIDDEN);
    assert_eq!(delete(&site, &mut admin, &of_bob).await.status, StatusCode::NOT_FOUND);
    clock.advance(std::time::Duration::from_secs(301));
    let late = delete(&site, &mut admin, &path).await;
    site.assert_refused(&late, 401, "identify.proof");
    assert_eq!(eva.get("/api/v1/auth/me").await.status, StatusCode::OK, "nothing has ended");

    let headers = armed(&site, &mut admin).await;
    let mut headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.push(("content-type", "application/json"));
    let proof = json!({ "password": PASSWORD }).to_string();
    let proven = admin.send(Method::POST, "/api/v1/auth/confirm", &headers, &proof).await;
    assert_eq!(proven.status, StatusCode::OK, "{}", proven.text());
    let done = delete(&site, &mut admin, &path).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{}", done.text());
    assert_eq!(eva.get("/api/v1/auth/me").await.status, StatusCode::UNAUTHORIZED);
    let again = delete(&site, &mut admin, &path).await;
    site.assert_refused(&again, 422, "inspect.fields");
    assert_eq!(bob.get("/api/v1/auth/me").await.status, StatusCode::OK);
}
