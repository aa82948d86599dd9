//! The same cases through a whole Palisade: what the application receives is what was judged, byte for byte.

use crate::support::upstream::Received;
use crate::support::{Site, Upstream, public};

use super::case::{Case, all};
use super::client::Client;

/// The limits that the cases were written for; every host is served, because this is not about hosts.
const LIMITS: [(&str, &str); 6] = [
    ("PALISADE_EDGE__ALLOWED_HOSTS", "*"),
    ("PALISADE_EDGE__MAX_URI", "2KiB"),
    ("PALISADE_EDGE__MAX_HEADER", "8KiB"),
    ("PALISADE_EDGE__MAX_HEADERS", "50"),
    ("PALISADE_EDGE__HEADER_TIMEOUT", "300ms"),
    ("PALISADE_EDGE__BODY_TIMEOUT", "300ms"),
];

/// Strict cases that do not reach the application for another reason: Palisade answers them itself, or does not know
/// for which host they are, or they are for no path.
const ANSWERED_HERE: [(&str, &[u16]); 6] = [
    ("path: /.well-known/jwks.json", &[200]),
    ("request line, honest: OPTIONS *", &[400]),
    ("HTTP/1.0: no host", &[400]),
    ("HTTP/1.0: with a length", &[400]),
    ("HTTP/1.0: nothing is read behind it", &[400]),
    ("HTTP/1.0: kept alive when asked", &[400, 400]),
];

/// Plays one case, and says what was not as it should be.
async fn play(case: &Case, site: &Site, app: &Upstream) -> Result<(), String> {
    let (before, bytes) = (app.received().len(), app.bytes());
    let mut client = Client::connect(site.address).await;
    client.head = case.bytes.starts_with(b"HEAD ");
    client.send(&case.bytes).await;
    let mut statuses = Vec::new();
    for _ in &case.outcome {
        statuses.extend(client.answer().await.map(|answer| answer.status));
    }
    let here =
        ANSWERED_HERE.iter().find(|(name, _)| *name == case.name).map(|(_, statuses)| statuses.to_vec());
    let seen = if here.is_some() { Vec::new() } else { case.seen() };
    let wanted = here.unwrap_or_else(|| vec![200; seen.len()].into_iter().chain(case.refused()).collect());
    let received = app.received().split_off(before);
    if statuses != wanted {
        return Err(format!("{statuses:?} instead of {wanted:?}; the application saw {received:?}"));
    }
    if case.refused().is_some() {
        // Then the connection is at its end, and nothing of it is still on its way.
        client.rest().await;
        let more = app.received().len() - before;
        if more != received.len() {
            return Err(format!("{more} requests reached the application in the end"));
        }
    }
    if seen.is_empty() && !breaks_in_its_body(case) && app.bytes() != bytes {
        return Err("bytes of a refused head reached the application".to_owned());
    }
    let notes: Vec<String> = received.iter().map(note).collect();
    let expected: Vec<String> = seen.iter().map(|seen| expected(seen)).collect();
    if notes != expected {
        return Err(format!("the application saw {notes:?} instead of {expected:?}"));
    }
    received.iter().try_for_each(|one| framed(one, case))
}

/// The refusal comes behind a head that passed.
fn breaks_in_its_body(case: &Case) -> bool {
    case.name.starts_with("chunks") || case.name.starts_with("bodies")
}

/// `GET /x HTTP/1.1 [body]`
fn note(received: &Received) -> String {
    format!("{} [{}]", received.line(), received.body.escape_ascii())
}

/// The same from `GET /x [body]`, as a case has it.
fn expected(seen: &str) -> String {
    match seen.split_once(" [") {
        Some((request, body)) => format!("{request} HTTP/1.1 [{body}"),
        None => format!("{seen} HTTP/1.1 []"),
    }
}

/// One framing, one host, and that the one that was sent.
fn framed(received: &Received, case: &Case) -> Result<(), String> {
    let framings = received.all("content-length").len() + received.all("transfer-encoding").len();
    let sent = String::from_utf8_lossy(&case.bytes).into_owned();
    let host = sent.split("\r\n").find_map(|line| line.strip_prefix("Host:")).map(str::trim);
    if received.all("host").len() != 1 || (host.is_some() && received.header("host") != host) {
        return Err(format!("host {:?} instead of {host:?}", received.all("host")));
    }
    if framings > 1 || (framings == 0 && !received.body.is_empty()) {
        return Err(format!("{framings} framings: {}", received.head));
    }
    Ok(())
}

// proves: EDGE-6
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_receives_what_was_judged_and_nothing_of_what_was_refused() {
    let app = Upstream::plain().await;
    let site = Site::start_with(&LIMITS, &public(app.address)).await;
    let (mut played, mut faults) = (0, Vec::new());
    for case in all() {
        played += 1;
        if let Err(fault) = play(&case, &site, &app).await {
            faults.push(format!("{}\n    {}\n    {fault}", case.name, case.bytes.escape_ascii()));
        }
    }
    assert!(played >= 300, "only {played} cases");
    assert!(faults.is_empty(), "{} of {played} cases differ:\n{}", faults.len(), faults.join("\n"));
}
