//! The second step, proof anew and passkeys for programs: whole stories with their refusals, and what the trail keeps.

#[path = "../../../../access/tests/it/authenticator.rs"]
mod authenticator;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use http::{Method, StatusCode};
use palisade_model::{Clock as _, ManualClock, Timestamp, World};
use serde_json::{Value, json};

use super::{FORM, HTML, encoded, open};
use crate::support::{Answer, Client, PASSWORD, Site, Upstream};
use authenticator::Key;

/// A program with a session or without: sends JSON, and the token against forged requests if it has one.
pub struct Program {
    pub client: Client,
    own: String,
    csrf: String,
    address: Option<String>,
}

impl Program {
    /// At the site's own name.
    pub fn at(site: &Site, host: &str) -> Self {
        let own = format!("http://{host}:{}", site.address.port());
        Self { client: site.client(), own, csrf: String::new(), address: None }
    }

    pub fn new(site: &Site) -> Self {
        Self::at(site, "127.0.0.1")
    }

    /// Somebody who is signed in already.
    pub async fn with(site: &Site, mut client: Client) -> Self {
        let token = client.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
        Self { client, csrf: token, ..Self::new(site) }
    }

    /// The same, as a trusted proxy tells of it.
    pub fn from(site: &Site, address: &str) -> Self {
        Self { address: Some(address.to_owned()), ..Self::new(site) }
    }

    pub async fn post(&mut self, path: &str, body: &Value) -> Answer {
        let host = self.own.trim_start_matches("http://").to_owned();
        let mut headers = vec![
            ("host", host.as_str()),
            ("content-type", "application/json"),
            ("origin", self.own.as_str()),
            ("x-csrf-token", self.csrf.as_str()),
        ];
        headers.extend(self.address.as_deref().map(|address| ("x-forwarded-for", address)));
        let answer = self.client.send(Method::POST, path, &headers, &body.to_string()).await;
        if answer.status.is_success()
            && answer.header("content-type") == Some("application/json")
            && let Some(token) = answer.json()["csrf_token"].as_str()
        {
            self.csrf = token.to_owned();
        }
        answer
    }

    /// What it gets is what was hoped for.
    pub async fn done(&mut self, path: &str, body: &Value) -> Value {
        let answer = self.post(path, body).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text());
        answer.json()
    }

    pub async fn session(&mut self, login: &str) -> Value {
        self.done("/api/v1/auth/login", &json!({"login": login, "password": PASSWORD, "session": true})).await
    }

    async fn me(&mut self) -> StatusCode {
        let host = self.own.trim_start_matches("http://").to_owned();
        self.client.send(Method::GET, "/api/v1/auth/me", &[("host", &host)], "").await.status
    }
}

/// What an authenticator application shows at that time (RFC 6238).
pub fn totp(secret: &str, at: Timestamp) -> String {
    let secret = BASE32_NOPAD.decode(secret.replace(' ', "").as_bytes()).unwrap();
    let step = at.as_secs() / 30;
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &secret), &step.to_be_bytes());
    let at = usize::from(tag.as_ref()[19] & 0xf);
    let number = u32::from_be_bytes(tag.as_ref()[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// Sets an application up, as a program does; its secret and the recovery codes.
pub async fn with_app(program: &mut Program, now: Timestamp) -> (String, Vec<String>) {
    let offer = program.done("/account/factors/app", &json!({})).await;
    let secret = offer["secret"].as_str().unwrap().to_owned();
    let first = json!({"ceremony": offer["ceremony"], "code": totp(&secret, now)});
    let added = program.done("/account/factors/app/confirm", &first).await;
    let codes = added["recovery_codes"].as_array().unwrap();
    (secret, codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect())
}

/// How many rows of the trail tell of that.
pub async fn rows(site: &Site, action: &str) -> usize {
    let query =
        palisade_store::AuditQuery { action: Some(action.to_owned()), limit: 1000, ..Default::default() };
    site.running.store.audit_rows(&query).await.unwrap().len()
}

/// A site whose clock the test moves.
async fn clocked(more: &str) -> (Site, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(World::real().now()));
    let world = World { clock: clock.clone(), ..World::real() };
    let policy = format!("{}\n{more}", open(&Upstream::plain().await, "10000/minute"));
    (Site::start_in(world, &policy).await, clock)
}

async fn half_in(program: &mut Program, login: &str) -> Value {
    let half = program.done("/api/v1/auth/login", &json!({"login": login, "password": PASSWORD})).await;
    assert_eq!(half["second_factor_required"], true, "{half}");
    half["ticket"].clone()
}

const SECOND: &str = "/api/v1/auth/second";

/// A challenge where there is no passkey, another method of HTTP, and another site.
async fn by_other_ways(site: &Site, program: &mut Program, ticket: &Value, right: &str) {
    site.assert_refused(
        &program.post("/api/v1/auth/second/challenge", &json!({"ticket": ticket})).await,
        404,
        "edge.route",
    );
    let challenge = json!({"ticket": "A".repeat(43)});
    site.assert_refused(
        &program.post("/api/v1/auth/second/challenge", &challenge).await,
        401,
        "identify.ticket",
    );
    let got = program.client.get(SECOND).await;
    site.assert_refused(&got, 405, "edge.method");
    let foreign = json!({"ticket": ticket, "code": right});
    let headers = [("content-type", "application/json"), ("origin", "http://evil.example")];
    let refused = program.client.send(Method::POST, SECOND, &headers, &foreign.to_string()).await;
    site.assert_refused(&refused, 403, "csrf.origin");
}

/// Tokens for whoever asked for tokens; the code of a moment ago is used up, a recovery code is good once.
async fn tokens_by_second(site: &Site, right: &str, recovery: &str) {
    let path = SECOND;
    let mut other = Program::new(site);
    let ticket = half_in(&mut other, "eva").await;
    site.assert_refused(
        &other.post(path, &json!({"ticket": ticket, "code": right})).await,
        401,
        "identify.factor",
    );
    let tokens = other.post(path, &json!({"ticket": ticket, "code": recovery})).await;
    assert!(
        tokens.json()["access_token"].is_string() && tokens.header("set-cookie").is_none(),
        "{}",
        tokens.text()
    );
    let ticket = half_in(&mut other, "eva").await;
    let spent = other.post(path, &json!({"ticket": ticket, "code": recovery})).await;
    site.assert_refused(&spent, 401, "identify.factor");
    assert_eq!(rows(site, "factor.code_used").await, 1);
}

// proves: ID-17, AUD-1, AUD-4, OBS-5
#[tokio::test]
async fn a_program_takes_the_second_step_and_each_wrong_one_is_told_apart_and_kept_once() {
    let (site, clock) = clocked("").await;
    let now = || clock.now();
    let _ = site.signed_in("eva", "user").await;
    let mut eva = Program::new(&site);
    eva.session("eva").await;
    let (secret, codes) = with_app(&mut eva, now()).await;
    clock.advance(Duration::from_secs(30));

    let mut program = Program::new(&site);
    let answer = program
        .post("/api/v1/auth/login", &json!({"login": "eva", "password": PASSWORD, "session": true}))
        .await;
    assert_eq!((answer.status, answer.header("set-cookie")), (StatusCode::OK, None), "{}", answer.text());
    let half = answer.json();
    assert_eq!(
        (&half["methods"], &half["expires_in"]),
        (&json!(["totp", "recovery_code"]), &json!(300)),
        "{half}"
    );
    assert!(
        half.get("access_token").is_none() && half.get("csrf_token").is_none() && half.get("user").is_none()
    );
    let (ticket, path) = (half["ticket"].clone(), SECOND);
    let (signed_in, asked) =
        (rows(&site, "session.signed_in").await, rows(&site, "session.second_factor_asked").await);
    assert_eq!((program.me().await, asked), (StatusCode::UNAUTHORIZED, 1));

    let right = totp(&secret, now());
    let wrong = if right == "000000" { "000001" } else { "000000" };
    for (body, status, code, field) in [
        (json!({}), 401, "identify.ticket", None),
        (json!({"code": right}), 401, "identify.ticket", None),
        (json!({"ticket": "", "code": right}), 401, "identify.ticket", None),
        (json!({"ticket": "A".repeat(43), "code": right}), 401, "identify.ticket", None),
        (json!({"ticket": ticket}), 422, "inspect.fields", Some("code")),
        (json!({"ticket": ticket, "credential": "{}"}), 422, "inspect.fields", Some("code")),
        (json!({"ticket": ticket, "code": right, "method": "none"}), 422, "inspect.fields", Some("method")),
        // A password is no second step, and asks for none to be left out.
        (
            json!({"ticket": ticket, "password": PASSWORD, "code": right}),
            422,
            "inspect.fields",
            Some("password"),
        ),
        (json!({"ticket": ticket, "code": wrong}), 401, "identify.factor", None),
        // A passkey, of somebody who has none.
        (json!({"ticket": ticket, "ceremony": "x", "credential": "{}"}), 401, "identify.factor", None),
    ] {
        let failed = rows(&site, "session.second_factor_failed").await;
        let refused = program.post(path, &body).await;
        site.assert_refused(&refused, status, code);
        let named = refused.json()["errors"]
            .as_array()
            .map(|all| all.iter().map(|one| one["field"].clone()).collect());
        assert_eq!(named, field.map(|field| vec![json!(field)]), "{body}: {}", refused.text());
        assert!(refused.header("set-cookie").is_none() && !refused.text().contains(&right), "{body}");
        if status == 401 {
            assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"api\""), "{body}");
        }
        let kept = rows(&site, "session.second_factor_failed").await - failed;
        assert_eq!(kept, usize::from(code == "identify.factor"), "{body}");
    }
    by_other_ways(&site, &mut program, &ticket, &right).await;
    assert_eq!(rows(&site, "session.signed_in").await, signed_in, "nobody got in by any of it");

    // The session that was asked for in the first step, and no tokens.
    let done = program.post(path, &json!({"ticket": ticket, "code": right})).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text());
    assert!(done.json()["csrf_token"].is_string() && done.json()["user"]["name"] == "eva", "{}", done.text());
    assert!(done.json().get("access_token").is_none());
    assert_eq!((program.me().await, rows(&site, "session.signed_in").await), (StatusCode::OK, signed_in + 1));
    let again = Program::new(&site).post(path, &json!({"ticket": ticket, "code": right})).await;
    site.assert_refused(&again, 401, "identify.ticket");

    tokens_by_second(&site, &right, &codes[0]).await;
}

// proves: ID-17, CSRF-1, AUD-1, OBS-5
#[tokio::test]
async fn a_program_proves_anew_who_it_is_and_only_so_changes_what_is_sensitive() {
    let (site, clock) = clocked("").await;
    let now = || clock.now();
    let _ = site.signed_in("eva", "user").await;
    let path = "/api/v1/auth/confirm";
    site.assert_refused(
        &Program::new(&site).post(path, &json!({"password": PASSWORD})).await,
        401,
        "authorize.sign_in",
    );
    let bearer =
        Program::new(&site).done("/api/v1/auth/login", &json!({"login": "eva", "password": PASSWORD})).await;
    let bearer = format!("Bearer {}", bearer["access_token"].as_str().unwrap());
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    let by_token =
        site.client().send(Method::POST, path, &headers, &json!({"password": PASSWORD}).to_string()).await;
    site.assert_refused(&by_token, 401, "identify.proof");
    let asked = r#"Bearer realm="api", error="insufficient_user_authentication""#;
    assert_eq!(by_token.header("www-authenticate"), Some(asked));

    let mut eva = Program::new(&site);
    eva.session("eva").await;
    clock.advance(Duration::from_secs(601));
    let stale = eva.post("/account/factors/app", &json!({})).await;
    site.assert_refused(&stale, 401, "identify.proof");
    assert_eq!(stale.header("www-authenticate"), Some(asked));
    // A browser gets a page that leads to where it can put that right.
    let form = encoded(&[(&site.running.policy.csrf.field, &eva.csrf)]);
    let headers = [("content-type", FORM), ("origin", &*eva.own), HTML];
    let page = eva.client.send(Method::POST, "/account/factors/app", &headers, &form).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(page.text().contains("<a href=\"/auth/confirm\">Confirm that it is you</a>"), "{}", page.text());

    let csrf = std::mem::take(&mut eva.csrf);
    site.assert_refused(&eva.post(path, &json!({"password": PASSWORD})).await, 403, "csrf.token");
    eva.csrf = csrf;
    for (body, field) in [
        (json!({}), "code"),
        (json!({"password": "not-the-password-7"}), "password"),
        (json!({"password": PASSWORD, "role": "admin"}), "role"),
    ] {
        let refused = eva.post(path, &body).await;
        site.assert_refused(&refused, 422, "inspect.fields");
        assert_eq!(refused.json()["errors"][0]["field"], field, "{}", refused.text());
    }
    site.assert_refused(&eva.post(path, &json!({"code": "123456"})).await, 401, "identify.factor");
    site.assert_refused(&eva.post("/api/v1/auth/confirm/challenge", &json!({})).await, 404, "edge.route");
    assert_eq!(rows(&site, "session.confirmed").await, 0);
    site.assert_refused(&eva.post("/account/factors/app", &json!({})).await, 401, "identify.proof");

    let mut thief = Program::new(&site);
    thief.client = eva.client.clone();
    thief.csrf.clone_from(&eva.csrf);
    let done = eva.post(path, &json!({"password": PASSWORD})).await;
    assert_eq!(done.json()["user"]["name"], "eva", "{}", done.text());
    assert_eq!((eva.me().await, thief.me().await), (StatusCode::OK, StatusCode::UNAUTHORIZED));
    assert_eq!(rows(&site, "session.confirmed").await, 1);
    let (secret, _) = with_app(&mut eva, now()).await;

    // From now on a password is not enough; a code is, once.
    clock.advance(Duration::from_secs(630));
    let weak = eva.post(path, &json!({"password": PASSWORD})).await;
    site.assert_refused(&weak, 401, "identify.second_factor");
    site.assert_refused(&eva.post("/account/factors/codes", &json!({})).await, 401, "identify.proof");
    let code = json!({"code": totp(&secret, now())});
    eva.done(path, &code).await;
    site.assert_refused(&eva.post(path, &code).await, 401, "identify.factor");
    eva.done("/account/factors/codes", &json!({})).await;
    assert_eq!(rows(&site, "session.confirmed").await, 2);
}

/// Nobody's passkey of this site.
fn new_key(site: &Site) -> Key {
    let mut key = Key::new();
    (key.origin, key.site) = (format!("http://localhost:{}", site.address.port()), "localhost".into());
    key
}

/// A passkey of that user, made as a program does.
async fn with_key(site: &Site, name: &str) -> Key {
    let mut program = Program::at(site, "localhost");
    program.session(name).await;
    let mut key = new_key(site);
    let challenge = program.done("/account/factors/passkey/challenge", &json!({})).await;
    let credential = key.make(&challenge);
    let new = json!({"name": "phone", "ceremony": challenge["ceremony"], "credential": credential.expose()});
    program.done("/account/factors/passkey", &new).await;
    key
}

/// Two people, at a host that passkeys know.
async fn two() -> Site {
    let site = Site::start_named("localhost", &open(&Upstream::plain().await, "10000/minute")).await;
    for name in ["eva", "mallory"] {
        let _ = site.signed_in(name, "user").await;
    }
    site
}

const ATTACKS: [&str; 8] = [
    "replay",
    "unknown key",
    "another's name",
    "phishing site",
    "not verified",
    "junk",
    "no ceremony",
    "old counter",
];

/// A second passkey sign-in, by what was shown before or should not count; the ceremony, and what is shown.
async fn forged(
    site: &Site,
    attack: &str,
    mut challenge: Value,
    eva: &mut Key,
    mallory: &mut Key,
) -> (Value, String) {
    let credential = match attack {
        "unknown key" => new_key(site).show(&challenge),
        "another's name" => {
            let mut thief = new_key(site);
            let eva = site.running.store.user_by_login("eva").await.unwrap().unwrap().id;
            thief.claim(eva.0.as_bytes());
            thief.show(&challenge)
        }
        "phishing site" => {
            let own =
                std::mem::replace(&mut eva.origin, format!("http://localhost:{}", site.address.port() ^ 1));
            let shown = eva.show(&challenge);
            eva.origin = own;
            shown
        }
        "not verified" => {
            eva.verifies = false;
            let shown = eva.show(&challenge);
            eva.verifies = true;
            shown
        }
        "old counter" => {
            mallory.counter = 0;
            mallory.sign(&challenge, |_| {})
        }
        _ => {
            challenge["ceremony"] = json!("A".repeat(43));
            eva.show(&challenge)
        }
    };
    (challenge["ceremony"].clone(), credential.expose().to_owned())
}

// proves: ID-17, ID-1, AUD-1
#[tokio::test]
async fn a_program_signs_in_by_passkey_and_every_failure_is_one_problem_with_one_row() {
    let site = two().await;
    let (mut eva, mut mallory) = (with_key(&site, "eva").await, with_key(&site, "mallory").await);
    let (path, ask) = ("/api/v1/auth/passkey", "/api/v1/auth/passkey/challenge");

    // Nobody can ask whose passkeys there are: the challenge names nobody.
    let mut program = Program::at(&site, "localhost");
    let challenge = program.done(ask, &json!({})).await;
    let named = challenge["publicKey"]["allowCredentials"].as_array().is_none_or(Vec::is_empty);
    assert!(named && challenge["publicKey"]["userVerification"] == "required", "{challenge}");
    for login in ["eva", "nobody"] {
        let refused = program.post(ask, &json!({"login": login})).await;
        site.assert_refused(&refused, 422, "inspect.fields");
    }

    // A session that somebody planted before is over.
    let planted = site.signed_in("oscar", "user").await.cookies().split_once('=').unwrap().1.to_owned();
    program.client.put_cookie("palisade_session", &planted);
    let shown = eva.show(&challenge);
    let done =
        program.post(path, &json!({"ceremony": challenge["ceremony"], "credential": shown.expose()})).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text());
    assert!(done.json()["csrf_token"].is_string() && done.json()["user"]["name"] == "eva");
    assert_eq!(program.me().await, StatusCode::OK);
    let mut planter = Program::at(&site, "localhost");
    planter.client.put_cookie("palisade_session", &planted);
    assert_eq!(planter.me().await, StatusCode::UNAUTHORIZED, "the planted session goes on");
    assert!(!program.client.cookies().contains(&planted));

    let (signed_in, failed) =
        (rows(&site, "session.signed_in").await, rows(&site, "session.sign_in_failed").await);
    let mut problems = Vec::new();
    for attack in ATTACKS {
        let mut program = Program::at(&site, "localhost");
        let challenge = program.done(ask, &json!({})).await;
        let (ceremony, credential) = match attack {
            "replay" => (challenge["ceremony"].clone(), shown.expose().to_owned()),
            "junk" => (challenge["ceremony"].clone(), "{}".to_owned()),
            attack => forged(&site, attack, challenge.clone(), &mut eva, &mut mallory).await,
        };
        let body = json!({"ceremony": ceremony, "credential": credential});
        let refused = program.post(path, &body).await;
        let why = site.assert_refused(&refused, 401, "identify.sign_in");
        assert!(
            refused.header("set-cookie").is_none() && program.me().await == StatusCode::UNAUTHORIZED,
            "{attack} {why}"
        );
        let id = refused.header("x-request-id").unwrap();
        problems.push((refused.headers.len(), refused.text().replace(id, "ID")));
        // The challenge is used up, whatever came of it.
        let again = json!({"ceremony": ceremony, "credential": eva.show(&challenge).expose()});
        site.assert_refused(&program.post(path, &again).await, 401, "identify.sign_in");
    }
    assert!(problems.windows(2).all(|pair| pair[0] == pair[1]), "{problems:#?}");
    assert_eq!(rows(&site, "session.signed_in").await, signed_in);
    assert_eq!(rows(&site, "session.sign_in_failed").await, failed + 2 * problems.len());
    for (body, field) in [(json!({}), "ceremony"), (json!({"ceremony": "x"}), "credential")] {
        let refused = program.post(path, &body).await;
        site.assert_refused(&refused, 422, "inspect.fields");
        assert_eq!(refused.json()["errors"][0]["field"], field);
    }
}

// proves: ID-17
#[tokio::test]
async fn a_passkey_is_the_second_step_of_the_one_whose_ticket_it_is_and_of_nobody_else() {
    let site = two().await;
    let (mut eva, mut mallory) = (with_key(&site, "eva").await, with_key(&site, "mallory").await);
    let mut program = Program::at(&site, "localhost");
    let ticket = half_in(&mut program, "eva").await;
    let mut theirs = Program::at(&site, "localhost");
    let other = half_in(&mut theirs, "mallory").await;
    let challenge = theirs.done("/api/v1/auth/second/challenge", &json!({"ticket": other})).await;
    let crossed = json!({"ticket": ticket, "ceremony": challenge["ceremony"], "credential": mallory.show(&challenge).expose()});
    site.assert_refused(&program.post("/api/v1/auth/second", &crossed).await, 401, "identify.factor");
    let challenge = program.done("/api/v1/auth/second/challenge", &json!({"ticket": ticket})).await;
    assert_eq!(challenge["publicKey"]["allowCredentials"].as_array().unwrap().len(), 1);
    let right = json!({"ticket": ticket, "ceremony": challenge["ceremony"], "credential": eva.show(&challenge).expose()});
    let tokens = program.done("/api/v1/auth/second", &right).await;
    assert!(tokens["access_token"].is_string(), "{tokens}");
}

// proves: ID-17, ACC-2
#[tokio::test]
async fn a_browser_whose_role_needs_a_second_step_is_led_to_where_it_sets_one_up() {
    let upstream = Upstream::plain().await;
    let policy = format!(
        "[identify.second_factor]\nrequired_for = [\"user\"]\n[[route]]\npath = \"/{{*rest}}\"\nto = \"upstream:app\"\n\
         allow = {{ read = \"user\", write = \"user\" }}\n[upstream.app]\nurl = \"http://{}\"\n",
        upstream.address
    );
    let site = Site::start(&policy).await;
    let mut eva = site.signed_in("eva", "user").await;
    let sent = eva.send(Method::GET, "/orders?id=7", &[HTML], "").await;
    assert_eq!(
        (sent.status, sent.header("location")),
        (StatusCode::SEE_OTHER, Some("/account/factors?next=/orders%3Fid%3D7"))
    );
    assert_eq!(site.events_of(sent.header("x-request-id").unwrap()).len(), 1, "a refusal all the same");
    let page = eva.send(Method::GET, sent.header("location").unwrap(), &[HTML], "").await;
    assert!(page.status == StatusCode::OK && page.text().contains("set one up to go on"), "{}", page.text());
    site.assert_refused(&eva.get("/orders").await, 403, "authorize.factor");
    site.assert_refused(&eva.get("/account").await, 403, "authorize.factor");
    assert!(upstream.received().is_empty());
}
