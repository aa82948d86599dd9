//! What was ended, shown again to the real program: at once, after a restart and after a kill, on each database.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;

use crate::cli::keys::soon;
use crate::support::place::{Pair, Place};
use crate::support::{Client, PASSWORD};

const NEW: &str = "granite lantern oboe 58 B!";

/// The application's page, which counts a hit if it is shown.
const PAGE: &str = "/page";

async fn page(client: &Client) -> StatusCode {
    client.clone().get(PAGE).await.status
}

async fn page_with(place: &Place, token: &str) -> StatusCode {
    place.anybody().get_with(token, PAGE).await.status
}

/// Something holds now, after a restart, and after a kill.
async fn for_good(place: &mut Place, holds: impl AsyncFn(&Place)) {
    holds(place).await;
    place.server.restart();
    holds(place).await;
    place.server.fall_and_rise();
    holds(place).await;
}

// proves: ID-8
#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_is_worth_nothing_after_sign_out_whatever_becomes_of_the_process() {
    Place::each("", async |mut place| {
        let mut admin = place.administrator().await;
        let eva = place.user("eva", "user").await;
        let stolen = admin.clone();
        assert_eq!(page(&stolen).await, StatusCode::OK);
        let out = admin.call(Method::POST, "/api/v1/auth/logout", &json!({})).await;
        // What was answered is done: killed with the answer still warm.
        place.server.fall_and_rise();
        assert_eq!(out.status, StatusCode::NO_CONTENT, "{}", out.text());
        let before = place.hits();
        for_good(&mut place, async |_| assert_eq!(page(&stolen).await, StatusCode::UNAUTHORIZED)).await;
        assert_eq!(place.hits(), before, "the application was asked in the name of a session that is over");
        assert_eq!(page(&eva).await, StatusCode::OK, "nobody else is signed out by any of it");
    })
    .await;
}

// proves: ID-10
#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_worth_nothing_after_sign_out_whatever_becomes_of_the_process() {
    Place::each("", async |mut place| {
        place.administrator().await;
        let (ended, other) = (place.tokens("admin").await, place.tokens("admin").await);
        assert_eq!(page_with(&place, &ended.access).await, StatusCode::OK);
        let bearer = format!("Bearer {}", ended.access);
        let headers = [("authorization", bearer.as_str())];
        let out = place.anybody().send(Method::POST, "/api/v1/auth/logout", &headers, "").await;
        place.server.fall_and_rise();
        assert_eq!(out.status, StatusCode::NO_CONTENT, "{}", out.text());
        let before = place.hits();
        for_good(&mut place, async |place| {
            assert_eq!(page_with(place, &ended.access).await, StatusCode::UNAUTHORIZED);
            assert_eq!(place.refresh(&ended.refresh).await.status, StatusCode::UNAUTHORIZED);
        })
        .await;
        assert_eq!(place.hits(), before);
        assert_eq!(page_with(&place, &other.access).await, StatusCode::OK, "another sign-in goes on");
    })
    .await;
}

/// A thief has a copy of the refresh token, and comes late.
// proves: ID-10, AUD-4
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_is_used_again_ends_its_family_for_good() {
    Place::each("[identify.tokens]\nrace = \"1s\"", async |mut place| {
        place.administrator().await;
        let first = place.tokens("admin").await;
        let second = Pair::of(&place.refresh(&first.refresh).await);
        let raced = Pair::of(&place.refresh(&first.refresh).await);
        assert_eq!(raced.refresh, second.refresh, "two tabs");
        assert_eq!(place.server.events("refresh_token_reused"), 0);
        // Longer than the race may last: the restart alone takes part of it.
        place.server.restart();
        tokio::time::sleep(Duration::from_millis(1050)).await;
        assert_eq!(page_with(&place, &second.access).await, StatusCode::OK);

        let reused = place.refresh(&first.refresh).await;
        assert_eq!(reused.status, StatusCode::UNAUTHORIZED, "{}", reused.text());
        // The events log is written behind the answer; the trail is not.
        assert!(soon(async || place.server.events("refresh_token_reused") == 1).await);
        place.server.fall_and_rise();
        let before = place.hits();
        for_good(&mut place, async |place| {
            for token in [&first.access, &second.access, &raced.access] {
                assert_eq!(page_with(place, token).await, StatusCode::UNAUTHORIZED);
            }
            for token in [&first.refresh, &second.refresh] {
                assert_eq!(place.refresh(token).await.status, StatusCode::UNAUTHORIZED);
            }
        })
        .await;
        assert_eq!(place.hits(), before);
        assert_eq!(place.server.events("refresh_token_reused"), 1, "one theft, told once");
        assert!(place.server.told(&["audit", "list"]).contains("token.reused"));
        Pair::of(&place.sign_in("admin", PASSWORD).await);
    })
    .await;
}

// proves: ID-9, ID-10
#[tokio::test(flavor = "multi_thread")]
async fn no_credential_passes_for_one_of_another_kind() {
    Place::each("", async |place| {
        let admin = place.administrator().await;
        let (tokens, cookies) = (place.tokens("admin").await, admin.cookies());
        let cookie = cookies.split("; ").find_map(|pair| pair.strip_prefix("palisade_session=")).unwrap();
        for token in [tokens.refresh.as_str(), cookie] {
            assert_eq!(page_with(&place, token).await, StatusCode::UNAUTHORIZED, "as an access token");
        }
        for token in [tokens.access.as_str(), cookie] {
            let refused = place.refresh(token).await;
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "as a refresh token: {}", refused.text());
        }
        for token in [&tokens.access, &tokens.refresh] {
            let mut browser = place.anybody();
            browser.put_cookie("palisade_session", token);
            assert_eq!(page(&browser).await, StatusCode::UNAUTHORIZED, "as a cookie");
        }
        assert_eq!(place.hits(), 0);
        // None of it used anything up.
        Pair::of(&place.refresh(&tokens.refresh).await);
        assert_eq!(page(&admin).await, StatusCode::OK);
        assert_eq!(page_with(&place, &tokens.access).await, StatusCode::OK);
        assert_eq!(place.hits(), 2);
    })
    .await;
}

// proves: ID-4
#[tokio::test(flavor = "multi_thread")]
async fn a_reset_link_works_once_whatever_becomes_of_the_process() {
    Place::each("", async |mut place| {
        place.user("eva", "user").await;
        let asked = json!({ "login": "eva" });
        let asked = place.anybody().call(Method::POST, "/api/v1/auth/forgot-password", &asked).await;
        assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.text());
        // It outlives what it was asked of.
        place.server.fall_and_rise();
        let token = mailed(&place, "/auth/reset-password/").await;
        let redeem = async |place: &Place, password: &str| {
            let body = json!({ "token": token, "password": password });
            place.anybody().call(Method::POST, "/api/v1/auth/reset-password", &body).await.status
        };
        assert_eq!(redeem(&place, NEW).await, StatusCode::NO_CONTENT);
        place.server.fall_and_rise();
        for_good(&mut place, async |place| {
            assert_eq!(redeem(place, "lantern granite oboe 59 C!").await, StatusCode::GONE);
            let mut browser = place.anybody();
            let shown = browser.get(&format!("/auth/reset-password/{token}")).await;
            assert_eq!(shown.status, StatusCode::GONE);
        })
        .await;
        assert_eq!(place.sign_in("eva", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(place.sign_in("eva", NEW).await.status, StatusCode::OK, "nothing else was set");
    })
    .await;
}

/// The token of the link with this path, from the only letter that has one.
async fn mailed(place: &Place, path: &str) -> String {
    for _ in 0..100 {
        let letters = std::fs::read_dir(place.server.data("mail")).into_iter().flatten().flatten();
        let texts = letters.map(|letter| std::fs::read_to_string(letter.path()).unwrap());
        if let Some(text) = texts.into_iter().find(|text| text.contains(path)) {
            return text.split_once(path).unwrap().1.split_whitespace().next().unwrap().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no letter with {path}");
}
