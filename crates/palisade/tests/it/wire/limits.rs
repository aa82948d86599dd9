//! Slow, greedy and leaving clients, and a server that is asked to stop (EDGE-5).

use std::time::{Duration, Instant};

use palisade_model::Denial;
use palisade_policy::section::edge::WireLimits;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::client::Client;
use super::server::{Record, Server, limits};

const SLOW: usize = 1000;

/// Sends a head byte by byte, and gives the status of what comes back.
async fn drip(address: std::net::SocketAddr) -> Option<u16> {
    let mut client = Client::connect(address).await;
    for byte in b"GET /never HTTP/1.1\r\nHost: a\r\n" {
        client.send(&[*byte]).await;
        tokio::select! {
            answer = client.answer() => return answer.map(|answer| answer.status),
            () = sleep(Duration::from_secs(1)) => {}
        }
    }
    client.answer().await.map(|answer| answer.status)
}

// proves: EDGE-5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_slow_clients_are_let_go_and_an_honest_one_is_served() {
    let server = Server::start(WireLimits { header_timeout: Duration::from_secs(3), ..limits() }).await;
    let mut slow = JoinSet::new();
    for _ in 0..SLOW {
        slow.spawn(drip(server.address));
    }
    sleep(Duration::from_millis(500)).await;
    let mut honest = Client::connect(server.address).await;
    let begun = Instant::now();
    for _ in 0..100 {
        honest.send(b"GET /honest HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(honest.answer().await.unwrap().status, 200);
    }
    let ends = slow.join_all().await;
    assert!(ends.iter().all(|end| *end == Some(408)), "{ends:?}");
    assert!(begun.elapsed() < Duration::from_secs(12), "slow clients were kept");
    assert_eq!(server.refusals(), vec![Denial::RequestTimeout; SLOW]);
}

// proves: EDGE-5
#[tokio::test]
async fn a_body_that_pauses_is_a_timeout_and_one_that_flows_is_not() {
    let server = Server::start(limits()).await;
    let mut slow = Client::connect(server.address).await;
    slow.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n").await;
    for _ in 0..5 {
        sleep(limits().body_timeout / 3).await;
        slow.send(b"a").await;
    }
    let answer = slow.answer().await.unwrap();
    assert_eq!((answer.status, answer.has("connection: close")), (408, true));
    assert_eq!(slow.rest().await, b"");
    let record = server.record(slow.local);
    assert_eq!(record, Record { seen: vec![], broken: 1, let_go: 0, refused: vec![Denial::RequestTimeout] });
}

// proves: EDGE-5
#[tokio::test]
async fn a_silent_connection_is_closed_without_a_word() {
    let limits = WireLimits { idle_timeout: Duration::from_millis(300), ..limits() };
    let server = Server::start(limits).await;
    let mut silent = Client::connect(server.address).await;
    assert_eq!(silent.rest().await, b"");
    let mut polite = Client::connect(server.address).await;
    let begun = Instant::now();
    for _ in 0..4 {
        polite.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(polite.answer().await.unwrap().status, 200);
        sleep(limits.idle_timeout / 2).await;
    }
    assert!(begun.elapsed() > limits.idle_timeout, "patience begins anew with each request");
    assert_eq!(polite.rest().await, b"");
    assert_eq!(server.refusals(), vec![]);
}

// proves: EDGE-5
#[tokio::test]
async fn a_reader_that_stalls_is_let_go() {
    let server = Server::start(WireLimits { connections_per_address: 1, ..limits() }).await;
    let mut stalled = Client::connect(server.address).await;
    stalled.send(b"GET /big/50000000 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    sleep(limits().body_timeout * 2).await;
    let mut next = Client::connect(server.address).await;
    next.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(next.answer().await.unwrap().status, 200, "its place is free again");
}

/// Over HTTP/2 the window is each stream's own: a client that opens none of them keeps what the answer holds (a
/// connection to the application) and the socket never stalls, as other streams on it go on.
// proves: EDGE-5
#[tokio::test]
async fn an_http2_stream_that_is_not_read_holds_nothing_for_long() {
    use http_body_util::{BodyExt as _, Empty};
    let server = Server::start(limits()).await;
    let connect = async |window: u32| {
        let socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let local = socket.local_addr().unwrap();
        let mut builder = hyper::client::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
        builder.initial_stream_window_size(window);
        let (sender, connection) = builder.handshake(hyper_util::rt::TokioIo::new(socket)).await.unwrap();
        tokio::spawn(connection);
        (sender, local)
    };
    let ask = |path: &str| {
        let uri = format!("http://{}{path}", server.address);
        http::Request::get(uri).body(Empty::<bytes::Bytes>::new()).unwrap()
    };
    let (mut greedy, local) = connect(0).await;
    let held =
        [greedy.send_request(ask("/held")).await.unwrap(), greedy.send_request(ask("/held")).await.unwrap()];
    let begun = Instant::now();
    while server.record(local).let_go < held.len() {
        assert!(begun.elapsed() < limits().body_timeout * 4, "answers that nobody reads are kept");
        sleep(limits().body_timeout / 4).await;
        assert_eq!(greedy.send_request(ask("/other")).await.unwrap().status(), 200);
    }
    assert!(begun.elapsed() >= limits().body_timeout, "a short pause is no reason");
    // Who reads gets all of it, and the end.
    let (mut honest, _) = connect(65_535).await;
    let whole = honest.send_request(ask("/held")).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(whole.to_bytes(), "heldheldheld");
    drop(held);
}

// proves: EDGE-5
#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let server = Server::start(WireLimits { connections_per_address: 3, ..limits() }).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(server.address).await;
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.answer().await.unwrap().status, 200);
        held.push(client);
    }
    let mut extra = Client::connect(server.address).await;
    extra.send(b"GET /extra HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = extra.answer().await.unwrap();
    assert_eq!((answer.status, answer.has("retry-after: 1")), (503, true));
    assert_eq!(extra.rest().await, b"");
    assert_eq!(server.record(extra.local).seen, Vec::<String>::new());
    assert_eq!(server.refusals(), vec![Denial::TooManyConnections]);
    drop(held.pop());
    sleep(Duration::from_millis(50)).await;
    let mut next = Client::connect(server.address).await;
    next.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(next.answer().await.unwrap().status, 200);
}

// proves: EDGE-5
#[tokio::test]
async fn a_stop_lets_open_requests_end_and_takes_no_new_ones() {
    let mut server = Server::start(limits()).await;
    let address = server.address;
    let mut idle = Client::connect(address).await;
    idle.send(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(idle.answer().await.unwrap().status, 200);
    let mut busy = Client::connect(address).await;
    busy.send(b"GET /slow/400 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    sleep(Duration::from_millis(100)).await;
    server.stop();
    assert_eq!(idle.rest().await, b"", "an idle connection is closed");
    let answer = busy.answer().await.unwrap();
    assert_eq!((answer.status, answer.has("connection: close")), (200, true));
    server.stopped().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

// proves: EDGE-5
#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let mut server = Server::start(limits()).await;
    let mut stuck = Client::connect(server.address).await;
    stuck.send(b"GET /slow/60000 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    server.stop();
    server.stopped().await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(stuck.rest().await, b"");
}
