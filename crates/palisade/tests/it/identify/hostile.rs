//! Too much of everything, on every route of identity. The list comes from the route table and the API's description:
//! a new route is attacked as well, or the test says that nobody knows its fields.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use palisade_policy::section::route::{Service, Target};
use palisade_store::AuditQuery;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{FORM, encoded};
use crate::support::{Answer, Client, PASSWORD, Site, Upstream, public};

const JSON: &str = "application/json";

/// What a body may have, in bytes.
const LIMIT: usize = 16 * 1024;

/// The fields of what pages send, by the route's path. Routes that the API's description tells of stand there.
const FORMS: &[(&str, &[&str])] = &[
    ("/auth/login", &["login", "password", "next"]),
    ("/auth/register", &["name", "email", "password", "next"]),
    ("/auth/passkey", &["ceremony", "credential", "next"]),
    ("/auth/second", &["ticket", "code", "next"]),
    ("/auth/confirm", &["password", "code", "next"]),
    ("/auth/link/{token}", &["password"]),
    ("/auth/oidc/{name}/backchannel-logout", &["logout_token"]),
    ("/account/identities/link", &["provider"]),
    ("/account/identities/unlink", &["issuer", "subject"]),
    ("/auth/forgot-password", &["login"]),
    ("/auth/reset-password/{token}", &["password"]),
    ("/auth/confirm/{token}", &["name", "password"]),
    ("/account/email", &["email"]),
    ("/account/email/{token}", &[]),
    ("/auth/api_login", &["username", "password"]),
    ("/auth/api_signup", &["username", "email", "password"]),
    ("/auth/api_forgot_password", &["email"]),
    ("/account/factors/app", &[]),
    ("/account/factors/app/confirm", &["ceremony", "code"]),
    ("/account/factors/app/remove", &[]),
    ("/account/factors/passkey", &["name", "ceremony", "credential"]),
    ("/account/factors/passkey/challenge", &[]),
    ("/account/factors/passkey/remove", &["passkey"]),
    ("/account/factors/codes", &[]),
    ("/account/password", &["old_password", "new_password"]),
    ("/account/sessions/end", &["session"]),
    ("/account/keys", &["name", "scopes", "expires", "networks"]),
    ("/account/keys/end", &["key"]),
    ("/auth/breakglass", &["token"]),
];

/// These read nothing: what is sent along cannot be wrong.
fn reads_nothing(path: &str) -> bool {
    path.ends_with("/logout") || ["/register", "/account/visit/end"].contains(&path)
}

/// A site with everything on, and an administrator at it.
struct Sweep {
    site: Site,
    client: Client,
    csrf: String,
    faults: Vec<String>,
}

impl Sweep {
    async fn start() -> Self {
        let upstream = Upstream::plain().await;
        let policy = format!(
            "[identify.sign_up]\nopen = true\nverify = true\n[identify.guests]\nopen = true\n\
             [identify.lockout]\nenabled = false\n[identify.passwords]\nmemory = \"64KiB\"\npasses = 1\n\
             [identify.oidc.google]\nissuer = \"http://127.0.0.1:9\"\nclient_id = \"palisade\"\n\
             client_secret = \"env:SWEEP_SECRET\"\n[shield.limits]\nlogin = \"1000000/minute\"\n\
             default = \"1000000/minute\"\n{}",
            public(upstream.address)
        );
        let environment = [("SWEEP_SECRET", "known-to-both-0123456789abcdef"), ("ADMIN_RATE_MAX", "1000000")];
        let site = Site::start_with(&environment, &policy).await;
        let mut client = site.signed_in("ada", "admin").await;
        let csrf = client.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
        Self { site, client, csrf, faults: Vec::new() }
    }

    /// Each state-changing route of identity, as written and as it is asked for.
    fn routes(&self) -> Vec<(Method, String, String)> {
        let rows = &self.site.running.policy.routes.rows;
        let rows = rows.iter().filter(|row| row.target == Target::Service(Service::Identity));
        let concrete = |path: &str| {
            path.replace("{token}", &"a".repeat(43))
                .replace("{name}", "google")
                .replace("{id}", "00000000-0000-7000-8000-000000000000")
                .replace("{sid}", "00000000-0000-7000-8000-000000000001")
        };
        let methods = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        let each = |row: &palisade_policy::section::route::Route| {
            let taken: Vec<Method> =
                methods.iter().filter(|method| row.methods.has(method)).cloned().collect();
            taken
                .into_iter()
                .map(|method| (method, row.path.clone(), concrete(&row.path)))
                .collect::<Vec<_>>()
        };
        let all: Vec<_> = rows.flat_map(each).collect();
        assert!(all.len() > 50, "{}", all.len());
        all
    }

    async fn send(&self, method: &Method, path: &str, kind: &str, body: &str) -> Answer {
        let own = format!("http://{}", self.site.address);
        let headers = [("content-type", kind), ("origin", &own), ("x-csrf-token", &self.csrf)];
        // What it sets is not kept: a sweep must not sign itself in or out.
        let mut client = self.client.clone();
        let sent = client.send(method.clone(), path, &headers, body);
        let what = format!("{method} {path} {kind} {body:.60}");
        tokio::time::timeout(Duration::from_secs(20), sent).await.unwrap_or_else(|_| panic!("hangs: {what}"))
    }

    /// Sends it, and notes every answer that is not one of these, or that says nothing a person could use.
    async fn expect(&mut self, method: &Method, path: &str, kind: &str, body: &str, wanted: &[u16]) {
        let answer = self.send(method, path, kind, body).await;
        let status = answer.status.as_u16();
        let problem = answer.json_or_null()["detail"].as_str().is_some_and(|text| !text.is_empty());
        let clear = problem || String::from_utf8_lossy(&answer.body).contains("role=\"alert\"");
        if !wanted.contains(&status) || (status >= 400 && !clear) {
            let said = String::from_utf8_lossy(&answer.body);
            self.faults.push(format!("{method} {path} {kind} {body:.50}: {status} {said:.300}"));
        }
    }

    fn jobs(&self) -> u64 {
        self.site.running.access.hashing_load().taken
    }

    async fn written(&self) -> (usize, usize, usize) {
        let store = &self.site.running.store;
        let rows = store.audit_rows(&AuditQuery::default()).await.unwrap().len();
        let users = store.users(None, 1000).await.unwrap();
        let mut sessions = 0;
        for user in &users {
            sessions += store.sessions_of(user.id).await.unwrap().len();
        }
        (rows, users.len(), sessions)
    }
}

impl Answer {
    fn json_or_null(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

// proves: ID-1, ID-3, VAL-1
#[tokio::test(flavor = "multi_thread")]
async fn no_route_takes_more_than_it_needs_and_nothing_is_hashed_or_written_for_it() {
    let mut sweep = Sweep::start().await;
    let (before, jobs) = (sweep.written().await, sweep.jobs());
    let megabyte = "a".repeat(1 << 20);
    let flat =
        |n: usize| format!("{{{}}}", (0..n).map(|i| format!("\"f{i}\":\"\"")).collect::<Vec<_>>().join(","));
    let over_json = |n: usize| json!({ "password": "a".repeat(n - r#"{"password":""}"#.len()) }).to_string();
    let over_form = |n: usize| format!("password={}", "a".repeat(n - "password=".len()));
    for (method, _, path) in sweep.routes() {
        for (kind, body) in [
            (JSON, json!({ "password": megabyte }).to_string()),
            (JSON, over_json(LIMIT + 1)),
            (FORM, format!("password={megabyte}")),
            (FORM, over_form(LIMIT + 1)),
            (FORM, format!("csrf_token={megabyte}")),
        ] {
            sweep.expect(&method, &path, kind, &body, &[413]).await;
        }
        if reads_nothing(&path) || method == Method::DELETE {
            continue;
        }
        for (kind, body) in [
            (JSON, "[".repeat(LIMIT)),
            (JSON, r#"{"a":"#.repeat(LIMIT / 5)),
            (JSON, format!("{{\"a\":{}{}}}", "[".repeat(8000), "]".repeat(8000))),
            (JSON, flat(33)),
            (JSON, flat(1200)),
            (JSON, format!("{{\"a\":{}}}", "9".repeat(16_000))),
            (JSON, format!("{{{}\"z\":\"\"}}", "\"a\":\"\",".repeat(2000))),
            (JSON, format!("{{\"{}\":\"\"}}", "k".repeat(16_000))),
            (JSON, format!("{{\"{}\":\"\"}}", "\\u0000".repeat(2000))),
            (FORM, (0..33).map(|i| format!("f{i}=&")).collect()),
            (FORM, "a=&".repeat(5000)),
            (FORM, "%00=%00".to_owned()),
            (FORM, "%".repeat(LIMIT)),
        ] {
            sweep.expect(&method, &path, kind, &body, &[400, 401, 403, 404, 410, 415, 422]).await;
        }
    }
    assert_eq!(sweep.faults, Vec::<String>::new());
    assert_eq!((sweep.written().await, sweep.jobs()), (before, jobs), "something was hashed or written");
}

/// The fields of each route, from the description and from the table above.
async fn fields(sweep: &Sweep) -> BTreeMap<String, (Vec<String>, bool)> {
    let described = sweep.client.clone().get("/api/v1/openapi.json").await.json();
    let mut all = BTreeMap::new();
    for (method, written, path) in sweep.routes() {
        if method != Method::POST || reads_nothing(&path) {
            continue;
        }
        let operation = &described["paths"][&written]["post"];
        let found = match FORMS.iter().find(|(path, _)| *path == written) {
            Some((_, fields)) => (fields.iter().map(|field| (*field).to_owned()).collect(), false),
            None if operation.is_object() => {
                let properties = &operation["requestBody"]["content"][JSON]["schema"]["properties"];
                let names = properties.as_object().map(|names| names.keys().cloned().collect());
                (names.unwrap_or_default(), true)
            }
            None => panic!("nobody knows what {written} takes: add its fields to FORMS, or describe it"),
        };
        all.insert(written, found);
    }
    all
}

/// A value that is too long for its field in a body that is not: every field of every route, the others ordinary.
// proves: ID-1, ID-2, ID-3, VAL-1
#[tokio::test(flavor = "multi_thread")]
async fn a_value_over_its_limit_changes_nothing_wherever_it_stands() {
    let mut sweep = Sweep::start().await;
    let (before, started) = (sweep.written().await, sweep.jobs());
    let fields = fields(&sweep).await;
    let mut hashed = Vec::new();
    for (_, written, path) in sweep.routes().into_iter().filter(|(method, ..)| *method == Method::POST) {
        if reads_nothing(&path) {
            continue;
        }
        let (names, described) = &fields[&written];
        // What leads nowhere on this site is forgotten, and the rest is done.
        for long in names.iter().filter(|name| *name != "next") {
            // The fields of that one are names of the same: each comes alone.
            let asks = path.contains("forgot");
            let names: Vec<&String> = names.iter().filter(|name| !asks || *name == long).collect();
            for length in [513, 15_000] {
                let value = |name: &str| match name {
                    name if name == long => "x".repeat(length),
                    "email" => "new@example.com".to_owned(),
                    "old_password" | "password" | "new_password" => PASSWORD.to_owned(),
                    "scopes" => "read".to_owned(),
                    _ => "x".to_owned(),
                };
                let body = if *described {
                    let object: Map<String, Value> =
                        names.iter().map(|name| ((*name).clone(), json!(value(name)))).collect();
                    Value::Object(object).to_string()
                } else {
                    let pairs: Vec<(&str, String)> =
                        names.iter().map(|name| (name.as_str(), value(name))).collect();
                    encoded(&pairs.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>())
                };
                let kind = if *described || path.starts_with("/auth/api_") { JSON } else { FORM };
                let body = if kind == JSON && !described {
                    let object: Map<String, Value> =
                        names.iter().map(|name| ((*name).clone(), json!(value(name)))).collect();
                    Value::Object(object).to_string()
                } else {
                    body
                };
                let jobs = sweep.jobs();
                // Whoever asks for a letter is told the same whatever they wrote.
                let wanted: &[u16] = if asks { &[200, 202] } else { &[400, 401, 403, 404, 409, 410, 422] };
                let answer = sweep.send(&Method::POST, &path, kind, &body).await;
                let away = path.contains("backchannel") && answer.status == StatusCode::BAD_GATEWAY;
                if !away && !wanted.contains(&answer.status.as_u16()) {
                    sweep.faults.push(format!(
                        "{path} {long} {length}: {} {:.200}",
                        answer.status,
                        answer.text()
                    ));
                }
                // A sign-in by a name that nobody can have takes the time of any other: one hash of nobody. The old
                // password is asked for before the new one is looked at.
                let named = ["login", "username", "email", "session"].contains(&long.as_str());
                let due = u64::from(path.contains("login") && named || long == "new_password");
                if sweep.jobs() - jobs > due {
                    hashed.push(format!("{path} {long} {length}: {}", sweep.jobs() - jobs));
                }
            }
        }
    }
    assert_eq!(sweep.faults, Vec::<String>::new());
    assert_eq!(hashed, Vec::<String>::new());
    let (_, users, sessions) = sweep.written().await;
    assert_eq!((users, sessions), (before.1, before.2));
    assert!(sweep.jobs() > started, "sign-ins by odd names were hashed: the count counts");
}

/// A body without an end is cut off, also where nobody reads it: what is taken in has a bound.
// proves: EDGE-5, VAL-1
#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_an_end_is_not_taken_in() {
    let sweep = Sweep::start().await;
    for (method, _, path) in sweep.routes() {
        for kind in [JSON, FORM] {
            let mut stream = TcpStream::connect(sweep.site.address).await.unwrap();
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nCookie: {1}\r\nX-CSRF-Token: {2}\r\n\
                 Content-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n",
                sweep.site.address,
                sweep.client.cookies(),
                sweep.csrf
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            let (mut from, mut to) = stream.into_split();
            let sent = Arc::new(AtomicUsize::new(0));
            let pour = tokio::spawn({
                let sent = sent.clone();
                async move {
                    let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x10000));
                    while to.write_all(chunk.as_bytes()).await.is_ok() {
                        sent.fetch_add(chunk.len(), Ordering::SeqCst);
                    }
                }
            });
            let mut answer = Vec::new();
            let read = from.read_to_end(&mut answer);
            assert!(tokio::time::timeout(Duration::from_secs(20), read).await.is_ok(), "{path} never ends");
            pour.abort();
            let sent = sent.load(Ordering::SeqCst);
            assert!(sent < 32 << 20, "{path} took {sent} bytes in");
            let text = String::from_utf8_lossy(&answer);
            assert!(!text.starts_with("HTTP/1.1 5"), "{path}: {text:.300}");
        }
    }
}

/// What is shown as a credential is bounded by its own length before anything is asked of the store.
// proves: ID-9, ID-12, ID-14
#[tokio::test(flavor = "multi_thread")]
async fn credentials_beyond_any_length_are_nobodys() {
    let sweep = Sweep::start().await;
    let (before, jobs) = (sweep.written().await, sweep.jobs());
    for length in [50, 4096, 4097, 7000] {
        let long = "a".repeat(length);
        let pal = format!("pal_key_{long}");
        for (name, value) in [
            ("authorization", format!("Bearer {long}")),
            ("authorization", format!("Bearer {pal}")),
            ("authorization", format!("Bearer {long}.{long}.{long}")),
            ("x-admin-token", pal.replace("_key_", "_adm_")),
            ("x-user-token", pal.replace("_key_", "_usr_")),
            ("cookie", format!("palisade_session={long}")),
            ("cookie", format!("palisade_session={}", "\"".repeat(length))),
        ] {
            let answer =
                sweep.site.client().send(Method::GET, "/api/v1/auth/me", &[(name, value.as_str())], "").await;
            assert!(
                matches!(answer.status.as_u16(), 400 | 401 | 431),
                "{name} {length}: {} {}",
                answer.status,
                answer.text()
            );
        }
        for path in [
            "/auth/reset-password/",
            "/auth/link/",
            "/auth/confirm/",
            "/auth/login?next=/",
            "/auth/callback/",
        ] {
            let answer = sweep.site.client().get(&format!("{path}{long}")).await;
            assert!(answer.status.as_u16() < 500, "{path} {length}: {}", answer.status);
            assert!(path.contains("next") || !answer.text().contains(&long), "{path}: a token comes back");
        }
    }
    let huge = "a".repeat(1 << 20);
    let raw = format!("GET /auth/login?next=/{huge} HTTP/1.1\r\nHost: {}\r\n\r\n", sweep.site.address);
    let said = crate::support::raw(sweep.site.address, &raw).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 414"), "{said:.200}");
    assert_eq!((sweep.written().await, sweep.jobs()), (before, jobs));
    let fine = sweep.client.clone().get("/api/v1/auth/me").await;
    assert_eq!(fine.status, StatusCode::OK);
}
