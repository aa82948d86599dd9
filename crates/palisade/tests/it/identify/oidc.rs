//! Sign-in at another site, before a certified provider (ID-6, ID-7).

mod browser;
mod failing;
mod link;
mod logout;
mod notices;
mod roles;
mod secure;

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

use crate::support::process::{self, Program};
use crate::support::{Answer, Client, Site};

/// What both know.
const SECRET: &str = "a-secret-that-both-know-0123456789";

/// A site with one provider, `company`.
pub struct World {
    pub site: Site,
    pub provider: Program,
}

/// A person's browser: one jar for each site.
pub struct Person {
    pub here: Client,
    pub there: Client,
    issuer: String,
}

impl World {
    pub async fn start(more: &str) -> Self {
        let provider = process::oidc();
        let site = Self::site(&provider.issuer(), more).await;
        let world = Self { site, provider };
        world.begin(json!({})).await;
        world
    }

    /// A site that trusts that issuer.
    pub async fn site(issuer: &str, more: &str) -> Site {
        let policy = format!(
            "[identify]\nhome = \"/account\"\n[shield.limits]\nlogin = \"1000/minute\"\n\
             [identify.oidc.company]\nissuer = \"{issuer}\"\nclient_id = \"palisade\"\n\
             client_secret = \"env:COMPANY_SECRET\"\nlabel = \"The Company\"\n{more}"
        );
        Site::start_with(&[("COMPANY_SECRET", SECRET)], &policy).await
    }

    /// Starts the provider (again), with new keys.
    pub async fn begin(&self, mut settings: Value) {
        let origin = format!("http://{}", self.site.address);
        settings["redirect_uri"] = format!("{origin}/auth/callback/company").into();
        settings["post_logout_redirect_uri"] = format!("{origin}/auth/signed-out").into();
        settings["backchannel_logout_uri"] = format!("{origin}/auth/oidc/company/backchannel-logout").into();
        self.tell("/test/start", &settings).await;
    }

    /// Who signs in next.
    pub async fn account(&self, account: Value) {
        self.tell("/test/account", &account).await;
    }

    async fn tell(&self, path: &str, what: &Value) {
        let answer =
            Client::new(self.provider.address()).send(Method::PUT, path, &[], &what.to_string()).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    }

    pub fn person(&self) -> Person {
        Person {
            here: self.site.client(),
            there: Client::new(self.provider.address()),
            issuer: self.provider.issuer(),
        }
    }

    /// Why the last request that was refused was: from the events.
    pub fn last_reason(&self) -> String {
        let events = self.site.events();
        events.last().map(|event| event["payload"]["why"].as_str().unwrap().to_owned()).unwrap_or_default()
    }

    pub async fn users(&self) -> u64 {
        self.site.running.store.user_count().await.unwrap()
    }
}

impl Program {
    fn issuer(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }
}

impl Person {
    /// Presses the button; where the site sends them.
    pub async fn leave(&mut self, path: &str) -> String {
        let answer = self.here.get(path).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
        answer.header("location").unwrap().to_owned()
    }

    /// Walks through the provider; the path of the callback, with its query.
    pub async fn at_provider(&mut self, location: &str) -> String {
        let mut path = location.strip_prefix(&self.issuer).expect(location).to_owned();
        let host = self.issuer.split_once("://").unwrap().1.to_owned();
        for _ in 0..8 {
            let headers = [("host", host.as_str())];
            let response = self.there.open(Method::GET, &path, &headers, Full::<Bytes>::default()).await;
            let to = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
            let Some(to) = to else {
                let body = response.into_body().collect().await.unwrap().to_bytes();
                panic!("the provider is stuck at {path}: {}", String::from_utf8_lossy(&body));
            };
            let plain = self.issuer.replacen("https:", "http:", 1);
            let own = to.strip_prefix(&self.issuer).or_else(|| to.strip_prefix(&plain));
            match own.or(to.starts_with('/').then_some(to.as_str())) {
                Some(on) => path = on.to_owned(),
                None => {
                    return to
                        .split_once("/auth/callback/")
                        .map(|(_, rest)| format!("/auth/callback/{rest}"))
                        .unwrap();
                }
            }
        }
        panic!("the provider goes in a circle");
    }

    /// The whole way; the answer of the callback.
    pub async fn sign_in(&mut self, path: &str) -> Answer {
        let location = self.leave(path).await;
        let callback = self.at_provider(&location).await;
        self.here.get(&callback).await
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.here.address())
    }

    pub async fn me(&mut self) -> Value {
        let answer = self.here.get("/api/v1/auth/me").await;
        if answer.status == StatusCode::OK { answer.json() } else { Value::Null }
    }
}

/// Where a page goes on to by itself.
pub fn goes_on_to(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let text = answer.text();
    let (_, rest) = text.split_once("content=\"0; url=").unwrap_or_else(|| panic!("no way on: {text}"));
    rest.split('"').next().unwrap().to_owned()
}

// proves: ID-6
#[tokio::test(flavor = "multi_thread")]
async fn somebody_from_elsewhere_gets_an_account_and_comes_back_to_it() {
    let world = World::start("default_roles = [\"user\"]\n").await;
    world.account(json!({"sub": "ada-1", "email": "ada@example.com", "email_verified": true})).await;
    let mut ada = world.person();
    let page = ada.here.get("/auth/login").await;
    assert!(page.text().contains("Continue with The Company"), "{}", page.text());
    let before = world.users().await;
    let answer = ada.sign_in("/auth/oidc/company?next=/account").await;
    assert_eq!(goes_on_to(&answer), "/account");
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().map(|c| c.to_str().unwrap()).collect();
    assert!(cookies.iter().any(|cookie| cookie.contains("palisade_oidc=; ") && cookie.contains("Max-Age=0")));
    let me = ada.me().await;
    assert_eq!((&me["name"], &me["email"]), (&"ada".into(), &"ada@example.com".into()), "{me}");
    assert_eq!(me["roles"], json!(["user"]));
    assert_eq!(world.users().await, before + 1);

    let mut again = world.person();
    let answer = again.sign_in("/auth/oidc/company?next=//evil.example").await;
    assert_eq!(goes_on_to(&answer), "/account", "no open redirect");
    assert_eq!(again.me().await["id"], me["id"], "the same person, by issuer and subject");
    assert_eq!(world.users().await, before + 1);
    assert!(
        !world.site.events().iter().any(|event| event.to_string().contains("code=")),
        "a code in the log"
    );
}

// proves: ID-6
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_once_and_only_in_the_browser_that_asked() {
    let world = World::start("").await;
    world.account(json!({"sub": "eve-1", "email": "eve@example.com", "email_verified": true})).await;
    let users = world.users().await;
    let (mut eve, mut victim) = (world.person(), world.person());
    let location = eve.leave("/auth/oidc/company").await;
    let callback = eve.at_provider(&location).await;

    // Login CSRF: the attacker's answer in the victim's browser, who has begun nothing, or something of their own.
    world.site.assert_refused(&victim.here.get(&callback).await, 400, "identify.provider");
    assert_eq!(world.last_reason(), "the browser has begun no sign-in");
    victim.leave("/auth/oidc/company").await;
    world.site.assert_refused(&victim.here.get(&callback).await, 400, "identify.provider");
    assert_eq!(world.last_reason(), "the state is not this browser's, or too old");
    assert_eq!(victim.me().await, Value::Null);
    // Code injection: the attacker's code with the victim's own state: PKCE and the nonce are the victim's.
    let own = victim.leave("/auth/oidc/company").await;
    let state = |of: &str| {
        let query = of.split_once('?').unwrap().1.to_owned();
        url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "state").unwrap().1.into_owned()
    };
    let injected = callback.replace(&state(&callback), &state(&own));
    world.site.assert_refused(&victim.here.get(&injected).await, 400, "identify.provider");
    assert_eq!(world.last_reason(), "the provider refused the code: invalid_grant");
    assert_eq!((victim.me().await, world.users().await), (Value::Null, users));

    // The provider has seen the code misused, and takes it back: from the start.
    let location = eve.leave("/auth/oidc/company").await;
    let callback = eve.at_provider(&location).await;
    for (from, to, why) in [
        ("iss=", "isx=", "the answer names no issuer, though the provider always does"),
        ("code=", "cod=", "the answer has no code"),
        ("state=", "stat=", "the answer has no state"),
    ] {
        let mut eve = world.person();
        let location = eve.leave("/auth/oidc/company").await;
        let callback = eve.at_provider(&location).await.replacen(from, to, 1);
        world.site.assert_refused(&eve.here.get(&callback).await, 400, "identify.provider");
        assert_eq!(world.last_reason(), why);
    }
    let before = eve.here.cookies();
    assert_eq!(eve.here.get(&callback).await.status, StatusCode::OK);
    let cookie = before.split_once("palisade_oidc=").unwrap().1.split(';').next().unwrap().to_owned();
    let mut thief = world.person();
    thief.here.put_cookie("palisade_oidc", &cookie);
    world.site.assert_refused(&thief.here.get(&callback).await, 400, "identify.provider");
    assert_eq!(world.last_reason(), "the answer was used before");
    assert_eq!(thief.me().await, Value::Null);
}

// proves: ID-6
#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_and_every_algorithm_that_counts_works() {
    let world = World::start("").await;
    world.account(json!({"sub": "ada", "email": "ada@example.com", "email_verified": true})).await;
    assert_eq!(world.person().sign_in("/auth/oidc/company").await.status, StatusCode::OK);
    // Other keys under other names: the first unknown one makes the site ask again.
    world.begin(json!({})).await;
    assert_eq!(world.person().sign_in("/auth/oidc/company").await.status, StatusCode::OK);
    // And then not again for a minute: anybody can make up names of keys.
    world.begin(json!({})).await;
    let answer = world.person().sign_in("/auth/oidc/company").await;
    world.site.assert_refused(&answer, 400, "identify.provider");
    assert_eq!(world.last_reason(), "ID token: signed by a key that is not the provider's");

    for algorithm in ["ES256", "EdDSA", "PS256"] {
        let world = World::start("").await;
        world.begin(json!({"algorithm": algorithm})).await;
        world.account(json!({"sub": "ada", "email": "ada@example.com", "email_verified": true})).await;
        let answer = world.person().sign_in("/auth/oidc/company").await;
        assert_eq!(answer.status, StatusCode::OK, "{algorithm}: {}", world.last_reason());
    }
}

// proves: ID-6
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_nobody_confirmed_is_not_taken_over() {
    let world = World::start("").await;
    for account in [
        json!({"sub": "a", "email": "boss@example.com", "email_verified": false}),
        json!({"sub": "b", "email": "boss@example.com"}),
        json!({"sub": "c"}),
    ] {
        world.account(account).await;
        let mut person = world.person();
        assert_eq!(person.sign_in("/auth/oidc/company").await.status, StatusCode::OK);
        assert_eq!(person.me().await["email"], Value::Null);
    }
    assert!(world.site.running.store.user_by_login("boss@example.com").await.unwrap().is_none());

    world.account(json!({"sub": "d", "refuses": true})).await;
    let answer = world.person().sign_in("/auth/oidc/company").await;
    world.site.assert_refused(&answer, 400, "identify.provider_cancelled");
    assert_eq!(world.last_reason(), "the provider answered: access_denied");
}

// proves: ID-6
#[tokio::test(flavor = "multi_thread")]
async fn only_listed_domains_come_in_and_nobody_where_sign_up_is_closed() {
    let world = World::start("domains = [\"Example.com\"]\n").await;
    let users = world.users().await;
    for (email, verified) in
        [("ada@evil.example", true), ("ada@example.com", false), ("ada@example.com.evil.example", true)]
    {
        world.account(json!({"sub": email, "email": email, "email_verified": verified})).await;
        let answer = world.person().sign_in("/auth/oidc/company").await;
        world.site.assert_refused(&answer, 403, "identify.provider_account");
    }
    assert_eq!(world.users().await, users);
    world.account(json!({"sub": "ada", "email": "ada@EXAMPLE.com", "email_verified": true})).await;
    assert_eq!(world.person().sign_in("/auth/oidc/company").await.status, StatusCode::OK);

    let world = World::start("sign_up = false\n").await;
    world.account(json!({"sub": "ada", "email": "ada@example.com", "email_verified": true})).await;
    let answer = world.person().sign_in("/auth/oidc/company").await;
    world.site.assert_refused(&answer, 403, "identify.sign_up");
}

// proves: ID-7
#[tokio::test(flavor = "multi_thread")]
async fn in_testing_a_fixed_user_needs_no_network() {
    let site = Site::start(
        "[identify.oidc.google]\nclient_id = \"mtc\"\ndangerous_test_user = \"tester@example.com\"\n",
    )
    .await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut person = site.client();
        let answer = person.get("/auth/oidc/google?next=/account").await;
        let location = answer.header("location").unwrap().to_owned();
        let callback =
            location.strip_prefix(&format!("http://{}", site.address)).expect("nobody else is asked");
        assert_eq!(goes_on_to(&person.get(callback).await), "/account");
        let me = person.get("/api/v1/auth/me").await.json();
        assert_eq!(me["email"], "tester@example.com");
        ids.push(me["id"].clone());
        site.assert_refused(&site.client().get(callback).await, 400, "identify.provider");
    }
    assert_eq!(ids[0], ids[1]);
}
