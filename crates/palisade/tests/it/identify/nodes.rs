//! Two nodes of the real program on one PostgreSQL: what ends on one of them ends on the other within a second.

mod outage;

use std::process::Command;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::cli::keys::soon;
use crate::support::place::{Pair, Place};
use crate::support::postgres::Server as Postgres;
use crate::support::server::Server;
use crate::support::{Client, PASSWORD};

/// No other node believes longer than that what has ended (ID-8).
const LAG: Duration = Duration::from_secs(1);

const NEW: &str = "granite lantern oboe 58 B!";

/// A site of two nodes, where `admin` has set a password. The second one is another user of the database, by whom its
/// connections are known.
pub struct Nodes {
    pub place: Place,
    pub b: Server,
    admin: Client,
}

impl Nodes {
    async fn start() -> Self {
        Self::start_with("").await
    }

    /// With this at the end of the policy.
    pub async fn start_with(rest: &str) -> Self {
        let place = Place::postgres(rest).await;
        let admin = place.administrator().await;
        let database = place.database.as_ref().unwrap();
        sql(database, "CREATE ROLE b SUPERUSER LOGIN");
        let b = place.server.beside(&[("DATABASE_URL", &database.url("b"))]);
        Self { place, b, admin }
    }

    fn database(&self) -> &Postgres {
        self.place.database.as_ref().unwrap()
    }

    /// What somebody with this session is answered by the second node.
    async fn page(&self, who: &Client) -> StatusCode {
        who.through(self.b.address).get("/page").await.status
    }

    /// The same with a bearer token.
    async fn page_with(&self, token: &str) -> StatusCode {
        self.place.anybody().through(self.b.address).get_with(token, "/page").await.status
    }

    /// The second node lets them in, from what it remembers; `end` ends that on the first; and nothing that is sent
    /// later than [`LAG`] after that is let in by the second. Gives the refusal.
    async fn ends(&self, asked: impl AsyncFn() -> StatusCode, end: impl AsyncFnOnce()) -> StatusCode {
        for _ in 0..3 {
            assert_eq!(asked().await, StatusCode::OK, "before it ends");
        }
        end().await;
        let ended = Instant::now();
        loop {
            let late = ended.elapsed() > LAG;
            let before = self.place.hits();
            let status = asked().await;
            if status != StatusCode::OK {
                assert_eq!(self.place.hits(), before, "refused, and the application was asked");
                return status;
            }
            assert!(!late, "still let in after {LAG:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Does this in the database, as somebody who looks after it.
fn sql(database: &Postgres, text: &str) -> String {
    sql_at(&database.url("postgres"), text)
}

fn sql_at(url: &str, text: &str) -> String {
    let output = Command::new("psql").args([url, "-XAtqc", text]).output().unwrap();
    assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const DENIED: StatusCode = StatusCode::UNAUTHORIZED;

async fn sign_out(mut who: Client) {
    let out = who.call(Method::POST, "/api/v1/auth/logout", &json!({})).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT, "{}", out.text());
}

/// A key of whoever this is, and its id.
async fn key(who: &Client) -> (String, String) {
    let wish = json!({ "name": "report", "scopes": "read" });
    let made = who.clone().call(Method::POST, "/api/v1/auth/keys", &wish).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let (made, text) = (made.json(), |value: &Value| value.as_str().unwrap().to_owned());
    (text(&made["token"]), text(&made["key"]["id"]))
}

// proves: ID-8, ID-10, ID-16
#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_ends_on_one_node_the_other_refuses_within_a_second() {
    let nodes = Nodes::start().await;
    let (place, admin) = (&nodes.place, &nodes.admin);
    let second = place.user("eva", "user").await;

    let status = nodes.ends(async || nodes.page(&second).await, async || sign_out(second.clone()).await);
    assert_eq!(status.await, DENIED, "a session");

    let tokens = place.tokens("admin").await;
    let revoke = async || {
        let bearer = format!("Bearer {}", tokens.access);
        let headers = [("authorization", bearer.as_str())];
        let out = place.anybody().send(Method::POST, "/api/v1/auth/logout", &headers, "").await;
        assert_eq!(out.status, StatusCode::NO_CONTENT);
    };
    let status = nodes.ends(async || nodes.page_with(&tokens.access).await, revoke).await;
    assert_eq!(status, DENIED, "a token");

    let (token, id) = key(admin).await;
    let revoke = async || {
        let gone = admin.clone().call(Method::DELETE, &format!("/api/v1/auth/keys/{id}"), &json!({})).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT, "{}", gone.text());
    };
    assert_eq!(nodes.ends(async || nodes.page_with(&token).await, revoke).await, DENIED, "an API key");
    assert_eq!(nodes.page(admin).await, StatusCode::OK, "nothing else has ended");
}

// proves: ID-4, ID-5, ID-8, ID-16
#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_a_user_on_one_node_holds_on_the_other_within_a_second() {
    let nodes = Nodes::start().await;
    let (place, server) = (&nodes.place, &nodes.place.server);

    let eva = place.user("eva", "user").await;
    let disable = async || drop(server.told(&["user", "disable", "eva"]));
    assert_eq!(nodes.ends(async || nodes.page(&eva).await, disable).await, DENIED, "disabled");

    let tokens = {
        place.user("ida", "user").await;
        place.tokens("ida").await
    };
    let demote = async || drop(server.told(&["user", "set-roles", "ida", "--none"]));
    let status = nodes.ends(async || nodes.page_with(&tokens.access).await, demote).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "without the role");

    let otto = place.user("otto", "user").await;
    let (token, _) = key(&otto).await;
    let tokens = place.tokens("otto").await;
    let link = server.told(&["user", "link", "otto"]);
    let reset = async || drop(server.sign_in_by(link.trim(), NEW).await);
    for _ in 0..3 {
        assert_eq!(nodes.page_with(&token).await, StatusCode::OK);
        assert_eq!(nodes.page_with(&tokens.access).await, StatusCode::OK);
    }
    assert_eq!(nodes.ends(async || nodes.page(&otto).await, reset).await, DENIED, "another password");
    // The one ended with the other, and so did the rest.
    for token in [&token, &tokens.access] {
        assert_eq!(nodes.page_with(token).await, DENIED);
    }
    let sign_in = json!({ "login": "otto", "password": NEW });
    let mut at_b = place.anybody().through(nodes.b.address);
    Pair::of(&at_b.call(Method::POST, "/api/v1/auth/login", &sign_in).await);
    assert_eq!(nodes.page(&nodes.admin).await, StatusCode::OK, "nobody else");
}

// proves: ID-10
#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_that_refresh_on_two_nodes_at_once_go_on_with_the_same_token() {
    let nodes = Nodes::start().await;
    let mut tokens = nodes.place.tokens("admin").await;
    for _ in 0..10 {
        let refresh = async |node: std::net::SocketAddr| {
            let body = json!({ "refresh_token": tokens.refresh });
            let mut tab = nodes.place.anybody().through(node);
            Pair::of(&tab.call(Method::POST, "/api/v1/auth/refresh", &body).await)
        };
        let (one, other) = tokio::join!(refresh(nodes.place.server.address), refresh(nodes.b.address));
        assert_eq!(one.refresh, other.refresh, "two successors");
        assert_ne!(one.refresh, tokens.refresh);
        for access in [&one.access, &other.access] {
            assert_eq!(nodes.page_with(access).await, StatusCode::OK);
        }
        tokens = other;
    }
    for node in [&nodes.place.server, &nodes.b] {
        assert_eq!(node.events("refresh_token_reused"), 0);
    }
}

/// Which key signed an access token.
fn kid(access: &str) -> String {
    let header = data_encoding::BASE64URL_NOPAD.decode(access.split('.').next().unwrap().as_bytes()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}

// proves: ID-9, ID-11
#[tokio::test(flavor = "multi_thread")]
async fn a_signing_key_rotates_on_both_nodes_and_signs_nobody_out_until_it_is_ended() {
    let nodes = Nodes::start_with("[identify.tokens]\npublish_ahead = \"1s\"").await;
    let (place, server) = (&nodes.place, &nodes.place.server);
    let old = place.tokens("admin").await;
    server.told(&["keys", "rotate", "--overlap", "1h"]);
    let turned = async || kid(&place.tokens("admin").await.access) != kid(&old.access);
    assert!(soon(turned).await, "the new key signs");
    let new = place.tokens("admin").await;
    for token in [&old.access, &new.access] {
        assert_eq!(nodes.page_with(token).await, StatusCode::OK, "by the other node");
        assert_eq!(place.anybody().get_with(token, "/page").await.status, StatusCode::OK);
    }
    let mut stranger = place.anybody().through(nodes.b.address);
    let published = stranger.get("/.well-known/jwks.json").await;
    for token in [&old.access, &new.access] {
        assert!(published.text().contains(&kid(token)), "{}", published.text());
    }

    let retire = async || drop(server.told(&["keys", "retire", &kid(&old.access)]));
    assert_eq!(nodes.ends(async || nodes.page_with(&old.access).await, retire).await, DENIED);
    assert_eq!(nodes.page_with(&new.access).await, StatusCode::OK);
    assert!(!stranger.get("/.well-known/jwks.json").await.text().contains(&kid(&old.access)));
    // The sign-in goes on: only what that key signed has ended.
    let next = Pair::of(&place.refresh(&old.refresh).await);
    assert_eq!(nodes.page_with(&next.access).await, StatusCode::OK);
}

// proves: ID-13
#[tokio::test(flavor = "multi_thread")]
async fn a_breakglass_token_works_once_on_however_many_nodes_it_is_shown() {
    let nodes = Nodes::start().await;
    let told = nodes.place.server.told(&["breakglass", "issue", "--reason", "a test", "--format", "json"]);
    let token = serde_json::from_str::<Value>(&told).unwrap()["token"].as_str().unwrap().to_owned();
    let show = async |node: std::net::SocketAddr| {
        let mut client = nodes.place.anybody().through(node);
        client.send(Method::GET, "/emergency", &[("x-admin-token", token.as_str())], "").await.status
    };
    let (a, b) = (nodes.place.server.address, nodes.b.address);
    let shown = futures_util::future::join_all((0..40).map(|n| show(if n % 2 == 0 { a } else { b }))).await;
    let inside = shown.iter().filter(|status| **status == StatusCode::OK).count();
    assert_eq!(inside, 1, "{shown:?}");
    assert!(shown.iter().all(|status| matches!(*status, StatusCode::OK | DENIED)), "{shown:?}");
    assert_eq!(nodes.place.hits(), 1);
}

/// Guesses count together, wherever they are sent; whoever unlocks does it for all.
// proves: LIMIT-3, LIMIT-8
#[tokio::test(flavor = "multi_thread")]
async fn five_guesses_at_two_nodes_lock_out_at_both() {
    let nodes = Nodes::start().await;
    let (a, b) = (nodes.place.server.address, nodes.b.address);
    let sign_in = async |node: std::net::SocketAddr, password: &str| {
        let body = json!({ "login": "admin", "password": password });
        nodes.place.anybody().through(node).call(Method::POST, "/api/v1/auth/login", &body).await.status
    };
    let guesses = (0..20).map(|n| sign_in(if n % 2 == 0 { a } else { b }, "not the password"));
    let guesses = futures_util::future::join_all(guesses).await;
    let heard = guesses.iter().filter(|status| **status == DENIED).count();
    assert_eq!(heard, 5, "of all at once: {guesses:?}");
    for node in [a, b] {
        assert_eq!(sign_in(node, PASSWORD).await, StatusCode::TOO_MANY_REQUESTS);
    }
    nodes.place.server.told(&["unlock", "--address", "127.0.0.1"]);
    for node in [a, b] {
        assert_eq!(sign_in(node, PASSWORD).await, StatusCode::OK);
    }
}

// proves: ID-4
#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_send_each_letter_once() {
    const PEOPLE: usize = 8;
    let nodes = Nodes::start().await;
    let names: Vec<String> = (0..PEOPLE).map(|n| format!("user{n}")).collect();
    for name in &names {
        nodes.place.server.told(&["user", "add", name, "--email", &format!("{name}@example.com"), "--link"]);
    }
    let asked = names.iter().enumerate().map(async |(n, name)| {
        let node = if n % 2 == 0 { nodes.place.server.address } else { nodes.b.address };
        let body = json!({ "login": name });
        nodes.place.anybody().through(node).call(Method::POST, "/api/v1/auth/forgot-password", &body).await
    });
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    }
    let letters = || -> Vec<String> {
        let folders = [&nodes.place.server, &nodes.b].map(|node| node.data("mail"));
        let files = folders.iter().flat_map(std::fs::read_dir).flatten().map(|file| file.unwrap().path());
        files
            .filter(|path| path.extension().is_some_and(|end| end == "eml"))
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect()
    };
    assert!(soon(async || letters().len() >= PEOPLE).await, "{}", letters().len());
    // Both look for letters each second: long enough for a second copy of any.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    for name in &names {
        let to = format!("To: {name}@example.com\r\n");
        assert_eq!(letters().iter().filter(|letter| letter.contains(&to)).count(), 1, "{name}");
    }
}

/// Nothing is there yet, and both want to make it.
// proves: ID-5, ID-9
#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_begin_at_once_on_an_empty_database_make_one_site() {
    let mut nodes = Nodes::start().await;
    for round in 0..3 {
        sql(nodes.database(), &format!("CREATE DATABASE fresh{round}"));
        let url = nodes.database().url("postgres").replace("/test", &format!("/fresh{round}"));
        let both = [&mut nodes.place.server, &mut nodes.b];
        for node in both {
            node.end();
            node.set("DATABASE_URL", &url);
        }
        nodes.place.server.begin();
        nodes.b.begin();
        nodes.place.server.wait();
        nodes.b.wait();
        let users = nodes.place.server.told(&["user", "list", "--format", "json"]);
        let users: Vec<Value> = serde_json::from_str(&users).unwrap();
        assert_eq!(users.len(), 1, "{users:?}");
        let link = nodes.place.server.told(&["user", "link", "admin"]);
        nodes.admin = nodes.place.server.sign_in(link.trim()).await;
        assert_eq!(nodes.page(&nodes.admin).await, StatusCode::OK);
        for node in [nodes.place.server.address, nodes.b.address] {
            let body = json!({ "login": "admin", "password": PASSWORD });
            let mut there = nodes.place.anybody().through(node);
            let tokens = Pair::of(&there.call(Method::POST, "/api/v1/auth/login", &body).await);
            assert_eq!(nodes.page_with(&tokens.access).await, StatusCode::OK, "signed by either");
            let here = nodes.place.anybody().get_with(&tokens.access, "/page").await;
            assert_eq!(here.status, StatusCode::OK, "{}", here.text());
        }
        assert_eq!(nodes.place.server.run(&["audit", "verify"]).0, Some(0));
    }
}
