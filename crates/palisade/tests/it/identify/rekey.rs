//! Secrets that change while people go on: the root secret, the secret of tokens, and somebody's second factors.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::passkeys::code;
use crate::cli::keys::soon;
use crate::support::place::{Pair, Place, ROOT};
use crate::support::{Answer, Client, PASSWORD};

const OTHER: &str = "another-secret-of-32-bytes-and-some-more";
const THIRD: &str = "a-third-secret-of-32-bytes-and-some-more";

/// A line of the policy for the former secrets, as long as there are none.
const NONE: &str = "# no former ones";
const ROOTS: &str = "previous_secret_keys = [\"env:FORMER\"]";
const SECRETS: &str = "previous_secrets = [\"env:FORMER\"]";

/// An authenticator application, and the recovery codes that came with it.
struct Factor {
    secret: String,
    codes: Vec<String>,
}

/// Sets one up in this session.
async fn set_up(who: &mut Client) -> Factor {
    let offer = who.call(Method::POST, "/account/factors/app", &json!({})).await;
    assert_eq!(offer.status, StatusCode::OK, "{}", offer.text());
    let (offer, text) = (offer.json(), |value: &Value| value.as_str().unwrap().to_owned());
    let secret = text(&offer["secret"]);
    let first = json!({ "ceremony": offer["ceremony"], "code": code(&secret, 0) });
    let done = who.call(Method::POST, "/account/factors/app/confirm", &first).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text());
    let codes = done.json()["recovery_codes"].as_array().unwrap().iter().map(text).collect();
    Factor { secret, codes }
}

/// A first step, which asks for the second.
async fn ticket(place: &Place, name: &str) -> String {
    let half = place.sign_in(name, PASSWORD).await.json();
    assert_eq!(half["second_factor_required"], true, "{half}");
    half["ticket"].as_str().unwrap().to_owned()
}

async fn second(place: &Place, ticket: &str, code: &str) -> Answer {
    let body = json!({ "ticket": ticket, "code": code });
    place.anybody().call(Method::POST, "/api/v1/auth/second", &body).await
}

/// Signs in with what the application shows next: the code that set it up is used up.
async fn both_steps(place: &Place, name: &str, factor: &Factor) -> Pair {
    Pair::of(&second(place, &ticket(place, name).await, &code(&factor.secret, 1)).await)
}

async fn status(place: &Place, token: &str) -> StatusCode {
    place.anybody().get_with(token, "/page").await.status
}

// proves: ID-11, ID-17
#[tokio::test(flavor = "multi_thread")]
async fn the_root_secret_changes_and_nobody_notices() {
    Place::each(&format!("[identify]\n{NONE}"), async |mut place| {
        let (mut people, mut factors) = (Vec::new(), Vec::new());
        for name in ["ann", "bob", "cyd"] {
            let mut who = place.user(name, "user").await;
            factors.push(set_up(&mut who).await);
            people.push(who);
        }
        let tokens = both_steps(&place, "ann", &factors[0]).await;

        place.server.amend(NONE, ROOTS);
        place.server.set("SECRET_KEY", OTHER);
        place.server.set("FORMER", ROOT);
        place.server.restart();
        both_steps(&place, "bob", &factors[1]).await;
        assert_eq!(status(&place, &tokens.access).await, StatusCode::OK, "what was signed before");
        let told = place.server.told(&["keys", "reseal"]);
        assert!(told.contains("3 sealed secrets are under the present root secret, 0 of them"), "{told}");

        // The former one is forgotten.
        place.server.amend(ROOTS, NONE);
        place.server.restart();
        both_steps(&place, "cyd", &factors[2]).await;
        Pair::of(&second(&place, &ticket(&place, "ann").await, &factors[0].codes[0]).await);
        assert_eq!(status(&place, &tokens.access).await, StatusCode::OK);
        Pair::of(&place.refresh(&tokens.refresh).await);
        for who in &people {
            assert_eq!(who.clone().get("/page").await.status, StatusCode::OK, "a session ended");
        }
    })
    .await;
}

/// While nobody has a running server: what is sealed waits for whoever has the secret.
// proves: ID-11
#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_forgotten_root_secret_opens_is_told_and_lets_nobody_in() {
    let mut place = Place::sqlite(&format!("[identify]\n{NONE}")).await;
    let mut ann = place.user("ann", "user").await;
    let factor = set_up(&mut ann).await;
    place.server.amend(NONE, ROOTS);
    place.server.set("FORMER", OTHER);
    assert_eq!(place.server.run(&["keys", "reseal"]).0, Some(0), "the present one opens it");
    place.server.set("SECRET_KEY", THIRD);
    let (code, told) = place.server.run(&["keys", "reseal"]);
    assert_eq!(code, Some(2), "neither of them does: {told}");
    // The running server still has the right one, and nothing was spoilt.
    both_steps(&place, "ann", &factor).await;
}

// proves: ID-11
#[tokio::test(flavor = "multi_thread")]
async fn the_secret_of_tokens_changes_and_what_the_former_one_signed_ends_when_it_is_forgotten() {
    let mut place = Place::sqlite(&format!("[identify.tokens]\n{NONE}")).await;
    place.administrator().await;
    place.server.set("JWT_SECRET_KEY", OTHER);
    place.server.restart();
    let old = place.tokens("admin").await;
    assert_eq!(status(&place, &old.access).await, StatusCode::OK);

    place.server.amend(NONE, SECRETS);
    place.server.set("JWT_SECRET_KEY", THIRD);
    place.server.set("FORMER", OTHER);
    place.server.restart();
    let new = place.tokens("admin").await;
    for token in [&old.access, &new.access] {
        assert_eq!(status(&place, token).await, StatusCode::OK);
    }

    place.server.amend(SECRETS, NONE);
    place.server.restart();
    let hits = place.hits();
    assert_eq!(status(&place, &old.access).await, StatusCode::UNAUTHORIZED);
    assert_eq!(place.hits(), hits);
    assert_eq!(status(&place, &new.access).await, StatusCode::OK);
    let next = Pair::of(&place.refresh(&old.refresh).await);
    assert_eq!(status(&place, &next.access).await, StatusCode::OK, "the sign-in goes on");
}

/// Somebody lost the telephone, and perhaps somebody else has found it.
// proves: ID-17, INC-2
#[tokio::test(flavor = "multi_thread")]
async fn whose_factors_are_reset_begins_anew_and_the_former_ones_are_worth_nothing() {
    Place::each("", async |place| {
        let mut ann = place.user("ann", "user").await;
        let lost = set_up(&mut ann).await;
        let tokens = both_steps(&place, "ann", &lost).await;
        let waiting = ticket(&place, "ann").await;
        let otto = place.user("otto", "user").await;

        place.server.told(&["user", "reset-factors", "ann"]);
        assert!(soon(async || ann.get("/page").await.status == StatusCode::UNAUTHORIZED).await);
        assert_eq!(status(&place, &tokens.access).await, StatusCode::UNAUTHORIZED);
        assert_eq!(place.refresh(&tokens.refresh).await.status, StatusCode::UNAUTHORIZED);
        let finder = second(&place, &waiting, &lost.codes[0]).await;
        assert_eq!(finder.status, StatusCode::UNAUTHORIZED, "{}", finder.text());

        // The password alone again, and from then on another telephone.
        Pair::of(&place.sign_in("ann", PASSWORD).await);
        let mut again = place.anybody();
        let body = json!({ "login": "ann", "password": PASSWORD, "session": true });
        let done = again.call(Method::POST, "/api/v1/auth/login", &body).await;
        assert_eq!(done.status, StatusCode::OK, "{}", done.text());
        let found = set_up(&mut again).await;
        assert_ne!(found.secret, lost.secret);
        for former in [code(&lost.secret, 0), code(&lost.secret, 1), lost.codes[1].clone()] {
            let refused = second(&place, &ticket(&place, "ann").await, &former).await;
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{former}: {}", refused.text());
        }
        both_steps(&place, "ann", &found).await;
        assert_eq!(otto.clone().get("/page").await.status, StatusCode::OK, "nobody else");
    })
    .await;
}
