//! Proofs that get old, and failures that are forgotten: each at its moment.

use std::time::Duration;

use http::{Method, StatusCode};
use palisade_model::Secret;
use palisade_model::audit::Origin;
use serde_json::{Value, json};

use super::{DAY, HOUR, MINUTE, MOMENT, Still};
use crate::cli::keys::soon;
use crate::identify::passkeys::code;
use crate::support::place::Pair;
use crate::support::{Answer, Client, PASSWORD};

const NEW: &str = "granite lantern oboe 58 B!";

/// Something that asks for a recent proof.
async fn make_key(who: &mut Client) -> Answer {
    who.call(Method::POST, "/api/v1/auth/keys", &json!({ "name": "report", "scopes": "read" })).await
}

// proves: ID-17
#[tokio::test]
async fn a_proof_is_recent_for_ten_minutes() {
    let still = Still::start("").await;
    let mut eva = still.site.signed_in("eva", "user").await;
    for _ in 0..2 {
        still.pass(10 * MINUTE);
        let made = make_key(&mut eva).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        still.pass(MOMENT);
        still.site.assert_refused(&make_key(&mut eva).await, 401, "identify.proof");
        still.lets_in(&eva).await;
        let again = json!({ "password": PASSWORD });
        let again = eva.call(Method::POST, "/api/v1/auth/confirm", &again).await;
        assert!(again.status.is_success(), "{}", again.text());
    }
}

/// The first proof is good for five minutes, and for nothing but the second.
// proves: ID-17
#[tokio::test]
async fn a_sign_in_waits_five_minutes_for_its_second_factor() {
    let still = Still::start("").await;
    let codes = with_factor(&still, "eva").await;
    let ticket = async || {
        let half = still.sign_in("eva", PASSWORD).await.json();
        assert_eq!(half["second_factor_required"], true, "{half}");
        half["ticket"].as_str().unwrap().to_owned()
    };
    let second = async |ticket: &str, code: &str| {
        let body = json!({ "ticket": ticket, "code": code });
        still.site.client().call(Method::POST, "/api/v1/auth/second", &body).await
    };
    let (one, late) = (ticket().await, ticket().await);
    still.refuses_with(&one).await;
    still.pass(5 * MINUTE - MOMENT);
    still.lets_in_with(&Pair::of(&second(&one, &codes[0]).await).access).await;
    still.pass(MOMENT);
    still.site.assert_refused(&second(&late, &codes[1]).await, 401, "identify.ticket");
    still.site.assert_refused(&second(&one, &codes[1]).await, 401, "identify.ticket");
    // The code was not used up by that.
    Pair::of(&second(&ticket().await, &codes[1]).await);
}

/// A new user with an authenticator application; their recovery codes.
async fn with_factor(still: &Still, name: &str) -> Vec<String> {
    let mut client = still.site.signed_in(name, "user").await;
    let access = &still.site.running.access;
    let cookie = client.cookies();
    let cookie = cookie.split("; ").find_map(|pair| pair.strip_prefix("palisade_session=")).unwrap();
    let principal = access.session(cookie).await.unwrap().unwrap();
    let offer = access.offer_totp(&principal).await.unwrap();
    let shown = Secret::new(code(offer.secret.expose(), 0));
    let kept = access.add_totp(&principal, &offer.ceremony, &shown, &Origin::default()).await.unwrap();
    assert_eq!(client.get("/api/v1/auth/me").await.status, StatusCode::UNAUTHORIZED, "a session without it");
    kept.codes.unwrap().iter().map(|code| code.expose().to_owned()).collect()
}

// proves: ID-2, ACC-1
#[tokio::test]
async fn a_password_of_ninety_days_has_to_be_changed_before_anything_else() {
    let policy =
        "[identify.passwords]\nmax_age = \"90d\"\n[identify.sessions]\nidle = \"365d\"\nabsolute = \"365d\"";
    let still = Still::start(policy).await;
    let eva = still.site.signed_in("eva", "user").await;
    still.pass(90 * DAY - MOMENT);
    still.lets_in(&eva).await;
    still.pass(MOMENT);
    let hits = still.app.received().len();
    let refused = eva.clone().get("/page").await;
    still.site.assert_refused(&refused, 403, "authorize.password_age");

    // Whoever signs in now gets as far as the form to change it, and no further.
    let mut browser = still.browser("eva").await;
    still.site.assert_refused(&browser.get("/page").await, 403, "authorize.password_age");
    let tokens = Pair::of(&still.sign_in("eva", PASSWORD).await);
    let refused = still.site.client().get_with(&tokens.access, "/page").await;
    still.site.assert_refused(&refused, 403, "authorize.password_age");
    assert_eq!(still.app.received().len(), hits);
    let form = browser.send(Method::GET, "/account/security", &[crate::identify::HTML], "").await;
    assert!(form.text().contains("Your password has run out."), "{}", form.text());
    let change = async |browser: &mut Client, new: &str| {
        let body = json!({ "old_password": PASSWORD, "new_password": new });
        browser.call(Method::POST, "/account/password", &body).await
    };
    assert_eq!(
        change(&mut browser, PASSWORD).await.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "the same again"
    );
    still.site.assert_refused(&browser.get("/page").await, 403, "authorize.password_age");
    let done = change(&mut browser, NEW).await;
    assert!(done.status.is_success(), "{}", done.text());
    still.lets_in(&browser).await;
    still.refuses(&eva).await;
    still.pass(90 * DAY - MOMENT);
    still.lets_in(&browser).await;
}

// proves: ID-13
#[tokio::test]
async fn a_breakglass_token_waits_so_long_and_its_session_lives_half_an_hour() {
    let still = Still::start("").await;
    let issue = async || {
        let made =
            still.site.running.access.issue_breakglass("a test", 10 * MINUTE, &Origin::default()).await;
        made.unwrap().token.expose().to_owned()
    };
    let (one, late) = (issue().await, issue().await);
    let show = async |token: &str| {
        let mut client = still.site.client();
        let shown = client.send(Method::GET, "/page", &[("x-admin-token", token)], "").await;
        (shown.status, client)
    };
    still.pass(10 * MINUTE - MOMENT);
    let (status, inside) = show(&one).await;
    assert_eq!(status, StatusCode::OK);
    still.pass(MOMENT);
    assert_eq!(show(&late).await.0, StatusCode::UNAUTHORIZED);
    // Nothing makes it longer: not that it is busy.
    for _ in 0..2 {
        still.pass(10 * MINUTE);
        still.lets_in(&inside).await;
    }
    still.pass(10 * MINUTE - 2 * MOMENT);
    still.lets_in(&inside).await;
    assert_eq!(still.events("breakglass_closed"), 0);
    still.pass(MOMENT);
    still.refuses(&inside).await;
    assert!(soon(async || still.events("breakglass_closed") == 1).await, "nobody was told of its end");
}

// proves: LIMIT-3
#[tokio::test]
async fn each_lockout_lasts_twice_as_long_up_to_a_day_and_a_day_of_calm_begins_anew() {
    let still = Still::start("[identify.lockout]\nattempts = 1").await;
    still.site.signed_in("eva", "user").await;
    let locked = async |seconds: u64| {
        let refused = still.sign_in("eva", PASSWORD).await;
        let event = still.site.assert_refused(&refused, 429, "identify.lockout");
        assert_eq!(refused.header("retry-after"), Some(seconds.to_string().as_str()), "{event}");
    };
    // Fails once, and is locked out for exactly so long.
    let fail = async |minutes: u32| {
        let wrong: Value = still.sign_in("eva", "not the password").await.json();
        assert_eq!(wrong["code"], "identify.sign_in", "{wrong}");
        locked(u64::from(minutes) * 60).await;
        still.pass(minutes * MINUTE - MOMENT);
        locked(1).await;
        still.pass(MOMENT);
    };
    for minutes in [15, 30, 60, 120, 240, 480, 960, 1440, 1440] {
        fail(minutes).await;
    }
    Pair::of(&still.sign_in("eva", PASSWORD).await);
    still.pass(24 * HOUR - MOMENT);
    fail(1440).await;
    still.pass(24 * HOUR);
    fail(15).await;
    Pair::of(&still.sign_in("eva", PASSWORD).await);
    assert_eq!(still.events("lockout_began"), 11);
}

// proves: LIMIT-3
#[tokio::test]
async fn a_failure_counts_for_a_quarter_of_an_hour() {
    let still = Still::start("").await;
    still.site.signed_in("eva", "user").await;
    let wrong = async || still.sign_in("eva", "not the password").await.status;
    for _ in 0..4 {
        assert_eq!(wrong().await, StatusCode::UNAUTHORIZED);
    }
    still.pass(15 * MINUTE);
    for _ in 0..4 {
        assert_eq!(wrong().await, StatusCode::UNAUTHORIZED, "of those before, none counts");
    }
    still.pass(Duration::from_secs(15 * 60) - MOMENT);
    assert_eq!(wrong().await, StatusCode::UNAUTHORIZED);
    assert_eq!(wrong().await, StatusCode::TOO_MANY_REQUESTS, "the four before it still counted");
}
