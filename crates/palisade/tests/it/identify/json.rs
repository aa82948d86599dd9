//! The same for programs: JSON, tokens, and sessions of single-page applications.

use std::time::Duration;

use http::{Method, StatusCode};
use palisade_model::{Timestamp, World};
use serde_json::{Value, json};

use super::{open, site};
use crate::support::{Answer, Client, PASSWORD, Site, Upstream};

const JSON: (&str, &str) = ("content-type", "application/json");

async fn post(client: &mut Client, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let headers: Vec<_> = [JSON].iter().chain(headers).copied().collect();
    client.send(Method::POST, path, &headers, &body.to_string()).await
}

async fn register(site: &Site, name: &str) {
    let body = json!({ "name": name, "password": PASSWORD });
    let done = post(&mut site.client(), "/api/v1/auth/register", &[], &body).await;
    assert_eq!(done.status, StatusCode::CREATED, "{}", done.text());
    assert_eq!(done.json()["name"], name);
    assert!(!done.text().contains(PASSWORD) && done.header("set-cookie").is_none());
}

async fn tokens(site: &Site, name: &str) -> (String, String) {
    let body = json!({ "login": name, "password": PASSWORD });
    let done = post(&mut site.client(), "/api/v1/auth/login", &[], &body).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text());
    assert_eq!(done.header("set-cookie"), None, "tokens come without a cookie");
    assert_eq!(done.header("cache-control"), Some("no-store"));
    let got = done.json();
    assert_eq!((&got["token_type"], got["expires_in"].as_u64()), (&json!("Bearer"), Some(1800)));
    let text = |key: &str| got[key].as_str().unwrap().to_owned();
    (text("access_token"), text("refresh_token"))
}

async fn me(site: &Site, access: &str) -> Answer {
    let bearer = format!("Bearer {access}");
    site.client().send(Method::GET, "/api/v1/auth/me", &[("authorization", &bearer)], "").await
}

// proves: ID-1, ID-9, ID-10
#[tokio::test]
async fn tokens_are_issued_rotated_and_revoked_as_a_family_when_one_is_used_twice() {
    let (still, clock) = World::still(Timestamp::from_secs(1_780_000_000));
    let site = Site::start_in(
        World { clock: still.clock, ..World::real() },
        &open(&Upstream::plain().await, "1000/minute"),
    )
    .await;
    register(&site, "eva").await;
    let (access, first) = tokens(&site, "eva").await;
    let person = me(&site, &access).await;
    assert_eq!((person.status, &person.json()["name"]), (StatusCode::OK, &json!("eva")));

    let rotate = async |token: &str| {
        post(&mut site.client(), "/api/v1/auth/refresh", &[], &json!({ "refresh_token": token })).await
    };
    let second = rotate(&first).await;
    assert_eq!(second.status, StatusCode::OK, "{}", second.text());
    let second = second.json();
    assert_ne!(second["refresh_token"], json!(first));

    // Two tabs that race get the same successor.
    clock.advance(Duration::from_secs(2));
    let raced = rotate(&first).await;
    assert_eq!(raced.json()["refresh_token"], second["refresh_token"]);

    // Later it is theft: whoever holds the successor is out as well.
    clock.advance(Duration::from_secs(60));
    let reused = rotate(&first).await;
    assert_eq!(
        (reused.status, &reused.json()["code"]),
        (StatusCode::UNAUTHORIZED, &json!("identify.credential"))
    );
    let alerts = site.events().iter().filter(|event| event["event"] == "refresh_token_reused").count();
    assert_eq!(alerts, 1, "an event of its own tells of it");
    let successor = second["refresh_token"].as_str().unwrap();
    assert_eq!(rotate(successor).await.status, StatusCode::UNAUTHORIZED);
    for token in [&access, second["access_token"].as_str().unwrap()] {
        assert_eq!(me(&site, token).await.status, StatusCode::UNAUTHORIZED);
    }
    for junk in ["", "x", &"a".repeat(43)] {
        let refused = rotate(junk).await;
        assert!(matches!(refused.status.as_u16(), 401 | 422), "{junk:?}: {}", refused.status);
    }
}

// proves: ID-10
#[tokio::test]
async fn signing_out_with_a_token_ends_it_at_once() {
    let site = site().await;
    register(&site, "eva").await;
    let (access, refresh) = tokens(&site, "eva").await;
    let (other, _) = tokens(&site, "eva").await;
    let bearer = format!("Bearer {access}");
    let out =
        site.client().send(Method::POST, "/api/v1/auth/logout", &[("authorization", &bearer)], "").await;
    assert_eq!(out.status, StatusCode::NO_CONTENT, "{}", out.text());
    assert_eq!(me(&site, &access).await.status, StatusCode::UNAUTHORIZED);
    let refused =
        post(&mut site.client(), "/api/v1/auth/refresh", &[], &json!({ "refresh_token": refresh })).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(me(&site, &other).await.status, StatusCode::OK, "another sign-in of hers goes on");
}

// proves: ID-1, ID-8, CSRF-1, CSRF-2
#[tokio::test]
async fn a_single_page_application_keeps_a_session_and_a_token_against_forgery() {
    let site = site().await;
    register(&site, "eva").await;
    let mut client = site.client();
    let own = format!("http://{}", site.address);
    let body = json!({ "login": "eva", "password": PASSWORD, "session": true });
    let done = post(&mut client, "/auth/login", &[("origin", &own)], &body).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text());
    let got = done.json();
    assert!(got.get("access_token").is_none(), "{got}");
    assert!(done.header("set-cookie").unwrap().contains("HttpOnly"));
    let session = client.cookies();
    let token = got["csrf_token"].as_str().unwrap().to_owned();
    assert!(!session.contains(&token));

    let fresh = client.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
    assert_ne!(fresh, token, "masked afresh each time");
    let list = client.get("/api/v1/auth/sessions").await.json();
    assert_eq!(list["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(list["sessions"][0]["current"], true);

    let bare = post(&mut client, "/api/v1/auth/logout", &[("origin", &own)], &json!({})).await;
    assert_eq!(bare.status, StatusCode::FORBIDDEN);
    assert_eq!(client.get("/api/v1/auth/me").await.status, StatusCode::OK, "nothing was done");
    let headers = [("origin", own.as_str()), ("x-csrf-token", fresh.as_str())];
    let out = post(&mut client, "/api/v1/auth/logout", &headers, &json!({})).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT, "{}", out.text());
    let mut late = site.client();
    let (name, value) =
        session.split_once(';').map_or(session.as_str(), |(first, _)| first).split_once('=').unwrap();
    late.put_cookie(name, value);
    assert_eq!(late.get("/api/v1/auth/me").await.status, StatusCode::UNAUTHORIZED);
}

// proves: ID-8
#[tokio::test]
async fn a_program_ends_its_own_sessions_and_learns_nothing_of_others() {
    let site = site().await;
    let mut eva = site.signed_in("eva", "user").await;
    let mut otto = site.signed_in("otto", "user").await;
    let theirs =
        otto.get("/api/v1/auth/sessions").await.json()["sessions"][0]["id"].as_str().unwrap().to_owned();
    let token = eva.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
    let own = format!("http://{}", site.address);
    let headers = [("origin", own.as_str()), ("x-csrf-token", token.as_str())];
    let mut answers = Vec::new();
    for id in [theirs.as_str(), "00000000-0000-7000-8000-000000000000"] {
        let refused = eva.send(Method::DELETE, &format!("/api/v1/auth/sessions/{id}"), &headers, "").await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND);
        let mut problem = refused.json();
        problem["request_id"] = Value::Null;
        answers.push(problem);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(otto.get("/api/v1/auth/me").await.status, StatusCode::OK);
    let ended = eva.send(Method::DELETE, "/api/v1/auth/sessions", &headers, "").await;
    assert_eq!(ended.json(), json!({ "ended": 0 }));
}

// proves: ID-1
#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_are_the_same_problem() {
    let site = site().await;
    register(&site, "eva").await;
    let mut problems = Vec::new();
    for (login, password) in [("eva", "wrong-password-1"), ("nobody", PASSWORD), ("eva@x\u{0}", PASSWORD)] {
        let body = json!({ "login": login, "password": password });
        let refused = post(&mut site.client(), "/api/v1/auth/login", &[], &body).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        let mut problem = refused.json();
        problem["request_id"] = Value::Null;
        problems.push(problem.to_string());
    }
    assert_eq!(problems[0], problems[1]);
    assert_eq!(problems[0], problems[2]);
}

// proves: VAL-1, OBS-5
#[tokio::test]
async fn a_body_that_is_not_exactly_what_is_asked_for_is_refused_by_field() {
    let site = site().await;
    let path = "/api/v1/auth/login";
    for (body, status, field) in [
        (r#"{"login":"a","login":"b","password":"c"}"#, 422, Some("login")),
        (r#"{"login":"a","password":"c","role":"admin"}"#, 422, Some("role")),
        (r#"{"login":"a"}"#, 422, Some("password")),
        (r#"{"login":"a","password":{"$ne":""}}"#, 400, None),
        (r#"{"login":"a","#, 400, None),
        ("", 400, None),
    ] {
        let refused = site.client().send(Method::POST, path, &[JSON], body).await;
        assert_eq!(refused.status.as_u16(), status, "{body}: {}", refused.text());
        assert_eq!(refused.header("content-type"), Some("application/problem+json"));
        assert_eq!(refused.json()["errors"][0]["field"].as_str(), field, "{body}");
    }
    let headers = [("content-type", "text/plain")];
    let refused = site.client().send(Method::POST, path, &headers, "{}").await;
    assert_eq!(refused.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let large = json!({ "login": "a", "password": "x".repeat(20_000) });
    let refused = post(&mut site.client(), "/api/v1/auth/register", &[], &large).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
}

// proves: ID-1, CSRF-1
#[tokio::test]
async fn a_foreign_page_cannot_sign_anybody_in() {
    let site = site().await;
    register(&site, "eva").await;
    let body = json!({ "login": "eva", "password": PASSWORD, "session": true });
    for headers in [[("origin", "https://evil.example")], [("sec-fetch-site", "cross-site")]] {
        let refused = post(&mut site.client(), "/api/v1/auth/login", &headers, &body).await;
        assert_eq!(
            (refused.status, refused.header("set-cookie")),
            (StatusCode::FORBIDDEN, None),
            "{headers:?}"
        );
    }
}

// proves: ACC-2
#[tokio::test]
async fn without_a_credential_nothing_is_told() {
    let site = site().await;
    for (method, path) in [
        (Method::GET, "/api/v1/auth/me"),
        (Method::GET, "/api/v1/auth/csrf"),
        (Method::GET, "/api/v1/auth/sessions"),
        (Method::DELETE, "/api/v1/auth/sessions"),
        (Method::POST, "/api/v1/auth/logout"),
        (Method::POST, "/account/password"),
        (Method::POST, "/account/sessions/end"),
    ] {
        let refused = site.client().send(method, path, &[], "").await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(refused.json()["code"], "authorize.sign_in", "{path}");
    }
}

// proves: CSRF-2
#[tokio::test]
async fn a_script_copies_the_readable_cookie_into_the_header_and_sign_out_takes_both_cookies_back() {
    let policy = format!("[csrf]\ncookie = \"csrf_token\"\n{}", open(&Upstream::plain().await, "9/minute"));
    let site = Site::start(&policy).await;
    register(&site, "eva").await;
    let mut client = site.client();
    let own = format!("http://{}", site.address);
    let body = json!({ "login": "eva", "password": PASSWORD, "session": true });
    let done = post(&mut client, "/api/v1/auth/login", &[("origin", &own)], &body).await;
    let set: Vec<_> = done.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert_eq!(set.len(), 3, "session, double submit, device: {set:?}");
    let readable: Vec<_> = set.iter().filter(|line| !line.contains("HttpOnly")).collect();
    assert_eq!(readable.len(), 1, "{set:?}");
    let value = readable[0].strip_prefix("csrf_token=").unwrap().split_once(';').unwrap().0.to_owned();

    for wrong in ["", "x", &value.to_uppercase()] {
        let headers = [("origin", own.as_str()), ("x-csrf-token", wrong)];
        let refused = post(&mut client, "/api/v1/auth/logout", &headers, &json!({})).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{wrong:?}");
    }
    let headers = [("origin", own.as_str()), ("x-csrf-token", value.as_str())];
    let out = post(&mut client, "/api/v1/auth/logout", &headers, &json!({})).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT, "{}", out.text());
    let gone: Vec<_> = out.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert!(gone.len() == 2 && gone.iter().all(|line| line.contains("=; Path=/; Max-Age=0")), "{gone:?}");
}
