//! Every case of our own, whole and in pieces.

use std::sync::Arc;
use std::time::Duration;

use palisade_policy::section::edge::WireLimits;

use super::case::{Case, all};
use super::play::play;
use super::server::{Server, limits};

async fn play_all(cases: Vec<Case>, piece: usize, limits: WireLimits) {
    let server = Arc::new(Server::start(limits).await);
    let mut plays = tokio::task::JoinSet::new();
    for case in cases {
        let server = server.clone();
        plays.spawn(async move {
            let result = play(&case, &server, piece).await;
            result.err().map(|fault| format!("{}\n    {}\n    {fault}", case.name, case.bytes.escape_ascii()))
        });
    }
    let faults: Vec<String> = plays.join_all().await.into_iter().flatten().collect();
    assert!(faults.is_empty(), "{} cases differ:\n{}", faults.len(), faults.join("\n"));
}

// proves: EDGE-6
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_ambiguous_passes_and_nothing_honest_is_refused() {
    let cases = all();
    assert!(cases.len() >= 300, "only {} cases", cases.len());
    play_all(cases, 0, limits()).await;
}

// proves: EDGE-6
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_verdict_is_the_same_byte_by_byte() {
    let short = all().into_iter().filter(|case| case.bytes.len() < 300).collect();
    // A byte each millisecond takes its time on a busy machine.
    let patient = Duration::from_secs(4);
    let limits = WireLimits { header_timeout: patient, body_timeout: patient, ..limits() };
    play_all(short, 1, limits).await;
}
