//! Nobody learns who has an account: not by words, status, size or fields, on any way in. The time is measured where
//! nothing else takes any, in `access/tests/it/time.rs`.

use std::fmt::Write as _;

use http::{Method, StatusCode};
use palisade_access::NewUser;
use palisade_model::audit::Origin;
use palisade_model::{Secret, Timestamp, World};
use palisade_store::Identity;
use serde_json::{Value, json};

use super::second::Program;
use super::{FORM, HTML, encoded, open};
use crate::support::{Answer, PASSWORD, Site, Upstream};

const PROXY: (&str, &str) = ("PALISADE_EDGE__TRUSTED_PROXIES", "127.0.0.0/8");
const WRONG: &str = "not-the-password-7";

/// Everybody who can be asked about, with names of one length. `nobod` is not there.
const PEOPLE: [&str; 7] = ["known", "locke", "gonex", "fresh", "barex", "oidcx", "nobod"];

/// A site whose time stands still, so that all limits read alike for whoever comes for the first time.
struct Place {
    site: Site,
    strangers: std::cell::Cell<u32>,
}

impl Place {
    async fn start(sign_up: &str) -> Self {
        let (world, _) = World::still(Timestamp::from_secs(1_790_000_000));
        let world = World { clock: world.clock, ..World::real() };
        let policy = open(&Upstream::plain().await, "20/minute").replace("open = true\n", sign_up);
        let policy = format!("{policy}\n[identify.lockout]\naccount_attempts = 3\n");
        let site = Site::start_in_with(world, &[PROXY], &policy).await;
        let place = Self { site, strangers: std::cell::Cell::new(0) };
        for name in &PEOPLE[..6] {
            place.somebody(name).await;
        }
        for _ in 0..3 {
            place.json("/api/v1/auth/login", &json!({"login": "locke", "password": WRONG})).await;
        }
        assert_eq!(super::second::rows(&place.site, "lockout.began").await, 1);
        place
    }

    async fn somebody(&self, name: &str) {
        let access = &self.site.running.access;
        let new = NewUser {
            name: name.to_owned(),
            email: (name != "barex").then(|| format!("{name}@example.com")),
            email_verified: name != "fresh",
            roles: Some(vec!["user".to_owned()]),
            password: (name != "barex" && name != "oidcx").then(|| Secret::new(PASSWORD)),
            ..NewUser::default()
        };
        let user = access.create_user(new, None, &Origin::default()).await.unwrap();
        match name {
            "gonex" => access.disable(user, None, &Origin::default()).await.unwrap(),
            "oidcx" => {
                let identity = Identity {
                    issuer: "https://login.example.com".into(),
                    subject: "s".into(),
                    user,
                    provider: "company".into(),
                    email: None,
                    linked_at: Timestamp::from_secs(1_790_000_000),
                    last_used: None,
                };
                self.site.running.store.link_identity(&identity, Vec::new()).await.unwrap();
            }
            _ => {}
        }
    }

    /// An address that nobody came from before.
    fn stranger(&self) -> String {
        self.strangers.set(self.strangers.get() + 1);
        std::net::Ipv4Addr::from(0x0a00_0000 + self.strangers.get()).to_string()
    }

    async fn json(&self, path: &str, body: &Value) -> Answer {
        Program::from(&self.site, &self.stranger()).post(path, body).await
    }

    async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let (own, address) = (format!("http://{}", self.site.address), self.stranger());
        let headers = [("content-type", FORM), ("origin", own.as_str()), HTML, ("x-forwarded-for", &address)];
        self.site.client().send(Method::POST, path, &headers, &encoded(fields)).await
    }

    async fn page(&self, path: &str, kind: &str) -> Answer {
        let address = self.stranger();
        self.site
            .client()
            .send(Method::GET, path, &[("accept", kind), ("x-forwarded-for", &address)], "")
            .await
    }
}

/// Everything of an answer but what is drawn anew for each. `typed` comes back in forms.
fn bare(answer: &Answer, typed: &str) -> String {
    let mut text = format!("{}\n", answer.status);
    for (name, value) in &answer.headers {
        if name != "date" {
            let _ = writeln!(text, "{name}: {}", value.to_str().unwrap());
        }
    }
    let _ = write!(text, "\n{}", answer.text());
    text = text.replace(answer.header("x-request-id").unwrap(), "ID");
    let csp = answer.header("content-security-policy").unwrap_or_default();
    if let Some(nonce) = csp.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next()) {
        text = text.replace(nonce, "NONCE");
    }
    if typed.is_empty() { text } else { text.replace(typed, "TYPED") }
}

fn assert_alike(what: &str, status: StatusCode, answers: &[(String, Answer)]) {
    let first = bare(&answers[0].1, &answers[0].0);
    for (typed, answer) in answers {
        assert_eq!(answer.status, status, "{what} {typed}: {}", answer.text());
        assert_eq!(bare(answer, typed), first, "{what}: {typed} and {}", answers[0].0);
    }
}

// proves: ID-1, LIMIT-2, LIMIT-3
#[tokio::test]
async fn sign_in_tells_nobody_apart_by_any_of_its_names() {
    let place = Place::start("open = true\n").await;
    for path in ["/auth/login", "/api/v1/auth/login", "/auth/api_login", "/api/login"] {
        let mut answers = Vec::new();
        for name in PEOPLE {
            answers.push((name.to_owned(), place.form(path, &[("login", name), ("password", WRONG)]).await));
        }
        assert_alike(path, StatusCode::UNAUTHORIZED, &answers);
        for extra in [None, Some("session")] {
            let mut answers = Vec::new();
            for name in PEOPLE {
                let mut body = json!({"login": name, "password": WRONG});
                if let Some(flag) = extra {
                    body[flag] = true.into();
                }
                answers.push((name.to_owned(), place.json(path, &body).await));
            }
            // The right password opens neither what is locked nor what is closed.
            for name in ["locke", "gonex"] {
                let body = json!({"login": name, "password": PASSWORD});
                answers.push((name.to_owned(), place.json(path, &body).await));
            }
            assert_alike(path, StatusCode::UNAUTHORIZED, &answers);
        }
    }
    let mut answers = Vec::new();
    for path in ["/auth/api_login", "/api/login"] {
        for (field, name) in
            [("email", "known@example.com"), ("email", "nobod@example.com"), ("username", "known")]
        {
            let mut body = json!({"password": WRONG});
            body[field] = name.into();
            answers.push((name.to_owned(), place.json(path, &body).await));
        }
    }
    assert_alike("former names", StatusCode::UNAUTHORIZED, &answers);
}

// proves: ID-1, ID-4, LIMIT-2
#[tokio::test]
async fn a_forgotten_password_tells_nobody_apart_however_often_it_is_asked_for() {
    let place = Place::start("open = true\nverify = true\n").await;
    for path in [
        "/auth/forgot-password",
        "/api/v1/auth/forgot-password",
        "/auth/api_forgot_password",
        "/api/forgot_password",
    ] {
        let (mut forms, mut programs) = (Vec::new(), Vec::new());
        for name in PEOPLE.into_iter().flat_map(|name| [name.to_owned(), format!("{name}@example.com")]) {
            forms.push((String::new(), place.form(path, &[("login", &name)]).await));
            programs.push((String::new(), place.json(path, &json!({"login": name})).await));
        }
        assert_alike(path, StatusCode::OK, &forms);
        assert_alike(path, StatusCode::ACCEPTED, &programs);
    }
}

// proves: ID-1, ID-4, LIMIT-2
#[tokio::test]
async fn a_registration_tells_nothing_of_who_is_there_or_has_asked_before() {
    let place = Place::start("open = true\nverify = true\n").await;
    for path in ["/auth/register", "/api/v1/auth/register", "/auth/api_signup", "/api/signup"] {
        let (mut forms, mut programs) = (Vec::new(), Vec::new());
        // Twice each: the second letter is asked for as the first was.
        for (name, email) in PEOPLE
            .into_iter()
            .flat_map(|name| [("newer", name), (name, "newer")])
            .chain([("newer", "newer"), ("newer", "newer")])
        {
            let email = format!("{email}@example.com");
            let fields = [("name", name), ("email", &email), ("password", PASSWORD)];
            forms.push((String::new(), place.form(path, &fields).await));
            let body = json!({"name": name, "email": email, "password": PASSWORD});
            programs.push((String::new(), place.json(path, &body).await));
        }
        assert_alike(path, StatusCode::OK, &forms);
        assert_alike(path, StatusCode::ACCEPTED, &programs);
    }
    assert!(place.site.running.store.user_by_login("newer").await.unwrap().is_none());
}

// proves: ID-4, OBS-5
#[tokio::test]
async fn a_link_that_is_not_good_tells_nothing_of_why() {
    let place = Place::start("open = true\nverify = true\n").await;
    let site = &place.site;
    let access = &site.running.access;
    let id = async |name: &str| site.running.store.user_by_login(name).await.unwrap().unwrap().id;
    let used =
        access.issue_link(id("known").await, None, &Origin::default()).await.unwrap().expose().to_owned();
    let done = place.form(&format!("/auth/link/{used}"), &[("password", "granite lantern oboe 58 B!")]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    let disabled =
        access.issue_link(id("barex").await, None, &Origin::default()).await.unwrap().expose().to_owned();
    access.disable(id("barex").await, None, &Origin::default()).await.unwrap();
    let tokens = [used, disabled, "A".repeat(43), "short".to_owned()];
    for path in ["/auth/link/", "/auth/reset-password/", "/auth/confirm/"] {
        for kind in ["text/html", "application/json"] {
            let mut pages = Vec::new();
            for token in &tokens {
                pages.push((String::new(), place.page(&format!("{path}{token}"), kind).await));
            }
            assert_alike(path, StatusCode::GONE, &pages);
        }
        let mut sent = Vec::new();
        for token in &tokens {
            let fields = [("password", "granite lantern oboe 58 C!")];
            let named = [("name", "newer"), fields[0]];
            let fields = if path == "/auth/confirm/" { &named[..] } else { &fields[..] };
            sent.push((String::new(), place.form(&format!("{path}{token}"), fields).await));
        }
        assert_alike(path, StatusCode::GONE, &sent);
    }
    let mut sent = Vec::new();
    for token in &tokens {
        let body = json!({"token": token, "password": "granite lantern oboe 58 C!"});
        sent.push((String::new(), place.json("/api/v1/auth/reset-password", &body).await));
    }
    assert_alike("reset", StatusCode::GONE, &sent);
}

// proves: ID-4
#[tokio::test]
async fn another_address_is_asked_for_alike_whoever_has_it() {
    let place = Place::start("open = true\n").await;
    let mut answers = Vec::new();
    for name in PEOPLE {
        let mut known = Program::from(&place.site, &place.stranger());
        known.session("fresh").await;
        let mut body = json!({"email": format!("{name}@example.com")});
        if name == "fresh" || name == "barex" {
            body["email"] = "newer@example.com".into();
        }
        answers.push((String::new(), known.post("/account/email", &body).await));
    }
    assert_alike("another address", StatusCode::ACCEPTED, &answers);
}

// proves: ID-1, ID-17
#[tokio::test]
async fn a_ticket_that_is_not_good_tells_nothing_of_why() {
    let place = Place::start("open = true\n").await;
    let mut answers = Vec::new();
    for ticket in ["A".repeat(43), "x".to_owned(), String::new(), "B".repeat(5000)] {
        let body = json!({"ticket": ticket, "code": "123456"});
        answers.push((String::new(), place.json("/api/v1/auth/second", &body).await));
    }
    assert_alike("second", StatusCode::UNAUTHORIZED, &answers);
    let pages = [
        place.page("/auth/second", "text/html").await,
        place.page("/auth/second?next=/x", "text/html").await,
    ];
    assert_alike("its page", StatusCode::UNAUTHORIZED, &pages.map(|page| (String::new(), page)));
}
