//! Attempts: planted sessions, guessed passwords, names that are taken; and what the trail says of them.

use http::{Method, StatusCode};

use super::{HTML, open, post, site};
use crate::support::{PASSWORD, Site, Upstream};

async fn register(site: &Site, name: &str, email: &str) -> StatusCode {
    let fields = [("name", name), ("email", email), ("password", PASSWORD)];
    post(site, &mut site.client(), "/auth/register", &fields).await.status
}

// proves: ID-8
#[tokio::test]
async fn a_session_that_was_planted_before_sign_in_is_worth_nothing_after_it() {
    let site = site().await;
    assert_eq!(register(&site, "eva", "eva@example.com").await, StatusCode::SEE_OTHER);
    let mut mallory = site.signed_in("mallory", "user").await;
    // Mallory's own session, and one that never was, in the victim's browser.
    for planted in [mallory.cookies(), format!("palisade_session={}", "A".repeat(43))] {
        let (name, value) = planted.split_once('=').unwrap();
        let mut victim = site.client();
        victim.put_cookie(name, value);
        let done = post(&site, &mut victim, "/auth/login", &[("login", "eva"), ("password", PASSWORD)]).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
        assert!(!victim.cookies().contains(value), "the planted id goes on");
        assert_eq!(victim.get("/api/v1/auth/me").await.json()["name"], "eva");
    }
    assert_eq!(mallory.get("/api/v1/auth/me").await.status, StatusCode::UNAUTHORIZED);
}

// proves: LIMIT-1, LIMIT-2
#[tokio::test]
async fn whoever_guesses_too_often_has_to_wait_even_with_the_right_password() {
    let site = Site::start(&open(&Upstream::plain().await, "3/minute")).await;
    assert_eq!(register(&site, "eva", "eva@example.com").await, StatusCode::SEE_OTHER);
    for _ in 0..2 {
        let page =
            post(&site, &mut site.client(), "/auth/login", &[("login", "eva"), ("password", "wrong-1")])
                .await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    }
    for (path, fields) in [
        ("/auth/login", [("login", "eva"), ("password", PASSWORD)]),
        ("/api/v1/auth/login", [("login", "eva"), ("password", PASSWORD)]),
        ("/auth/register", [("name", "otto"), ("password", PASSWORD)]),
    ] {
        let refused = post(&site, &mut site.client(), path, &fields).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
        let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&after) && refused.header("set-cookie").is_none(), "{after}");
    }
    assert!(
        site.running.store.user_by_login("otto").await.unwrap().is_none(),
        "a refused registration was made"
    );
    let page = site.client().send(Method::GET, "/auth/login", &[HTML], "").await;
    assert_eq!(page.status, StatusCode::OK, "the form itself can still be read");
}

// proves: ID-1
#[tokio::test]
async fn a_taken_name_and_a_taken_address_are_told_in_the_same_words_and_sign_nobody_in() {
    let site = site().await;
    assert_eq!(register(&site, "eva", "eva@example.com").await, StatusCode::SEE_OTHER);
    let mut told = Vec::new();
    for (name, email) in [("EVA", "other@example.com"), ("otto", "EVA@example.com")] {
        let fields = [("name", name), ("email", email), ("password", PASSWORD)];
        let mut client = site.client();
        let page = post(&site, &mut client, "/auth/register", &fields).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!((page.header("set-cookie"), client.cookies().as_str()), (None, ""));
        assert!(page.text().contains(&format!("value=\"{email}\"")), "what was typed is kept");
        let summary = page.text().split_once("<ul>").unwrap().1.split_once("</ul>").unwrap().0.to_owned();
        told.push(summary);
    }
    assert_eq!(told[0], told[1]);
    assert!(site.running.store.user_by_login("otto").await.unwrap().is_none());
}

// proves: ID-1
#[tokio::test]
async fn where_registration_is_closed_nothing_leads_to_it() {
    let upstream = Upstream::plain().await;
    let site = Site::start(&open(&upstream, "9/minute").replace("open = true", "open = false")).await;
    let page = site.client().send(Method::GET, "/auth/login", &[HTML], "").await;
    assert!(!page.text().contains("/auth/register"), "{}", page.text());
    let page = site.client().send(Method::GET, "/auth/register", &[HTML], "").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(register(&site, "eva", "eva@example.com").await, StatusCode::FORBIDDEN);
    assert!(site.running.store.user_by_login("eva").await.unwrap().is_none());
}

// proves: AUD-1, AUD-4, AUD-5
#[tokio::test]
async fn a_failed_sign_in_leaves_one_event_and_one_row_and_nothing_that_was_typed() {
    let site = site().await;
    assert_eq!(register(&site, "eva", "eva@example.com").await, StatusCode::SEE_OTHER);
    let before = site.events().len();
    let rows = async || site.running.store.audit_rows(&palisade_store::AuditQuery::default()).await.unwrap();
    let rows_before = rows().await.len();
    let fields = [("login", "eva"), ("password", "typed-in-anger-9")];
    let page = post(&site, &mut site.client(), "/auth/login", &fields).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    let id = page.header("x-request-id").unwrap().to_owned();
    let events = site.events();
    let new = &events[before..];
    assert_eq!(new.len(), 1, "{new:?}");
    let line = new[0].to_string();
    assert!(line.contains("identify.sign_in") && line.contains(&id), "{line}");
    assert!(!line.contains("typed-in-anger-9"), "{line}");
    let all = rows().await;
    assert_eq!(all.len(), rows_before + 1);
    let failed: Vec<_> =
        all.iter().filter(|row| format!("{row:?}").contains("session.sign_in_failed")).collect();
    assert_eq!(failed.len(), 1);
    assert!(!format!("{failed:?}").contains("typed-in-anger-9"));
}
