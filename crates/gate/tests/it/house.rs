//! A gate in front of a small application that remembers what reached it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::request::Parts;
use http::{HeaderName, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use palisade_access::{Access, NewUser};
use palisade_gate::{Allowed, Exchange, Gate, GateParts, Metrics, Peer, Trail};
use palisade_model::audit::Origin;
use palisade_model::world::SeededEntropy;
use palisade_model::{Environment, ManualClock, Secret, TenantId, Timestamp, World};
use palisade_policy::Policy;
use palisade_store::{Limiter, Location, Store};
use parking_lot::Mutex;
use serde_json::Value;
use tower::ServiceExt as _;

/// What every policy of these tests begins with.
pub const HEAD: &str = r#"
[app]
environment = "testing"
base_url = "https://app.example"
[edge]
allowed_hosts = ["app.example"]
trusted_proxies = ["10.0.0.0/8"]
body = "1KiB"
[identify]
secret_key = "env:SECRET_KEY"
[identify.passwords]
refuse_common = false
memory = "8MiB"
[upstream.app]
url = "http://127.0.0.1:5000"
"#;

/// Routes for most of them.
pub const ROUTES: &str = r#"
[[route]]
path = "/open/{*rest}"
to = "upstream:app"
allow = "public"
csrf = "off"
[[route]]
path = "/in/{*rest}"
to = "upstream:app"
allow = { read = "signed-in", write = "user" }
csrf = "origin"
[[route]]
path = "/admin"
to = "upstream:app"
allow = "admin"
[[route]]
path = "/secret"
to = "upstream:app"
allow = "admin"
hide = true
methods = ["GET"]
[[route]]
path = "/nobody"
to = "upstream:app"
[[route]]
path = "/old"
to = "upstream:app"
allow = "public"
methods = ["GET"]
[route.deprecated]
since = "2026-01-01"
sunset = "2027-06-30"
successor = "/api/v1/new"
"#;

const PASSWORD: &str = "Quietly-7-Walking-Herons";

type Answer = Box<dyn Fn(Request<Body>) -> Response<Body> + Send + Sync>;

pub struct House {
    pub gate: Gate,
    pub access: Access,
    pub store: Store,
    pub clock: Arc<ManualClock>,
    pub metrics: Metrics,
    app: Router,
    hits: Arc<AtomicUsize>,
    seen: Arc<Mutex<Option<Parts>>>,
    answer: Arc<Mutex<Answer>>,
    trail: Trail,
    events: PathBuf,
    _folder: tempfile::TempDir,
}

impl House {
    /// With the usual routes.
    pub async fn usual() -> Self {
        Self::of("").await
    }

    /// With the usual routes and further sections.
    pub async fn of(sections: &str) -> Self {
        Self::from_policy(&format!("{HEAD}{ROUTES}{sections}")).await
    }

    pub async fn from_policy(toml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let environment: Environment =
            [("SECRET_KEY", "0123456789abcdef0123456789abcdef")].into_iter().collect();
        let mut policy =
            Policy::from_toml("test", toml, &environment).unwrap_or_else(|e| panic!("{e}")).policy;
        policy.store.data_dir = folder.path().to_owned();
        let events = folder.path().join("events.log");
        policy.audit.events_file = Some(events.clone());
        let policy = Arc::new(policy);
        let (mut world, clock) = World::still(Timestamp::from_secs(1_800_000_000));
        world.entropy = Arc::new(SeededEntropy::new(7));
        let store = Store::open(&Location::Memory, &world).await.unwrap();
        let access = Access::open(policy.clone(), store.clone(), world.clone()).await.unwrap();
        let metrics = Metrics::new(&policy);
        let trail = Trail::open(store.clone(), &policy.audit, world.clock.clone(), &metrics).unwrap();
        let parts = GateParts {
            policy,
            access: access.clone(),
            limiter: Arc::new(Limiter::new(1024)),
            trail: trail.clone(),
            metrics: metrics.clone(),
            world,
        };
        let gate = Gate::new(parts);
        let (hits, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(None)));
        let answer: Arc<Mutex<Answer>> =
            Arc::new(Mutex::new(Box::new(|_| Response::new(Body::from("served")))));
        let (counted, kept, answers) = (hits.clone(), seen.clone(), answer.clone());
        let serve = move |_: Allowed, request: Request<Body>| {
            counted.fetch_add(1, Ordering::SeqCst);
            let (parts, body) = request.into_parts();
            *kept.lock() = Some(parts.clone());
            let answers = answers.clone();
            async move {
                let Ok(body) = body.collect().await else {
                    return Response::builder().status(StatusCode::BAD_GATEWAY).body(Body::empty()).unwrap();
                };
                let answer = answers.lock();
                answer(Request::from_parts(parts, Body::from(body.to_bytes())))
            }
        };
        let app = Router::new().fallback(serve).layer(gate.layer());
        Self { gate, access, store, clock, metrics, app, hits, seen, answer, trail, events, _folder: folder }
    }

    /// What the application answers from now on.
    pub fn answers(&self, answer: impl Fn(Request<Body>) -> Response<Body> + Send + Sync + 'static) {
        *self.answer.lock() = Box::new(answer);
    }

    pub async fn send(&self, ask: Ask) -> Got {
        let response = self.open(ask).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Got { parts, body: String::from_utf8_lossy(&body).into_owned() }
    }

    /// The same with the body still to come.
    pub async fn open(&self, ask: Ask) -> Response<Body> {
        self.app.clone().oneshot(ask.0).await.unwrap()
    }

    /// How many requests reached the application.
    pub fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }

    /// The last request as the application got it.
    pub fn seen(&self) -> Parts {
        self.seen.lock().clone().expect("nothing reached the application")
    }

    pub fn exchange(&self) -> Arc<Exchange> {
        self.seen().extensions.get::<Arc<Exchange>>().unwrap().clone()
    }

    /// Every line of the events log.
    pub fn events(&self) -> Vec<Value> {
        self.trail.flush();
        let text = std::fs::read_to_string(&self.events).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Makes a user with these roles and signs them in: the value of the session cookie.
    pub async fn sign_in(&self, name: &str, roles: &[&str], tenant: Option<&str>) -> String {
        let new = NewUser {
            name: name.into(),
            email: None,
            email_verified: true,
            tenant: tenant.map(|tenant| TenantId::parse(tenant).unwrap()),
            roles: Some(roles.iter().map(|role| (*role).to_owned()).collect()),
            password: Some(Secret::new(PASSWORD)),
        };
        self.access.create_user(new, None, &Origin::default()).await.unwrap();
        let session = self
            .access
            .sign_in(name, &Secret::new(PASSWORD), &Origin::default(), None)
            .await
            .unwrap()
            .session()
            .unwrap();
        session.cookie.expose().to_owned()
    }

    /// One more session of a user that is there already.
    pub async fn sign_in_again(&self, name: &str) -> String {
        let session = self
            .access
            .sign_in(name, &Secret::new(PASSWORD), &Origin::default(), None)
            .await
            .unwrap()
            .session()
            .unwrap();
        session.cookie.expose().to_owned()
    }

    /// The name of whoever the last request that reached the application was from.
    pub fn principal(&self) -> Option<String> {
        let seen = self.seen();
        seen.extensions.get::<Allowed>().unwrap().0.principal().map(|principal| principal.name().to_owned())
    }

    /// An access token for a user that is there already.
    pub async fn access_token(&self, name: &str) -> String {
        self.access
            .sign_in_tokens(name, &Secret::new(PASSWORD), &Origin::default())
            .await
            .unwrap()
            .tokens()
            .unwrap()
            .access
    }

    pub fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

/// A request under way: from 203.0.113.7 over TLS to app.example, unless told otherwise.
pub struct Ask(Request<Body>);

impl Ask {
    pub fn new(method: &str, path: &str) -> Self {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        *request.uri_mut() = path.parse().unwrap();
        Self(request).header("host", "app.example").from("203.0.113.7")
    }

    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub fn post(path: &str) -> Self {
        Self::new("POST", path)
    }

    /// One more line of a header; a second Host replaces the first.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).unwrap();
        if name == "host" {
            self.0.headers_mut().remove("host");
        }
        self.0.headers_mut().append(name, value.parse().unwrap());
        self
    }

    pub fn uri(mut self, uri: http::Uri) -> Self {
        *self.0.uri_mut() = uri;
        self
    }

    pub fn two_hosts(mut self, second: &str) -> Self {
        self.0.headers_mut().append("host", second.parse().unwrap());
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.0.headers_mut().remove(name);
        self
    }

    pub fn body(mut self, body: impl Into<Body>) -> Self {
        *self.0.body_mut() = body.into();
        self
    }

    pub fn from(self, ip: &str) -> Self {
        self.peer(ip, true)
    }

    pub fn peer(mut self, ip: &str, secure: bool) -> Self {
        let peer = Peer { address: (ip.parse::<std::net::IpAddr>().unwrap(), 4711).into(), secure };
        self.0.extensions_mut().insert(peer);
        self
    }

    pub fn nobody_knows_the_peer(mut self) -> Self {
        self.0.extensions_mut().remove::<Peer>();
        self
    }

    pub fn into_request(self) -> Request<Body> {
        self.0
    }

    pub fn signed_in(self, session: &str) -> Self {
        self.header("cookie", &format!("__Host-palisade_session={session}"))
    }

    pub fn own_origin(self) -> Self {
        self.header("origin", "https://app.example")
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Got {
    pub parts: http::response::Parts,
    pub body: String,
}

impl Got {
    pub fn status(&self) -> u16 {
        self.parts.status.as_u16()
    }

    /// A header's one value; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        let mut lines = self.parts.headers.get_all(name).iter();
        let value = lines.next().map_or("", |value| value.to_str().unwrap());
        assert!(lines.next().is_none(), "{name} stands there twice");
        value
    }

    pub fn has(&self, name: &str) -> bool {
        self.parts.headers.contains_key(name)
    }

    pub fn problem(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }
}
