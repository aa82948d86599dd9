//! Guessing, through the whole program: what a browser and a program see of it, and what the trail says.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{HTML, open, post};
use crate::support::{Answer, Client, PASSWORD, Site, Upstream};

const WRONG: &str = "not-the-password-7";

async fn start(lockout: &str) -> Site {
    let policy = open(&Upstream::plain().await, "1000/minute");
    Site::start(&format!("{policy}\n[identify.lockout]\n{lockout}\n")).await
}

async fn page(site: &Site, client: &mut Client, login: &str, password: &str) -> Answer {
    post(site, client, "/auth/login", &[("login", login), ("password", password)]).await
}

async fn program(site: &Site, login: &str, password: &str) -> Answer {
    let body = json!({ "login": login, "password": password }).to_string();
    let json = ("content-type", "application/json");
    site.client().send(Method::POST, "/api/v1/auth/login", &[json], &body).await
}

async fn trail(site: &Site, action: &str) -> usize {
    let query = palisade_store::AuditQuery { limit: 1000, ..Default::default() };
    site.running.store.audit_rows(&query).await.unwrap().iter().filter(|row| row.action == action).count()
}

/// The answer without what is different in every answer.
fn bare(answer: &Answer) -> (StatusCode, Vec<(String, String)>, String) {
    let id = answer.header("x-request-id").unwrap().to_owned();
    let mut text = answer.text().replace(&id, "ID");
    let csp = answer.header("content-security-policy").unwrap_or_default().to_owned();
    let nonce =
        csp.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).unwrap_or("-").to_owned();
    text = text.replace(&nonce, "NONCE");
    let skipped = ["x-request-id", "date", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit"];
    let headers = answer.headers.iter().filter(|(name, _)| !skipped.contains(&name.as_str()));
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().replace(&nonce, "NONCE")));
    (answer.status, headers.collect(), text)
}

// proves: LIMIT-3, LIMIT-8, AUD-1, AUD-4
#[tokio::test]
async fn an_address_is_locked_out_openly_and_its_known_devices_are_not() {
    let site = start("").await;
    let mut eva = site.client();
    let _ = site.signed_in("eva", "user").await;
    assert_eq!(page(&site, &mut eva, "eva", PASSWORD).await.status, StatusCode::SEE_OTHER);
    for _ in 0..5 {
        let refused = page(&site, &mut site.client(), "eva", WRONG).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    }
    let began: Vec<_> = site.events().into_iter().filter(|event| event["event"] == "lockout_began").collect();
    assert_eq!(began.len(), 1, "{began:?}");
    assert_eq!(began[0]["payload"]["ip"], "127.0.0.1");
    assert!(began[0]["payload"]["address_locked_until"].is_string(), "{began:?}");
    assert_eq!(trail(&site, "lockout.began").await, 1);
    assert_eq!(trail(&site, "session.sign_in_failed").await, 5);

    let form = page(&site, &mut site.client(), "eva", PASSWORD).await;
    assert_eq!(form.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(
        form.text().contains("Too many failed attempts")
            && form.text().contains("Try again in 15 minutes.")
            && form.text().contains("<form"),
        "{}",
        form.text()
    );
    let after: u64 = form.header("retry-after").unwrap().parse().unwrap();
    assert!((890..=900).contains(&after), "{after}");
    assert_eq!(form.header("set-cookie"), None);
    let refused = program(&site, "eva", PASSWORD).await;
    let event = site.assert_refused(&refused, 429, "identify.lockout");
    assert_eq!(event["event"], "locked_out");
    assert_eq!(trail(&site, "session.sign_in_failed").await, 5, "no row for what was not tried");

    // The session cookie goes, the device stays known.
    let cookies = eva.cookies();
    let device = cookies.split("; ").find_map(|pair| pair.strip_prefix("palisade_device=")).unwrap();
    let mut known = site.client();
    known.put_cookie("palisade_device", device);
    assert_eq!(page(&site, &mut known, "eva", PASSWORD).await.status, StatusCode::SEE_OTHER);
    let mut forged = site.client();
    forged.put_cookie("palisade_device", &device.replace('.', ".A"));
    assert_eq!(page(&site, &mut forged, "eva", PASSWORD).await.status, StatusCode::TOO_MANY_REQUESTS);
}

// proves: LIMIT-8
#[tokio::test]
async fn the_cookie_of_a_device_is_out_of_reach_outlives_sign_out_and_goes_to_no_application() {
    let app = Upstream::plain().await;
    let site = Site::start(&open(&app, "1000/minute")).await;
    let _ = site.signed_in("eva", "user").await;
    let mut client = site.client();
    let done = page(&site, &mut client, "eva", PASSWORD).await;
    let set: Vec<_> = done.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    let line = set.iter().find(|line| line.starts_with("palisade_device=")).unwrap();
    assert!(line.contains("; Path=/; Max-Age=31536000; HttpOnly; SameSite="), "{line}");
    client.get("/").await;
    assert_eq!(app.received().len(), 1);
    for request in app.received() {
        assert!(!format!("{:?}", request.head).contains("palisade_device"), "{request:?}");
    }
}

/// Unknown, wrong, disabled, without a password, locked: text, status, headers and size are one.
// proves: LIMIT-3, ID-1
#[tokio::test]
async fn whoever_fails_gets_the_same_answer_to_the_byte_and_a_locked_account_is_one_of_them() {
    let site = start("attempts = 1000\naccount_attempts = 3").await;
    for name in ["eva", "known", "gone"] {
        let _ = site.signed_in(name, "user").await;
    }
    let gone = site.running.store.user_by_login("gone").await.unwrap().unwrap();
    site.running.access.disable(gone.id, None, &palisade_model::audit::Origin::default()).await.unwrap();
    for _ in 0..3 {
        page(&site, &mut site.client(), "eva", WRONG).await;
    }
    assert_eq!(trail(&site, "lockout.began").await, 1);
    let mut pages = Vec::new();
    let mut programs = Vec::new();
    for (login, password) in
        [("known", WRONG), ("eva", PASSWORD), ("eva", WRONG), ("gone", PASSWORD), ("nope", PASSWORD)]
    {
        // The form repeats the name, so all of them have to be of one length.
        let shown = page(&site, &mut site.client(), login, password).await;
        let (status, headers, text) = bare(&shown);
        pages.push((
            status,
            headers,
            text.replace(&format!("\"{login}\""), "\"LOGIN\"").replace(login, "LOGIN"),
        ));
        programs.push(bare(&program(&site, login, password).await));
    }
    assert_eq!(pages[0].0, StatusCode::UNAUTHORIZED);
    for list in [&pages, &programs] {
        for other in &list[1..] {
            let lengthless = |it: &(StatusCode, Vec<(String, String)>, String)| {
                let headers: Vec<_> =
                    it.1.iter().filter(|(name, _)| name != "content-length").cloned().collect();
                (it.0, headers, it.2.clone())
            };
            assert_eq!(lengthless(&list[0]), lengthless(other));
        }
    }
    assert_eq!(trail(&site, "session.signed_in").await, 3, "those that set the scene");
}

// proves: LIMIT-3, LIMIT-8, ACC-1
#[tokio::test]
async fn an_administrator_unlocks_and_nobody_else_does() {
    let site = start("").await;
    let mut admin = site.signed_in("root", "admin").await;
    let mut user = site.signed_in("eva", "user").await;
    for _ in 0..5 {
        page(&site, &mut site.client(), "eva", WRONG).await;
    }
    let unlock = async |client: &mut Client, body: Value| {
        let token = client.get("/api/v1/auth/csrf").await;
        let token = token.json()["csrf_token"].as_str().unwrap_or_default().to_owned();
        let own = format!("http://{}", site.address);
        let headers =
            [("content-type", "application/json"), ("origin", own.as_str()), ("x-csrftoken", token.as_str())];
        client.send(Method::POST, "/api/v1/admin/unlock", &headers, &body.to_string()).await
    };
    let anybody = unlock(&mut site.client(), json!({ "all": true })).await;
    assert_eq!(anybody.status, StatusCode::UNAUTHORIZED);
    let refused = unlock(&mut user, json!({ "all": true })).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    for wrong in [
        json!({}),
        json!({ "all": false }),
        json!({ "all": true, "user": "eva" }),
        json!({ "user": "nobody" }),
        json!({ "address": "somewhere" }),
        json!({ "address": "127.0.0.0/8" }),
    ] {
        let refused = unlock(&mut admin, wrong.clone()).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong} {}", refused.text());
    }
    assert_eq!(program(&site, "eva", PASSWORD).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(trail(&site, "lockout.lifted").await, 0);
    let done = unlock(&mut admin, json!({ "address": "127.0.0.1" })).await;
    assert_eq!((done.status, done.text()), (StatusCode::OK, r#"{"forgotten":1}"#));
    assert_eq!(program(&site, "eva", PASSWORD).await.status, StatusCode::OK);
    assert_eq!(trail(&site, "lockout.lifted").await, 1);
    assert_eq!(unlock(&mut admin, json!({ "user": "eva" })).await.text(), r#"{"forgotten":1}"#);
    let shown = site.client().send(Method::GET, "/auth/login", &[HTML], "").await;
    assert_eq!(shown.status, StatusCode::OK);
}
