//! The real program on each of the databases, with an application behind it for whoever is signed in.
//! `/events` of it is a stream that does not end.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::postgres::Server as Postgres;
use super::server::Server;
use super::{Answer, Client, PASSWORD, Reply, Upstream, public};

/// The root secret, which several nodes share.
pub const ROOT: &str = "a-root-secret-for-tests-of-32-bytes-and-more";

/// A running site.
pub struct Place {
    pub server: Server,
    pub app: Upstream,
    /// Its database, where that is PostgreSQL.
    pub database: Option<Postgres>,
}

/// An access token and the refresh token that came with it.
pub struct Pair {
    pub access: String,
    pub refresh: String,
}

impl Place {
    /// On SQLite, with this at the end of its policy.
    pub async fn sqlite(rest: &str) -> Self {
        Self::start(rest, None).await
    }

    /// On a PostgreSQL server of its own.
    pub async fn postgres(rest: &str) -> Self {
        Self::start(rest, Some(Postgres::start())).await
    }

    /// One after the other.
    pub async fn each(rest: &str, story: impl AsyncFn(Self)) {
        println!("on SQLite");
        story(Self::sqlite(rest).await).await;
        println!("on PostgreSQL");
        story(Self::postgres(rest).await).await;
    }

    async fn start(rest: &str, database: Option<Postgres>) -> Self {
        let app = Upstream::start(
            |request| if request.path() == "/events" { events() } else { Reply::ok("hello") },
        );
        let app = app.await;
        let route = public(app.address).replace("read = \"public\"", "read = \"user\"");
        let policy = format!("[shield.limits]\nlogin = \"1000/minute\"\n{rest}\n{route}");
        let url = database.as_ref().map(|database| database.url("postgres"));
        let url = url.as_deref().map(|url| ("DATABASE_URL", url));
        let environment: Vec<_> = [("SECRET_KEY", ROOT)].into_iter().chain(url).collect();
        Self { server: Server::start_with(&environment, &policy), app, database }
    }

    /// A browser in which the first administrator has set a password and is signed in.
    pub async fn administrator(&self) -> Client {
        self.server.sign_in(&self.server.link).await
    }

    /// A new user with this role, and the browser in which they set a password.
    pub async fn user(&self, name: &str, role: &str) -> Client {
        let mailbox = format!("{name}@example.com");
        let add = ["user", "add", name, "--role", role, "--email", &mailbox, "--email-verified", "--link"];
        let told = self.server.told(&add);
        let link = told.lines().find(|line| line.starts_with("http://")).expect("a link");
        self.server.sign_in(link).await
    }

    /// Somebody without a credential.
    pub fn anybody(&self) -> Client {
        Client::new(self.server.address)
    }

    /// What signing in for tokens answers.
    pub async fn sign_in(&self, login: &str, password: &str) -> Answer {
        let body = json!({ "login": login, "password": password });
        self.anybody().call(Method::POST, "/api/v1/auth/login", &body).await
    }

    /// Tokens of a user with the usual password.
    pub async fn tokens(&self, login: &str) -> Pair {
        Pair::of(&self.sign_in(login, PASSWORD).await)
    }

    /// What a refresh token is exchanged for.
    pub async fn refresh(&self, token: &str) -> Answer {
        let body = json!({ "refresh_token": token });
        self.anybody().call(Method::POST, "/api/v1/auth/refresh", &body).await
    }

    /// How many requests the application got.
    pub fn hits(&self) -> usize {
        self.app.received().len()
    }
}

/// An answer that says something five times a second, and never ends.
fn events() -> Reply {
    Reply::script(|mut stream| async move {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut open = stream.write_all(head.as_bytes()).await.is_ok();
        while open {
            open = stream.write_all(b"8\r\ndata: 1\n\r\n").await.is_ok();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
}

impl Pair {
    /// The tokens of an answer that has some.
    pub fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let got = answer.json();
        let text = |key: &str| got.get(key).and_then(Value::as_str).unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}
