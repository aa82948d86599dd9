//! The second node is cut off, paused, or without its database: it lets nobody in whom it should not, and goes on.

use std::process::Command;
use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Full};

use super::{DENIED, LAG, Nodes, sign_out, sql, sql_at};
use crate::cli::keys::soon;
use crate::support::Client;

const UNKNOWN: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

impl Nodes {
    /// Sends a signal to the processes that serve the second node's connections.
    fn signal_connections(&self, name: &str) {
        let pids = sql(self.database(), "SELECT pid FROM pg_stat_activity WHERE usename = 'b'");
        let sent = Command::new("kill").arg(name).args(pids.split_whitespace()).status().unwrap();
        assert!(sent.success());
    }

    /// Halts something of the second node by this signal, at a moment when it holds nothing that the first one needs.
    fn halt(&self, signal: impl Fn(&str)) {
        const BUSY: &str =
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'b' AND xact_start IS NOT NULL";
        signal("-STOP");
        while sql(self.database(), BUSY).trim() != "0" {
            signal("-CONT");
            signal("-STOP");
        }
    }
}

/// Its connections are ended: whatever it would have heard by them, it hears by others.
// proves: ID-8
#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_connections_are_ended_refuses_within_a_second_all_the_same() {
    const CUT: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'b'";
    let nodes = Nodes::start().await;
    let eva = nodes.place.user("eva", "user").await;
    // Each of these is looked for in the database: by other connections, if need be. The first ones open them all.
    let strangers = async |round: usize| {
        let looked_for = (0..100).map(async |n: usize| {
            let mut stranger = nodes.place.anybody().through(nodes.b.address);
            stranger.put_cookie("palisade_session", &format!("{:0>43}", round * 100 + n));
            stranger.get("/page").await.status
        });
        let told = futures_util::future::join_all(looked_for).await;
        assert!(told.iter().all(|status| *status == DENIED), "{told:?}");
    };
    strangers(0).await;
    for round in 1..5 {
        let url = nodes.database().url("postgres");
        let cut = tokio::task::spawn_blocking(move || sql_at(&url, CUT));
        strangers(round).await;
        assert_ne!(cut.await.unwrap().trim(), "0", "nothing was cut");
    }
    let end = async || {
        let cut = sql(nodes.database(), CUT);
        assert_ne!(cut.trim(), "0", "nothing was cut");
        sign_out(eva.clone()).await;
    };
    assert_eq!(nodes.ends(async || nodes.page(&eva).await, end).await, DENIED);
    assert_eq!(nodes.page(&nodes.admin).await, StatusCode::OK, "it goes on");
}

/// The network between it and the database swallows everything, so that it can know nothing.
// proves: ID-8
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_hears_nothing_lets_nobody_in_after_a_second() {
    let nodes = Nodes::start().await;
    let eva = nodes.place.user("eva", "user").await;
    // No new connections, and those that there are fall silent.
    let end = async || {
        sql(nodes.database(), "ALTER ROLE b NOLOGIN");
        nodes.halt(|signal| nodes.signal_connections(signal));
        sign_out(eva.clone()).await;
    };
    // It waits for the database for longer than this test does: no answer is no way in either.
    let asked = async |who: &Client| {
        let answer = tokio::time::timeout(2 * LAG, nodes.page(who)).await;
        answer.unwrap_or(UNKNOWN)
    };
    assert_eq!(nodes.ends(async || asked(&eva).await, end).await, UNKNOWN, "it cannot know");
    assert_eq!(asked(&nodes.admin).await, UNKNOWN, "whoever it is");
    sql(nodes.database(), "ALTER ROLE b LOGIN");
    nodes.signal_connections("-CONT");
    assert!(soon(async || nodes.page(&nodes.admin).await == StatusCode::OK).await, "it knows again");
    assert_eq!(nodes.page(&eva).await, DENIED);
}

/// As a machine is that moves to another host; what it would have heard is forgotten when it goes on.
// proves: ID-8
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_paused_asks_before_it_believes_anything() {
    let nodes = Nodes::start().await;
    let (eva, ida) = (nodes.place.user("eva", "user").await, nodes.place.user("ida", "user").await);
    assert_eq!(nodes.page(&eva).await, StatusCode::OK);
    nodes.halt(|signal| nodes.b.signal(signal));
    sign_out(eva.clone()).await;
    sql(nodes.database(), "DELETE FROM palisade.feed; UPDATE palisade.head SET feed_floor = feed_seq");
    tokio::time::sleep(LAG + Duration::from_millis(50)).await;
    nodes.b.signal("-CONT");
    assert_eq!(nodes.page(&eva).await, DENIED, "the very first request");
    assert_eq!(nodes.page(&nodes.admin).await, StatusCode::OK);
    // It hears again.
    let end = async || sign_out(ida.clone()).await;
    assert_eq!(nodes.ends(async || nodes.page(&ida).await, end).await, DENIED);
}

// proves: ID-8, OBS-1
#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_nobody_is_let_in_and_nothing_is_said_to_be_done() {
    let mut nodes = Nodes::start().await;
    let eva = nodes.place.user("eva", "user").await;
    let tokens = nodes.place.tokens("admin").await;
    assert_eq!(
        (nodes.page(&eva).await, nodes.page_with(&tokens.access).await),
        (StatusCode::OK, StatusCode::OK)
    );
    nodes.place.database.as_mut().unwrap().crash();
    tokio::time::sleep(LAG + Duration::from_millis(50)).await;
    let hits = nodes.place.hits();
    assert_eq!((nodes.page(&eva).await, nodes.page_with(&tokens.access).await), (UNKNOWN, UNKNOWN));
    let out = eva.clone().send(Method::POST, "/api/v1/auth/logout", &[], "").await;
    assert_eq!(out.status, UNKNOWN, "{}", out.text());
    assert_eq!(nodes.place.refresh(&tokens.refresh).await.status, UNKNOWN);
    assert_eq!(nodes.place.sign_in("admin", crate::support::PASSWORD).await.status, UNKNOWN);
    assert_eq!(nodes.place.anybody().get("/healthz").await.status, StatusCode::OK);
    assert_eq!(nodes.place.hits(), hits, "the application was asked");

    nodes.place.database.as_mut().unwrap().up();
    for node in [nodes.place.server.address, nodes.b.address] {
        let back = soon(async || eva.through(node).get("/page").await.status == StatusCode::OK);
        assert!(back.await, "without a restart");
    }
    assert_eq!(nodes.page_with(&tokens.access).await, StatusCode::OK);
    let end = async || sign_out(eva.clone()).await;
    assert_eq!(nodes.ends(async || nodes.page(&eva).await, end).await, DENIED);
}

// proves: ID-8
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_at_one_node_breaks_off_when_its_session_ends_at_the_other() {
    let nodes = Nodes::start().await;
    let eva = nodes.place.user("eva", "user").await;
    let open = async |who: &Client| {
        let mut there = who.through(nodes.b.address);
        let answer = there.open(Method::GET, "/events", &[], Full::from("")).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let mut body = answer.into_body();
        body.frame().await.unwrap().unwrap();
        body
    };
    let (mut hers, mut other) = (open(&eva).await, open(&nodes.admin).await);
    sign_out(eva.clone()).await;
    let broken = async {
        while let Some(frame) = hers.frame().await {
            if frame.is_err() {
                return true;
            }
        }
        false
    };
    let broken = tokio::time::timeout(Duration::from_secs(4), broken).await;
    assert_eq!(broken.ok(), Some(true), "it goes on, or ended as if it were whole");
    other.frame().await.unwrap().expect("nobody else's breaks off");
}
