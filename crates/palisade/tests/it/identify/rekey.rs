//! Secrets that change while people go on: the root secret, the secret of tokens, and somebody's second factors.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::nodes::Nodes;
use super::passkeys::code;
use crate::cli::keys::soon;
use crate::support::place::{Pair, Place, ROOT};
use crate::support::server::Server;
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
async fn ticket(mut at: Client, name: &str) -> String {
    let body = json!({ "login": name, "password": PASSWORD });
    let half = at.call(Method::POST, "/api/v1/auth/login", &body).await.json();
    assert_eq!(half["second_factor_required"], true, "{half}");
    half["ticket"].as_str().unwrap().to_owned()
}

async fn second(mut at: Client, ticket: &str, code: &str) -> Answer {
    let body = json!({ "ticket": ticket, "code": code });
    at.call(Method::POST, "/api/v1/auth/second", &body).await
}

/// Signs in with this code.
async fn both_steps(at: Client, name: &str, code: &str) -> Pair {
    let ticket = ticket(at.clone(), name).await;
    Pair::of(&second(at, &ticket, code).await)
}

impl Factor {
    /// What the application shows next: the code that set it up is used up.
    fn next(&self) -> String {
        code(&self.secret, 1)
    }
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
        let tokens = both_steps(place.anybody(), "ann", &factors[0].next()).await;

        place.server.amend(NONE, ROOTS);
        place.server.set("SECRET_KEY", OTHER);
        place.server.set("FORMER", ROOT);
        place.server.restart();
        both_steps(place.anybody(), "bob", &factors[1].next()).await;
        assert_eq!(status(&place, &tokens.access).await, StatusCode::OK, "what was signed before");
        let told = place.server.told(&["keys", "reseal"]);
        assert!(told.contains("3 sealed secrets are under the present root secret, 0 of them"), "{told}");

        // The former one is forgotten.
        place.server.amend(ROOTS, NONE);
        place.server.restart();
        both_steps(place.anybody(), "cyd", &factors[2].next()).await;
        both_steps(place.anybody(), "ann", &factors[0].codes[0]).await;
        assert_eq!(status(&place, &tokens.access).await, StatusCode::OK);
        Pair::of(&place.refresh(&tokens.refresh).await);
        for who in &people {
            assert_eq!(who.clone().get("/page").await.status, StatusCode::OK, "a session ended");
        }
    })
    .await;
}

/// As the manual says: the new one is listed everywhere first, then the nodes exchange the two, one after the other.
// proves: ID-11, ID-17, CSRF-2
#[tokio::test(flavor = "multi_thread")]
async fn the_root_secret_changes_node_by_node_and_each_opens_what_the_other_sealed() {
    let mut nodes = Nodes::start_with(&format!("[identify]\n{NONE}")).await;
    let tokens = nodes.place.tokens("admin").await;
    for node in [&mut nodes.place.server, &mut nodes.b] {
        node.amend(NONE, ROOTS);
        node.set("FORMER", OTHER);
        node.restart();
    }
    let exchange = |node: &mut Server| {
        node.set("SECRET_KEY", OTHER);
        node.set("FORMER", ROOT);
        node.restart();
    };
    exchange(&mut nodes.place.server);

    let at_a = nodes.place.anybody();
    let at_b = at_a.through(nodes.b.address);
    let mut ann = nodes.place.user("ann", "user").await;
    let of_ann = set_up(&mut ann).await;
    let mut bob = nodes.place.user("bob", "user").await.through(nodes.b.address);
    let of_bob = set_up(&mut bob).await;
    let by_b = both_steps(at_b.clone(), "ann", &of_ann.next()).await;
    let by_a = both_steps(at_a.clone(), "bob", &of_bob.next()).await;
    for token in [&tokens.access, &by_a.access, &by_b.access] {
        for at in [&at_a, &at_b] {
            assert_eq!(at.clone().get_with(token, "/page").await.status, StatusCode::OK);
        }
    }
    // A form that one of them has shown goes to the other.
    let csrf = bob.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
    let own = format!("http://{}", bob.address());
    let headers = [("origin", own.as_str()), ("x-csrf-token", csrf.as_str())];
    let mut there = bob.through(nodes.place.server.address);
    let ended = there.send(Method::DELETE, "/api/v1/auth/sessions", &headers, "").await;
    assert_eq!(ended.status, StatusCode::OK, "{}", ended.text());
    let refresh = async |mut at: Client| {
        let body = json!({ "refresh_token": tokens.refresh });
        Pair::of(&at.call(Method::POST, "/api/v1/auth/refresh", &body).await).refresh
    };
    assert_eq!(refresh(at_a.clone()).await, refresh(at_b.clone()).await, "two tabs");

    exchange(&mut nodes.b);
    let told = nodes.place.server.told(&["keys", "reseal"]);
    assert!(told.contains(", 0 of them"), "the second node sealed anew what was left: {told}");
    for node in [&mut nodes.place.server, &mut nodes.b] {
        node.amend(ROOTS, NONE);
        node.restart();
    }
    both_steps(at_a, "bob", &of_bob.codes[0]).await;
    both_steps(at_b, "ann", &of_ann.codes[0]).await;
}

/// The command line is given a root secret that sealed nothing.
// proves: ID-11
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_root_secret_is_told_and_spoils_nothing() {
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
    both_steps(place.anybody(), "ann", &factor.next()).await;
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
        let tokens = both_steps(place.anybody(), "ann", &lost.next()).await;
        let waiting = ticket(place.anybody(), "ann").await;
        let otto = place.user("otto", "user").await;

        place.server.told(&["user", "reset-factors", "ann"]);
        assert!(soon(async || ann.get("/page").await.status == StatusCode::UNAUTHORIZED).await);
        assert_eq!(status(&place, &tokens.access).await, StatusCode::UNAUTHORIZED);
        assert_eq!(place.refresh(&tokens.refresh).await.status, StatusCode::UNAUTHORIZED);
        let finder = second(place.anybody(), &waiting, &lost.codes[0]).await;
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
            let refused = second(place.anybody(), &ticket(place.anybody(), "ann").await, &former).await;
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{former}: {}", refused.text());
        }
        both_steps(place.anybody(), "ann", &found.next()).await;
        assert_eq!(otto.clone().get("/page").await.status, StatusCode::OK, "nobody else");
    })
    .await;
}
