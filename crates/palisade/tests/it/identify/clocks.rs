//! Whatever ends by itself ends at its moment: tried a microsecond before it and at it, by a clock that the test moves.

mod letters;
mod proofs;

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use palisade_model::audit::Origin;
use palisade_model::{ManualClock, Timestamp, World};
use palisade_store::AuditQuery;
use serde_json::json;

use super::post;
use crate::cli::keys::soon;
use crate::support::place::Pair;
use crate::support::{Answer, Client, PASSWORD, Site, Upstream, public};

/// The least that a clock tells apart.
const MOMENT: Duration = Duration::from_micros(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// So long it takes until a node has heard that nothing was revoked, and believes again what it remembers.
const HEARD: Duration = Duration::from_millis(700);

/// A site whose time passes when the test says so, with an application behind it for whoever is signed in.
struct Still {
    site: Site,
    clock: Arc<ManualClock>,
    app: Upstream,
}

impl Still {
    /// With this at the beginning of its policy. It begins now, at a whole second.
    async fn start(policy: &str) -> Self {
        let app = Upstream::plain().await;
        let route = public(app.address).replace("read = \"public\"", "read = \"user\"");
        let policy = format!("{policy}\n[shield.limits]\nlogin = \"1000/minute\"\n{route}");
        let (world, clock) = World::still(Timestamp::from_secs(World::real().now().as_secs()));
        let site = Site::start_in(World { clock: world.clock, ..World::real() }, &policy).await;
        Self { site, clock, app }
    }

    fn pass(&self, span: Duration) {
        self.clock.advance(span);
    }

    /// Whoever has this session is shown the application's page.
    async fn lets_in(&self, who: &Client) {
        let answer = who.clone().get("/page").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }

    async fn lets_in_with(&self, token: &str) {
        let answer = self.site.client().get_with(token, "/page").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }

    /// Whoever has this session is refused, both by the store and by what is remembered of it.
    async fn refuses(&self, who: &Client) {
        self.stays_out(async || who.clone().get("/page").await).await;
    }

    async fn refuses_with(&self, token: &str) {
        self.stays_out(async || self.site.client().get_with(token, "/page").await).await;
    }

    async fn stays_out(&self, asked: impl AsyncFn() -> Answer) {
        let hits = self.app.received().len();
        assert_eq!(asked().await.status, StatusCode::UNAUTHORIZED, "at once");
        tokio::time::sleep(HEARD).await;
        assert_eq!(asked().await.status, StatusCode::UNAUTHORIZED, "when the node has heard of the others");
        assert_eq!(self.app.received().len(), hits, "the application was asked");
    }

    /// What signing in for tokens answers.
    async fn sign_in(&self, login: &str, password: &str) -> Answer {
        let body = json!({ "login": login, "password": password });
        self.site.client().call(Method::POST, "/api/v1/auth/login", &body).await
    }

    async fn refresh(&self, token: &str) -> Answer {
        let body = json!({ "refresh_token": token });
        self.site.client().call(Method::POST, "/api/v1/auth/refresh", &body).await
    }

    /// Another browser in which this user signs in.
    async fn browser(&self, login: &str) -> Client {
        let mut client = self.site.client();
        let fields = [("login", login), ("password", PASSWORD)];
        let done = post(&self.site, &mut client, "/auth/login", &fields).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
        client
    }

    fn events(&self, name: &str) -> usize {
        self.site.events().iter().filter(|event| event["event"] == name).count()
    }
}

// proves: ID-8
#[tokio::test]
async fn a_session_ends_after_a_day_without_a_request() {
    let still = Still::start("[identify.sessions]\nabsolute = \"30d\"").await;
    let eva = still.site.signed_in("eva", "user").await;
    for _ in 0..3 {
        still.pass(DAY - MOMENT);
        still.lets_in(&eva).await;
    }
    still.pass(DAY);
    still.refuses(&eva).await;
}

// proves: ID-8
#[tokio::test]
async fn a_session_that_is_kept_busy_ends_at_its_time_all_the_same() {
    let still = Still::start("[identify.sessions]\nabsolute = \"3d\"").await;
    let eva = still.site.signed_in("eva", "user").await;
    for _ in 0..5 {
        still.pass(12 * HOUR);
        still.lets_in(&eva).await;
    }
    still.pass(12 * HOUR - MOMENT);
    still.lets_in(&eva).await;
    // Long enough for what is remembered to be believed again: it has to know the end as well.
    tokio::time::sleep(HEARD).await;
    still.lets_in(&eva).await;
    still.pass(MOMENT);
    still.refuses(&eva).await;
}

/// Of three sessions where two may be, the one that nobody used goes, and the trail tells of it.
// proves: ID-8, AUD-1
#[tokio::test]
async fn one_session_too_many_ends_the_one_that_was_used_longest_ago() {
    let still = Still::start("[identify.sessions]\nmax_per_user = 2").await;
    let other = still.site.signed_in("otto", "user").await;
    let first = still.site.signed_in("eva", "user").await;
    still.pass(HOUR);
    let second = still.browser("eva").await;
    still.pass(HOUR);
    still.lets_in(&first).await;
    // Uses are written down in batches.
    let store = &still.site.running.store;
    let eva = store.user_by_login("eva").await.unwrap().unwrap().id;
    let now = World { clock: still.clock.clone(), ..World::real() }.now();
    let written = soon(async || store.sessions_of(eva).await.unwrap().iter().any(|one| one.last_seen == now));
    assert!(written.await);
    let third = still.browser("eva").await;
    for held in [&first, &third, &other] {
        still.lets_in(held).await;
    }
    still.refuses(&second).await;
    assert_eq!(store.sessions_of(eva).await.unwrap().len(), 2);
    let query = AuditQuery { limit: 1000, ..AuditQuery::default() };
    let rows = store.audit_rows(&query).await.unwrap();
    let told: Vec<_> = rows.iter().filter(|row| row.action == "session.revoked").collect();
    assert_eq!((told.len(), told[0].user), (1, Some(eva)), "{told:?}");
    let signed_in = rows.iter().rev().find(|row| row.action == "session.signed_in").unwrap();
    assert!(format!("{:?}", told[0]).contains(&signed_in.entity_id), "which one it gave way to: {told:?}");
}

// proves: ID-8
#[tokio::test]
async fn the_former_id_of_a_session_is_good_for_ten_seconds() {
    let still = Still::start("").await;
    let former = still.site.signed_in("eva", "user").await;
    let access = &still.site.running.access;
    let eva = still.site.running.store.user_by_login("eva").await.unwrap().unwrap().id;
    access.set_roles(eva, &["admin".to_owned()], None, &Origin::default()).await.unwrap();
    let mut new = former.clone();
    new.get("/page").await;
    assert_ne!(new.cookies(), former.cookies());
    still.pass(Duration::from_secs(10) - MOMENT);
    still.lets_in(&former).await;
    still.pass(MOMENT);
    still.refuses(&former).await;
    still.lets_in(&new).await;
}

// proves: ID-9, ID-10
#[tokio::test]
async fn an_access_token_ends_after_half_an_hour_and_a_refresh_token_after_a_week() {
    let still = Still::start("").await;
    still.site.signed_in("eva", "user").await;
    let (one, late) = (still.sign_in("eva", PASSWORD).await, still.sign_in("eva", PASSWORD).await);
    let (one, late) = (Pair::of(&one), Pair::of(&late));
    still.pass(30 * MINUTE - MOMENT);
    still.lets_in_with(&one.access).await;
    // Once from the store, once from what is remembered.
    tokio::time::sleep(HEARD).await;
    still.lets_in_with(&one.access).await;
    still.pass(MOMENT);
    still.refuses_with(&one.access).await;

    still.pass(7 * DAY - 30 * MINUTE - MOMENT);
    let next = Pair::of(&still.refresh(&one.refresh).await);
    still.lets_in_with(&next.access).await;
    still.pass(MOMENT);
    assert_eq!(still.refresh(&late.refresh).await.status, StatusCode::UNAUTHORIZED);
    // Each has a week of its own.
    still.pass(7 * DAY - 2 * MOMENT);
    let last = Pair::of(&still.refresh(&next.refresh).await);
    still.pass(7 * DAY);
    assert_eq!(still.refresh(&last.refresh).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(still.events("refresh_token_reused"), 0, "too old is no theft");
}

/// Two tabs have ten seconds; whoever comes later has the token from somebody else.
// proves: ID-10
#[tokio::test]
async fn a_refresh_token_counts_twice_for_ten_seconds_and_not_for_longer() {
    let still = Still::start("").await;
    still.site.signed_in("eva", "user").await;
    let first = Pair::of(&still.sign_in("eva", PASSWORD).await);
    let second = Pair::of(&still.refresh(&first.refresh).await);
    still.pass(Duration::from_secs(10));
    assert_eq!(Pair::of(&still.refresh(&first.refresh).await).refresh, second.refresh);
    still.lets_in_with(&second.access).await;
    assert_eq!(still.events("refresh_token_reused"), 0);
    still.pass(MOMENT);
    assert_eq!(still.refresh(&first.refresh).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(still.events("refresh_token_reused"), 1);
    still.refuses_with(&second.access).await;
    assert_eq!(still.refresh(&second.refresh).await.status, StatusCode::UNAUTHORIZED);
}

// proves: ID-16
#[tokio::test]
async fn an_api_key_ends_at_its_time() {
    let still = Still::start("").await;
    let mut eva = still.site.signed_in("eva", "user").await;
    let wish = json!({ "name": "report", "scopes": "read", "expires": "30d" });
    let made = eva.call(Method::POST, "/api/v1/auth/keys", &wish).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let token = made.json()["token"].as_str().unwrap().to_owned();
    still.pass(30 * DAY - MOMENT);
    still.lets_in_with(&token).await;
    tokio::time::sleep(HEARD).await;
    still.lets_in_with(&token).await;
    still.pass(MOMENT);
    still.refuses_with(&token).await;
}
