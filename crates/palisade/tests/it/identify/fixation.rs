//! A session that somebody planted in a browser, at every way in: it never becomes its user's, and it ends.

use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use http::{Method, StatusCode};
use palisade_model::Secret;
use palisade_model::audit::Origin;
use palisade_model::id::UserId;
use serde_json::json;

use super::mail::{arrived, link};
use super::{FORM, HTML, encoded, post, site};
use crate::support::{Answer, Client, PASSWORD, Site, Upstream};

const NEW: &str = "granite lantern oboe 58 B!";

/// The session cookie's name and value, if the jar has one.
pub(super) fn session_of(client: &Client) -> Option<String> {
    client.cookies().split("; ").find_map(|pair| pair.strip_prefix("palisade_session=")).map(str::to_owned)
}

/// A victim's browser, with the session of somebody who wants to be signed in along with them.
async fn planted(site: &Site) -> (Client, String) {
    let n = site.running.store.user_count().await.unwrap();
    let mallory = site.signed_in(&format!("mallory{n}"), "user").await;
    let value = session_of(&mallory).unwrap();
    let mut victim = site.client();
    victim.put_cookie("palisade_session", &value);
    (victim, value)
}

/// The victim is in, under another id; the planted one names nobody any more.
async fn assert_apart(site: &Site, victim: &mut Client, planted: &str, name: &str) {
    let now = session_of(victim).expect("a session");
    assert_ne!(now, planted, "{name}: the planted id goes on");
    let me = victim.get("/api/v1/auth/me").await;
    assert_eq!(me.status, StatusCode::OK, "{name}: {}", me.text());
    let mut thief = site.client();
    thief.put_cookie("palisade_session", planted);
    let answer = thief.get("/api/v1/auth/me").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}: {}", answer.text());
}

async fn id_of(site: &Site, name: &str) -> UserId {
    site.running.store.user_by_login(name).await.unwrap().unwrap().id
}

pub(super) fn code(secret: &str) -> String {
    let secret = BASE32_NOPAD.decode(secret.replace(' ', "").as_bytes()).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let tag =
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &secret), &(now / 30).to_be_bytes());
    let at = usize::from(tag.as_ref()[19] & 0xf);
    let number = u32::from_be_bytes(tag.as_ref()[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

// proves: ID-1, ID-8
#[tokio::test]
async fn no_way_in_by_a_password_or_a_link_goes_on_with_a_planted_session() {
    let site = site().await;
    site.signed_in("eva", "user").await;
    let own = format!("http://{}", site.address);
    let login = [("login", "eva"), ("password", PASSWORD)];

    let (mut victim, value) = planted(&site).await;
    assert_eq!(post(&site, &mut victim, "/auth/login", &login).await.status, StatusCode::SEE_OTHER);
    assert_apart(&site, &mut victim, &value, "the form").await;

    let (mut victim, value) = planted(&site).await;
    let headers = [("content-type", "application/json"), ("origin", own.as_str())];
    let body = json!({"login": "eva", "password": PASSWORD, "session": true}).to_string();
    let done = victim.send(Method::POST, "/api/v1/auth/login", &headers, &body).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text());
    assert_apart(&site, &mut victim, &value, "JSON").await;

    let (mut victim, value) = planted(&site).await;
    let fields = [("name", "nina"), ("password", PASSWORD)];
    let done = post(&site, &mut victim, "/auth/register", &fields).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    assert_apart(&site, &mut victim, &value, "registration").await;

    let (mut victim, value) = planted(&site).await;
    let link =
        site.running.access.issue_link(id_of(&site, "eva").await, None, &Origin::default()).await.unwrap();
    let path = format!("/auth/link/{}", link.expose());
    let done = post(&site, &mut victim, &path, &[("password", NEW)]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    assert_apart(&site, &mut victim, &value, "a one-time link").await;
}

// proves: ID-4, ID-8
#[tokio::test]
async fn no_way_in_by_mail_goes_on_with_a_planted_session() {
    let site = super::mail::site().await;
    let fields = [("name", "nina"), ("email", "nina@example.com"), ("password", PASSWORD)];
    post(&site, &mut site.client(), "/auth/register", &fields).await;
    let path = link(&site, &arrived(&site, 1).await[0]);
    let (mut victim, value) = planted(&site).await;
    let done = post(&site, &mut victim, &path, &[("name", "nina"), ("password", PASSWORD)]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    assert_apart(&site, &mut victim, &value, "a confirmed registration").await;

    post(&site, &mut site.client(), "/auth/forgot-password", &[("login", "nina")]).await;
    let path = link(&site, &arrived(&site, 2).await[1]);
    let (mut victim, value) = planted(&site).await;
    let done = post(&site, &mut victim, &path, &[("password", NEW)]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    assert_apart(&site, &mut victim, &value, "a reset").await;
}

// proves: ID-8, ID-17
#[tokio::test]
async fn neither_the_second_step_nor_a_proof_anew_goes_on_with_a_planted_session() {
    let site = site().await;
    let access = &site.running.access;
    let eva = site.signed_in("eva", "user").await;
    let principal = access.session(&session_of(&eva).unwrap()).await.unwrap().unwrap();
    let offer = access.offer_totp(&principal).await.unwrap();
    let codes = access
        .add_totp(&principal, &offer.ceremony, &Secret::new(code(offer.secret.expose())), &Origin::default())
        .await
        .unwrap()
        .codes
        .unwrap();

    let (mut victim, value) = planted(&site).await;
    let login = [("login", "eva"), ("password", PASSWORD)];
    let half = post(&site, &mut victim, "/auth/login", &login).await;
    assert!(half.header("location").unwrap().starts_with("/auth/second"), "{half:?}");
    assert_eq!(session_of(&victim).as_deref(), Some(value.as_str()), "no session without the second factor");
    let done = post(&site, &mut victim, "/auth/second", &[("code", codes[0].expose())]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    assert_apart(&site, &mut victim, &value, "the second factor").await;

    // A stolen id is worth nothing once its owner has proven anew who they are.
    let stolen = session_of(&victim).unwrap();
    let token = victim.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
    let field = site.running.policy.csrf.field.clone();
    let fields = [(field.as_str(), token.as_str()), ("code", codes[1].expose())];
    let done = post(&site, &mut victim, "/auth/confirm", &fields).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    assert_apart(&site, &mut victim, &stolen, "a proof anew").await;
}

// proves: ID-8, ID-13, ID-14
#[tokio::test]
async fn no_token_that_becomes_a_session_goes_on_with_a_planted_one() {
    let upstream = Upstream::plain().await;
    let site = Site::start(&super::opaque::policy(
        &upstream,
        "[identify.admin_tokens]\ndangerous_query = [\"admin_token\"]",
    ))
    .await;
    let access = &site.running.access;
    let issue = async || {
        let made =
            access.issue_breakglass("a test", Duration::from_secs(600), &Origin::default()).await.unwrap();
        made.token.expose().to_owned()
    };
    let (mut victim, value) = planted(&site).await;
    let done = post(&site, &mut victim, "/auth/breakglass", &[("token", &issue().await)]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    assert_apart(&site, &mut victim, &value, "breakglass").await;

    let (mut victim, value) = planted(&site).await;
    let done = victim.get(&format!("/account?admin_token={}", issue().await)).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    assert_apart(&site, &mut victim, &value, "breakglass in an address").await;

    // A visitor's link: who is signed in already stays who they are.
    let guest = access.register_guest(&Origin::default()).await.unwrap();
    let (mut victim, value) = planted(&site).await;
    let clash = victim.get(&format!("/account?user_token={}", guest.token.expose())).await;
    site.assert_refused(&clash, 409, "identify.clash");
    assert_eq!(session_of(&victim), Some(value));
    let mut victim = site.client();
    let made_up = "A".repeat(43);
    victim.put_cookie("palisade_session", &made_up);
    let done = victim.get(&format!("/account?user_token={}", guest.token.expose())).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    assert_apart(&site, &mut victim, &made_up, "a visitor's link").await;
}

/// Two cookies of one name: the browser has one of them from somebody else, and nobody can tell which.
// proves: ID-8
#[tokio::test]
async fn a_tossed_cookie_counts_neither_for_its_owner_nor_for_the_victim() {
    let site = site().await;
    let (eva, mallory) = (site.signed_in("eva", "user").await, site.signed_in("mallory", "user").await);
    let (eva, mallory) = (session_of(&eva).unwrap(), session_of(&mallory).unwrap());
    for cookies in [
        format!("palisade_session={mallory}; palisade_session={eva}"),
        format!("palisade_session={eva}; palisade_session={mallory}"),
        format!("palisade_session={eva}; palisade_session={eva}"),
        format!("palisade_session ={mallory}; palisade_session={eva}"),
        format!("palisade_session=; palisade_session={eva}"),
    ] {
        let answer = site.client().send(Method::GET, "/api/v1/auth/me", &[("cookie", &cookies)], "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{cookies}");
    }
}

/// Another site sends the victim's browser in under the attacker's name.
// proves: CSRF-3, ID-1
#[tokio::test]
async fn no_other_site_can_sign_a_browser_in() {
    let site = site().await;
    site.signed_in("mallory", "user").await;
    let made = site
        .running
        .access
        .issue_breakglass("a test", Duration::from_secs(600), &Origin::default())
        .await
        .unwrap();
    let link = site
        .running
        .access
        .issue_link(id_of(&site, "mallory").await, None, &Origin::default())
        .await
        .unwrap();
    let one_time = format!("/auth/link/{}", link.expose());
    let login = [("login", "mallory"), ("password", PASSWORD)];
    let ways: [(&str, &[(&str, &str)]); 6] = [
        ("/auth/login", &login),
        ("/auth/register", &[("name", "mallory2"), ("password", PASSWORD)]),
        ("/auth/breakglass", &[("token", made.token.expose())]),
        ("/auth/second", &[("ticket", "x"), ("code", "123456")]),
        ("/auth/passkey", &[("ceremony", "x"), ("credential", "{}")]),
        (&one_time, &[("password", NEW)]),
    ];
    for (path, fields) in ways {
        for foreign in [
            [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")],
            [("origin", "null"), ("sec-fetch-site", "cross-site")],
            [("origin", "http://evil.example"), ("x-nothing", "")],
            [("referer", "http://evil.example/"), ("x-nothing", "")],
        ] {
            let mut victim = site.client();
            let headers = [("content-type", FORM), foreign[0], foreign[1]];
            let refused: Answer = victim.send(Method::POST, path, &headers, &encoded(fields)).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path} {foreign:?}");
            assert_eq!(refused.header("set-cookie"), None, "{path}");
        }
    }
    assert!(site.running.store.user_by_login("mallory2").await.unwrap().is_none());
    let page = site.client().send(Method::GET, &one_time, &[HTML], "").await;
    assert_eq!(page.status, StatusCode::OK, "the link was used up from elsewhere");
    let done = post(&site, &mut site.client(), "/auth/breakglass", &[("token", made.token.expose())]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "the token was used up from elsewhere");
}
