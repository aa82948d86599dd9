//! What it costs to know who asks, once they are known: with a session, an access token, an API key.
//!
//! The goals: a session under 2 microseconds, a token under 5. `cargo bench -p palisade-access --bench check`

#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench that cannot be set up ends")]

use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use criterion::{Criterion, criterion_group, criterion_main};
use palisade_access::{Access, Entered, Issued, NewKey, NewUser, Scopes};
use palisade_model::audit::Origin;
use palisade_model::{ClientAddress, Environment, Secret, World};
use palisade_policy::Policy;
use palisade_store::{Location, Store, TokenKind};

const POLICY: &str = r#"
    [app]
    name = "Bench"
    environment = "testing"
    base_url = "https://bench.example"

    [authorize.roles]
    user = {}

    [identify]
    secret_key = "env:SECRET_KEY"
"#;

const PASSWORD: &str = "violet kayak umbrella 39";

/// Somebody with every kind of credential.
struct Known {
    access: Access,
    session: String,
    token: String,
    key: String,
}

impl Known {
    async fn new() -> Self {
        let environment: Environment =
            [("SECRET_KEY", "a root secret for benches, 0123456789abcdef")].into_iter().collect();
        let policy = Policy::from_toml("bench.toml", POLICY, &environment).unwrap().policy;
        let world = World::real();
        let store = Store::open(&Location::Memory, &world).await.unwrap();
        let access = Access::open(Arc::new(policy), store, world).await.unwrap();
        let (password, origin) = (Secret::new(PASSWORD), Origin::default());
        let user = NewUser { name: "ann".into(), password: Some(password.clone()), ..NewUser::default() };
        let user = access.create_user(user, None, &origin).await.unwrap();
        let Entered::Session(session) = access.sign_in("ann", &password, &origin, None).await.unwrap() else {
            panic!("nobody has a second factor");
        };
        let Issued::Tokens(tokens) = access.sign_in_tokens("ann", &password, &origin).await.unwrap() else {
            panic!("nobody has a second factor");
        };
        let key = NewKey {
            kind: TokenKind::Key,
            user,
            name: "bench".into(),
            scopes: Scopes::everything(),
            networks: Vec::new(),
            expires_at: None,
        };
        let key = access.make_api_key(key, None, &origin).await.unwrap();
        Self {
            access,
            session: session.cookie.expose().to_owned(),
            token: tokens.access,
            key: key.token.expose().to_owned(),
        }
    }
}

/// Asks as a request does that finds its credential in memory: such a check never waits. One that does (the cache is
/// not trusted when a poll came late) is seen to its end.
fn ask<T>(runtime: &tokio::runtime::Runtime, check: impl Future<Output = T>) -> T {
    let mut check = pin!(check);
    match check.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => runtime.block_on(check),
    }
}

fn checks(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let known = runtime.block_on(Known::new());
    let access = known.access.clone();
    // Without it nothing cached is believed.
    runtime.spawn(async move { access.run(std::future::pending()).await });
    let here = ClientAddress::known([192, 0, 2, 7].into());
    let (access, _guard) = (&known.access, runtime.enter());
    criterion.bench_function("session, cached", |bench| {
        bench.iter(|| ask(&runtime, access.session(black_box(&known.session))).unwrap().unwrap());
    });
    criterion.bench_function("access token, cached", |bench| {
        bench.iter(|| ask(&runtime, access.bearer(black_box(&known.token))).unwrap());
    });
    criterion.bench_function("API key, cached", |bench| {
        bench.iter(|| ask(&runtime, access.api_key(black_box(&known.key), here)).unwrap());
    });
    criterion.bench_function("API key, broken", |bench| {
        let broken = format!("{}x", known.key);
        bench.iter(|| ask(&runtime, access.api_key(black_box(&broken), here)).unwrap_err());
    });
}

criterion_group!(benches, checks);
criterion_main!(benches);
