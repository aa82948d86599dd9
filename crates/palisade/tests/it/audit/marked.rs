//! Nothing secret is written down: every kind of route is driven by a real server with marked secrets, and all
//! that it wrote is searched for them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http::{Method, Request};
use http_body_util::Empty;
use serde_json::{Value, json};

use crate::identify::{FORM, encoded};
use crate::support::server::Server;
use crate::support::upstream::find;
use crate::support::{Answer, Client, Reply, Upstream, http2, raw};

const PASSWORD: &str = "Kr4n-secret-harbour-7f3a!";
const NEW_PASSWORD: &str = "N3w-secret-harbour-2b8c?";
const WRONG: &str = "Wr0ng-secret-harbour-91bc!";
const QUERY: &str = "marked-query-44aa";
const BEARER: &str = "marked-bearer-5d2e.of.another";
const BASIC: &str = "bWFya2VkLXVzZXI6bWFya2VkLXBhc3N3b3Jk";
const API_KEY: &str = "marked-api-key-77fe";
const OWN_COOKIE: &str = "marked-application-cookie-e0f1";
const BODY: &str = "marked-body-4111111111111111";
const ANSWER: &str = "marked-answer-of-the-application";
const IN_PATH: &str = "Zx81kQ0v5mYt2LwP9aBc7DeF";
const EMAIL: &str = "zz9.person@mailbox.example";

/// An application that talks of secrets itself.
async fn application() -> Upstream {
    Upstream::start(|request| match request.path() {
        "/broken" => Reply::Close(format!("HTTP/9 {ANSWER}\r\n\r\n").into_bytes()),
        _ => Reply::Bytes(
            format!(
                "HTTP/1.1 500 Oops\r\nContent-Type: text/html\r\nSet-Cookie: s={OWN_COOKIE}\r\n\
                 Content-Length: {}\r\n\r\n<form method=post>{ANSWER}</form>",
                ANSWER.len() + 25
            )
            .into_bytes(),
        ),
    })
    .await
}

/// What drives the server, and what it learned on the way.
struct Drive {
    server: Server,
    own: String,
    /// Secrets that the server itself handed out.
    given: BTreeMap<&'static str, String>,
    /// The ids of all requests that were answered.
    ids: Vec<String>,
}

impl Drive {
    async fn send(
        &mut self,
        client: &mut Client,
        method: Method,
        path: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let answer = client.send(method, path, fields, body).await;
        self.ids.push(answer.header("x-request-id").expect("a request id").to_owned());
        answer
    }

    async fn form(
        &mut self,
        client: &mut Client,
        path: &str,
        fields: &[(&str, &str)],
        status: u16,
    ) -> Answer {
        let own = self.own.clone();
        let headers = [("content-type", FORM), ("origin", own.as_str())];
        let answer = self.send(client, Method::POST, path, &headers, &encoded(fields)).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text());
        answer
    }

    async fn json(&mut self, path: &str, body: &Value, status: u16) -> Value {
        let fields = [("content-type", "application/json")];
        let mut client = Client::new(self.server.address);
        let answer = self.send(&mut client, Method::POST, path, &fields, &body.to_string()).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text());
        answer.json()
    }

    fn keep(&mut self, name: &'static str, secret: &str) {
        assert!(secret.len() > 20, "{name}: {secret}");
        self.given.insert(name, secret.to_owned());
    }

    fn keep_cookie(&mut self, name: &'static str, client: &Client, cookie: &str) {
        let jar = client.cookies();
        let found = jar.split("; ").find_map(|pair| pair.strip_prefix(&format!("{cookie}=")));
        let found = found.unwrap_or_else(|| panic!("no {cookie} in {jar}")).to_owned();
        self.keep(name, &found);
    }

    /// Registration, sign-in, passwords and links, as pages use them.
    async fn pages(&mut self) -> Client {
        let mut admin = Client::new(self.server.address);
        let link = self.server.link.rsplit('/').next().unwrap().to_owned();
        self.keep("link", &link);
        let path = format!("/auth/link/{link}");
        self.send(&mut admin, Method::GET, &path, &[("accept", "text/html")], "").await;
        self.form(&mut admin, &path, &[("password", WRONG), ("extra", BODY)], 422).await;
        self.form(&mut admin, &path, &[("password", PASSWORD)], 303).await;
        self.keep_cookie("session of the link", &admin, "palisade_session");
        self.form(&mut admin, &path, &[("password", NEW_PASSWORD)], 410).await;
        self.send(&mut admin, Method::GET, &format!("/auth/link/{link}x%2f"), &[], "").await;

        let mut eva = Client::new(self.server.address);
        let new = [
            ("name", "eva"),
            ("email", EMAIL),
            ("password", PASSWORD),
            ("next", "/x?token=marked-query-44aa"),
        ];
        self.form(&mut eva, "/auth/register", &new, 303).await;
        self.form(&mut eva.clone(), "/auth/login", &[("login", EMAIL), ("password", WRONG)], 401).await;
        // Typed into the wrong field, as people do.
        self.form(&mut eva.clone(), "/auth/login", &[("login", PASSWORD), ("password", PASSWORD)], 401).await;
        self.form(&mut eva, "/auth/login", &[("login", EMAIL), ("password", PASSWORD)], 303).await;
        self.keep_cookie("session", &eva, "palisade_session");
        let account = self.send(&mut eva, Method::GET, "/account", &[("accept", "text/html")], "").await;
        let (_, token) = account.text().split_once("name=\"csrf_token\" value=\"").expect("a token");
        let token = token.split('"').next().unwrap().to_owned();
        self.keep("csrf token", &token);
        let change =
            [("csrf_token", token.as_str()), ("old_password", WRONG), ("new_password", NEW_PASSWORD)];
        self.form(&mut eva, "/account/password", &change, 422).await;
        let change =
            [("csrf_token", token.as_str()), ("old_password", PASSWORD), ("new_password", NEW_PASSWORD)];
        self.form(&mut eva, "/account/password", &change, 303).await;
        self.keep_cookie("session after the change", &eva, "palisade_session");
        eva
    }

    /// Tokens, as programs use them.
    async fn tokens(&mut self) {
        let login = json!({ "login": "eva", "password": NEW_PASSWORD });
        let first = self.json("/api/v1/auth/login", &login, 200).await;
        self.json("/api/v1/auth/login", &json!({ "login": "eva", "password": WRONG, "card": BODY }), 422)
            .await;
        self.json("/api/v1/auth/login", &json!({ "login": "eva", "password": WRONG }), 401).await;
        let refresh = first["refresh_token"].as_str().unwrap().to_owned();
        let second = self.json("/api/v1/auth/refresh", &json!({ "refresh_token": refresh }), 200).await;
        let access = second["access_token"].as_str().unwrap().to_owned();
        self.keep("refresh token", &refresh);
        self.keep("successor", second["refresh_token"].as_str().unwrap());
        self.keep("signature", access.rsplit('.').next().unwrap());
        let bearer = format!("Bearer {access}");
        let mut program = Client::new(self.server.address);
        for (method, path) in [
            (Method::GET, "/api/v1/auth/me"),
            (Method::GET, "/api/v1/auth/sessions"),
            (Method::GET, "/mine/x"),
            (Method::DELETE, "/mine/x"),
            (Method::POST, "/api/v1/auth/logout"),
            (Method::GET, "/api/v1/auth/me"),
        ] {
            self.send(&mut program, method, path, &[("authorization", &bearer)], "").await;
        }
        self.json("/api/v1/auth/refresh", &json!({ "refresh_token": refresh }), 401).await;
        let broken = format!("Bearer {}", access.replace('.', "!"));
        self.send(&mut program, Method::GET, "/mine/x", &[("authorization", &broken)], "").await;
    }

    /// The application, with and without success.
    async fn proxied(&mut self, eva: &mut Client) {
        let token = self.send(eva, Method::GET, "/api/v1/auth/csrf", &[], "").await.json();
        self.keep("csrf token for programs", token["csrf_token"].as_str().unwrap());
        self.send(eva, Method::GET, &format!("/mine/page?q={QUERY}"), &[("accept", "text/html")], "").await;
        self.keep_cookie("csrf cookie", eva, "csrf_cookie");
        let (cookie, own) = (self.given["csrf cookie"].clone(), self.own.clone());
        let bearer = format!("Bearer {BEARER}");
        let basic = format!("Basic {BASIC}");
        let referer = format!("{own}/page?token={QUERY}");
        let secret = [
            ("origin", own.as_str()),
            ("x-csrf-token", cookie.as_str()),
            ("x-api-key", API_KEY),
            ("referer", &referer),
            ("content-type", "text/plain"),
        ];
        for path in ["/mine/x", "/open/x", "/nobody/x", "/nowhere", "/broken", "/away"] {
            for method in [Method::GET, Method::POST, Method::DELETE, Method::TRACE] {
                let path = format!("{path}?password={QUERY}&token={QUERY}");
                self.send(&mut eva.clone(), method.clone(), &path, &secret, BODY).await;
                let mut stranger = Client::new(self.server.address);
                stranger.put_cookie("palisade_session", &self.given["session"].clone());
                stranger.put_cookie("other", OWN_COOKIE);
                let fields = [("authorization", bearer.as_str()), ("x-http-method", BODY)];
                self.send(&mut stranger, method.clone(), &path, &fields, BODY).await;
                self.send(
                    &mut stranger,
                    method,
                    &path,
                    &[("authorization", &basic), ("x-csrf-token", BODY)],
                    "",
                )
                .await;
            }
        }
        for path in [
            format!("/open/reset/{IN_PATH}"),
            format!("/open;jsessionid={IN_PATH}"),
            format!("/open/{EMAIL}"),
        ] {
            self.send(&mut eva.clone(), Method::GET, &path, &[], "").await;
            self.send(&mut eva.clone(), Method::POST, &path, &secret, BODY).await;
        }
    }

    /// What is refused before it is a request, and HTTP/2.
    async fn wire(&mut self) {
        let address = self.server.address;
        let session = self.given["session"].clone();
        for fields in [
            format!("Cookie: palisade_session={session}\r\nCookie: a={OWN_COOKIE}\r\n"),
            format!("Authorization: Bearer {BEARER}\r\nAuthorization: Basic {BASIC}\r\n"),
            format!("X-Api-Key: {API_KEY}\r\n folded {BODY}\r\n"),
            format!("X_User: {BODY}\r\n"),
            format!("Host: {BODY}\r\n"),
        ] {
            raw(address, &format!("GET /x?token={QUERY} HTTP/1.1\r\nHost: {address}\r\n{fields}\r\n")).await;
        }
        raw(address, &format!("GET /a%2f{IN_PATH}?token={QUERY} HTTP/1.1\r\nHost: {address}\r\n\r\n")).await;
        raw(address, &format!("GET /x?{} HTTP/1.1\r\nHost: {address}\r\n\r\n", QUERY.repeat(1000))).await;
        raw(address, &format!("{BODY}\r\n\r\n")).await;
        for path in ["/open/x", "/a%2fb", "/mine/x"] {
            let request = Request::get(format!("http://{address}{path}?token={QUERY}"))
                .header("authorization", format!("Bearer {BEARER}"))
                .header("cookie", format!("palisade_session={session}"))
                .body(Empty::<Bytes>::new())
                .unwrap();
            self.ids.push(http2(address, request).await.header("x-request-id").unwrap().to_owned());
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Searches every file for every secret, as it was written and as the bytes that it stands for.
fn search(folder: &Path, given: &BTreeMap<&'static str, String>) -> Vec<String> {
    let fixed =
        [PASSWORD, NEW_PASSWORD, WRONG, QUERY, BEARER, BASIC, API_KEY, OWN_COOKIE, BODY, ANSWER, IN_PATH];
    let mut needles: Vec<(String, Vec<u8>)> =
        fixed.iter().map(|text| ((*text).to_owned(), text.as_bytes().to_vec())).collect();
    for (name, secret) in given {
        needles.push(((*name).to_owned(), secret.as_bytes().to_vec()));
        if let Ok(bytes) = BASE64URL_NOPAD.decode(secret.as_bytes()) {
            needles.push((format!("{name}, decoded"), bytes));
        }
    }
    let mut names = Vec::new();
    for path in files(folder) {
        let bytes = std::fs::read(&path).unwrap();
        let name = path.strip_prefix(folder).unwrap().display().to_string();
        for (what, needle) in &needles {
            assert!(find(&bytes, needle).is_none(), "{what} in {name}");
        }
        let is_log = name.ends_with(".log") || name == "stderr";
        assert!(!is_log || find(&bytes, EMAIL.as_bytes()).is_none(), "an e-mail address in {name}");
        names.push(name);
    }
    names
}

// proves: AUD-4, AUD-5, AUD-6, EDGE-4
#[tokio::test(flavor = "multi_thread")]
async fn no_marked_secret_is_found_in_anything_that_a_server_wrote() {
    let app = application().await;
    let away = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let route = |path: &str, to: &str, allow: &str| {
        format!(
            "[[route]]\npath = \"{path}\"\nto = \"upstream:{to}\"\nallow = {{ read = \"{allow}\", write = \"{allow}\" }}\n"
        )
    };
    let policy = [
        "[identify.sign_up]\nopen = true\n[csrf]\ncookie = \"csrf_cookie\"\n[audit]\nlog_format = \"json\"\n\
         log_level = \"trace\"\nlog_file = \"app.log\"\n[shield.limits]\nlogin = \"1000/minute\"\n"
            .to_owned(),
        route("/mine/{*rest}", "app", "user"),
        route("/open/{*rest}", "app", "public"),
        route("/nobody/{*rest}", "app", "nobody"),
        route("/broken", "app", "public"),
        route("/away", "away", "public"),
        format!(
            "[upstream.app]\nurl = \"http://{}\"\n[upstream.away]\nurl = \"http://{away}\"\n",
            app.address
        ),
    ]
    .concat();
    let server = Server::start_with(&[], &policy);
    let own = format!("http://{}", server.address);
    let mut drive = Drive { server, own, given: BTreeMap::new(), ids: Vec::new() };
    let mut eva = drive.pages().await;
    drive.tokens().await;
    drive.proxied(&mut eva).await;
    drive.wire().await;
    assert!(drive.given.len() >= 9 && drive.ids.len() > 60, "all of it was driven");
    assert!(
        app.received().iter().any(|request| request.body == BODY.as_bytes()),
        "the application got its own"
    );

    // While it runs, with what is not yet in the database itself; then what is left behind.
    let folder = drive.server.folder.path().to_owned();
    let names = search(&folder, &drive.given);
    for written in ["palisade.db", "palisade.db-wal", "events.log", "app.log", "stderr"] {
        assert!(names.iter().any(|name| name.ends_with(written)), "{written}: {names:?}");
    }
    assert_eq!(drive.server.end(), Some(0));
    search(&folder, &drive.given);

    // Every line is JSON, and each answered request has exactly one line under its id.
    let text = std::fs::read_to_string(folder.join("app.log")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for line in &lines {
        assert!(line["ts"].is_string() && line["level"].is_string() && line["message"].is_string(), "{line}");
    }
    for id in &drive.ids {
        let mine =
            lines.iter().filter(|line| line["request_id"] == id.as_str() && line["message"] == "request");
        assert_eq!(mine.count(), 1, "{id}");
    }
    for line in lines.iter().filter(|line| line["message"] == "request") {
        assert!(line["request_id"].is_string() && line["status"].is_u64(), "{line}");
    }
}
