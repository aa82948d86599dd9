//! Links in letters: each works until its moment, and not at it.

use http::{Method, StatusCode};
use palisade_model::audit::Origin;
use palisade_store::User;
use serde_json::json;

use super::{DAY, MOMENT, Still};
use crate::identify::mail::{arrived, link, member};
use crate::identify::{HTML, post};
use crate::support::{PASSWORD, place::Pair};

const NEW: &str = "granite lantern oboe 58 B!";

/// Letters go to a folder, addresses are confirmed, and sessions outlive every link.
async fn start() -> Still {
    Still::start(
        "[identify.sign_up]\nopen = true\nverify = true\n[identify.sessions]\nidle = \"30d\"\nabsolute = \"30d\"",
    )
    .await
}

/// The path of the link in the letter to this mailbox, which is one of so many.
async fn link_to(still: &Still, letters: usize, mailbox: &str) -> String {
    let to = format!("To: {mailbox}\r\n");
    let arrived = arrived(&still.site, letters).await;
    let mine: Vec<&String> = arrived.iter().filter(|letter| letter.contains(&to)).collect();
    assert_eq!(mine.len(), 1, "{arrived:#?}");
    link(&still.site, mine[0])
}

async fn user(still: &Still, login: &str) -> Option<User> {
    still.site.running.store.user_by_login(login).await.unwrap()
}

/// What a browser is shown at a link, and what sending its form with these fields comes to.
async fn open(still: &Still, path: &str, fields: &[(&str, &str)]) -> (StatusCode, StatusCode) {
    let mut browser = still.site.client();
    let shown = browser.send(Method::GET, path, &[HTML], "").await.status;
    (shown, post(&still.site, &mut browser, path, fields).await.status)
}

const WORKS: (StatusCode, StatusCode) = (StatusCode::OK, StatusCode::SEE_OTHER);
const OVER: (StatusCode, StatusCode) = (StatusCode::GONE, StatusCode::GONE);

// proves: ID-4
#[tokio::test]
async fn a_link_to_set_a_password_works_for_a_day() {
    let still = start().await;
    let mut paths = Vec::new();
    for (n, name) in ["eva", "ida"].into_iter().enumerate() {
        member(&still.site, name, true).await;
        let asked = json!({ "login": name });
        let asked = still.site.client().call(Method::POST, "/api/v1/auth/forgot-password", &asked).await;
        assert_eq!(asked.status, StatusCode::ACCEPTED);
        paths.push(link_to(&still, n + 1, &format!("{name}@example.com")).await);
    }
    let handed_over = async |name: &str| {
        let id = user(&still, name).await.unwrap().id;
        let link = still.site.running.access.issue_link(id, None, &Origin::default()).await.unwrap();
        format!("/auth/link/{}", link.expose())
    };
    for name in ["otto", "nils"] {
        member(&still.site, name, true).await;
        paths.push(handed_over(name).await);
    }
    let [eva, ida, otto, nils] = [0, 1, 2, 3].map(|n: usize| paths[n].as_str());
    let new = [("password", NEW)];
    still.pass(DAY - MOMENT);
    for path in [eva, otto] {
        assert_eq!(open(&still, path, &new).await, WORKS, "{path}");
    }
    still.pass(MOMENT);
    for path in [ida, nils] {
        assert_eq!(open(&still, path, &new).await, OVER, "{path}");
    }
    for (name, password) in [("eva", NEW), ("otto", NEW), ("ida", PASSWORD), ("nils", PASSWORD)] {
        Pair::of(&still.sign_in(name, password).await);
    }
}

// proves: ID-4
#[tokio::test]
async fn a_registration_waits_a_day_for_its_address_to_be_confirmed() {
    let still = start().await;
    let mut paths = Vec::new();
    for (n, name) in ["nina", "otto"].into_iter().enumerate() {
        let mailbox = format!("{name}@example.com");
        let body = json!({ "name": name, "email": mailbox, "password": PASSWORD });
        let asked = still.site.client().call(Method::POST, "/api/v1/auth/register", &body).await;
        assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.text());
        paths.push(link_to(&still, n + 1, &mailbox).await);
    }
    let confirm =
        async |n: usize, name| open(&still, &paths[n], &[("name", name), ("password", PASSWORD)]).await;
    still.pass(DAY - MOMENT);
    assert_eq!(confirm(0, "nina").await, WORKS);
    still.pass(MOMENT);
    assert_eq!(confirm(1, "otto").await, OVER);
    assert!(user(&still, "nina").await.is_some() && user(&still, "otto").await.is_none());
}

/// Another address waits a day for its mailbox; the former one has a week to take the account back.
// proves: ID-4, ID-8
#[tokio::test]
async fn another_address_is_confirmed_within_a_day_and_taken_back_within_a_week() {
    let still = start().await;
    let (mut browsers, mut paths) = (Vec::new(), Vec::new());
    for (n, name) in ["eva", "ida", "otto"].into_iter().enumerate() {
        member(&still.site, name, true).await;
        let mut browser = still.browser(name).await;
        let mailbox = format!("{name}@example.org");
        let asked = browser.call(Method::POST, "/account/email", &json!({ "email": mailbox })).await;
        assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.text());
        paths.push(link_to(&still, n + 1, &mailbox).await);
        browsers.push(browser);
    }
    let mut confirm = async |n: usize| browsers[n].call(Method::POST, &paths[n], &json!({})).await.status;
    still.pass(DAY - MOMENT);
    for n in [0, 1] {
        assert_eq!(confirm(n).await, StatusCode::SEE_OTHER);
    }
    still.pass(MOMENT);
    assert_eq!(confirm(2).await, StatusCode::GONE);
    assert_eq!(user(&still, "otto").await.unwrap().email.as_deref(), Some("otto@example.com"));

    let (eva, ida) =
        (link_to(&still, 5, "eva@example.com").await, link_to(&still, 5, "ida@example.com").await);
    let new = [("password", NEW)];
    still.pass(7 * DAY - 2 * MOMENT);
    assert_eq!(open(&still, &eva, &new).await, WORKS);
    still.pass(MOMENT);
    assert_eq!(open(&still, &ida, &new).await, OVER);
    for (login, password) in [("eva@example.com", NEW), ("ida@example.org", PASSWORD)] {
        Pair::of(&still.sign_in(login, password).await);
    }
}
