//! The guard around a socket, with the HTTP server that reads through it.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use palisade_gate::wire::GuardedIo;
use palisade_model::Denial;
use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::time::Instant;

use super::scripted::Scripted;
use super::{case, hostile, limits, reader, splits};

/// What came of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Outcome {
    /// Requests whose body was whole.
    seen: Vec<String>,
    /// Requests whose body was not.
    broken: usize,
    /// What the guard itself refused.
    refused: Option<Denial>,
    /// The statuses of all answers.
    statuses: Vec<String>,
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Plays pieces to a server behind the guard, the first of them as what was read before, until all is still.
fn play(mut pieces: Vec<Vec<u8>>, prefixed: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let prefix = if prefixed && !pieces.is_empty() { pieces.remove(0) } else { Vec::new() };
    let io = Scripted::new(pieces);
    let written = io.written.clone();
    let outcome = Arc::<Mutex<Outcome>>::default();
    let (noted, refused) = (outcome.clone(), outcome.clone());
    let on_violation = Box::new(move |refusal: palisade_model::Refusal| {
        refused.lock().refused = Some(refusal.denial);
        Bytes::from(format!("HTTP/1.1 {} -\r\n\r\n", refusal.denial.facts().status))
    });
    let (guard, exchanges) = GuardedIo::new(io, &prefix, Instant::now(), limits(), on_violation);
    let service = service_fn(move |request: Request<Incoming>| {
        let (noted, exchanges) = (noted.clone(), exchanges.clone());
        async move {
            let answer = note(&noted, request).await;
            exchanges.answered();
            Ok::<_, Infallible>(answer)
        }
    });
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(guard), service));
    let flag = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(flag.clone());
    while flag.0.swap(false, Ordering::SeqCst) {
        if connection.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            break;
        }
    }
    let mut outcome = outcome.lock().clone();
    let text = String::from_utf8_lossy(&written.lock()).into_owned();
    let statuses = text.lines().filter(|line| line.starts_with("HTTP/1.") && !line.contains(" 100 "));
    outcome.statuses = statuses.map(|line| line[9..12].to_owned()).collect();
    outcome
}

async fn note(noted: &Mutex<Outcome>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("*", http::uri::PathAndQuery::as_str);
    let mut note = format!("{} {target}", parts.method);
    let Ok(body) = body.collect().await else {
        noted.lock().broken += 1;
        let mut response = Response::default();
        *response.status_mut() = http::StatusCode::BAD_REQUEST;
        return response;
    };
    let body = body.to_bytes();
    if !body.is_empty() {
        note.push_str(&format!(" [{}]", body.escape_ascii()));
    }
    noted.lock().seen.push(note);
    Response::default()
}

// proves: EDGE-6
#[test]
fn the_server_sees_just_the_requests_of_each_case_in_any_pieces() {
    for case in case::all().into_iter().filter(|case| case.bytes.len() < 400) {
        let whole = play(vec![case.bytes.clone()], false);
        assert_eq!(whole.seen, case.seen(), "{}", case.name);
        let bytewise: Vec<Vec<u8>> = case.bytes.iter().map(|byte| vec![*byte]).collect();
        for (pieces, prefixed) in
            [(vec![case.bytes.clone()], true), (bytewise.clone(), false), (bytewise, true)]
        {
            assert_eq!(play(pieces, prefixed), whole, "{} {prefixed}", case.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    // proves: EDGE-6
    #[test]
    fn the_server_sees_the_same_of_spoiled_requests_in_any_pieces(
        bytes in hostile::requests(),
        cuts in hostile::cuts(),
        prefixed: bool,
    ) {
        let whole = play(vec![bytes.clone()], false);
        prop_assert_eq!(&play(hostile::pieces(&bytes, &cuts), prefixed), &whole);
        let judged = splits::judge(&[bytes]);
        prop_assert_eq!(reader::read(&judged.released).unwrap().whole, whole.seen, "two readers, one meaning");
    }
}
