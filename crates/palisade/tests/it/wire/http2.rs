//! HTTP/2 with prior knowledge, in raw frames: what HTTP/1 would refuse reaches nobody, and floods end (EDGE-5, EDGE-6).

use std::time::{Duration, Instant};

use palisade_policy::section::edge::WireLimits;
use tokio::time::sleep;

use super::client::Client;
use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GET, GOAWAY, HEADERS, POST, RST_STREAM, block, connect,
    flood, frame, frames, head,
};
use super::server::{Record, Server, limits};

/// A connection that says nothing for so long has said all: long enough for a busy machine.
const MOMENT: Duration = Duration::from_millis(600);

/// Sends frames on a new connection. Gives what the service saw, and the statuses that came back; a stream or
/// connection that was broken off counts as 0.
async fn sent(server: &Server, bytes: &[u8]) -> (Record, Vec<u16>) {
    let mut client = connect(server, &[]).await;
    client.send(bytes).await;
    let (frames, _) = frames(&mut client, MOMENT).await;
    let statuses = frames
        .iter()
        .filter_map(|frame| match frame.kind {
            RST_STREAM if frame.payload != [0; 4] => Some(0),
            GOAWAY => Some(0),
            _ => frame.status(),
        })
        .collect();
    (server.record(client.local), statuses)
}

// proves: EDGE-6
#[tokio::test]
async fn a_strict_request_passes_in_one_frame_or_in_several() {
    let server = Server::start(limits()).await;
    let (record, statuses) = sent(&server, &head(END_STREAM, 1, GET)).await;
    assert_eq!((record.seen, statuses), (vec!["GET /x".to_owned()], vec![200]));

    let block = block(GET);
    let parts = [
        frame(HEADERS, END_STREAM, 1, &block[..7]),
        frame(CONTINUATION, 0, 1, &block[7..20]),
        frame(CONTINUATION, END_HEADERS, 1, &block[20..]),
    ];
    let (record, statuses) = sent(&server, &parts.concat()).await;
    assert_eq!((record.seen, statuses), (vec!["GET /x".to_owned()], vec![200]));

    // The parser drops a fragment before anybody judges; what is judged is what is handed on.
    let fragment = [&GET[..3], &[(":path", "/x#/../admin")]].concat();
    let (record, statuses) = sent(&server, &head(END_STREAM, 1, &fragment)).await;
    assert_eq!((record.seen, statuses), (vec!["GET /x".to_owned()], vec![200]));

    let fields =
        [POST, &[("content-length", "3"), ("te", "trailers"), ("host", "A"), ("api_key", "k")]].concat();
    let post = [head(0, 1, &fields), frame(DATA, 0, 1, b"ab"), frame(DATA, END_STREAM, 1, b"c")].concat();
    let (record, statuses) = sent(&server, &post).await;
    assert_eq!((record.seen, statuses), (vec!["POST /x [abc]".to_owned()], vec![200]));
}

// proves: EDGE-6
#[tokio::test]
async fn no_head_that_could_mean_two_things_reaches_the_service() {
    let server = Server::start(limits()).await;
    let more: &[(&str, &str)] = &[
        ("connection", "close"),
        ("connection", "x-request-id"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("keep-alive", "1"),
        ("proxy-connection", "close"),
        ("http2-settings", "AAMAAABk"),
        ("te", "gzip"),
        ("te", "trailers, gzip"),
        ("host", "b"),
        ("host", ""),
        ("content-length", "+0"),
        ("content-length", "0, 0"),
        ("content_length", "0"),
        ("transfer_encoding", "chunked"),
        ("x_user", "root"),
        ("X-Upper", "case"),
        ("x y", "z"),
        ("x:", "z"),
        ("", "z"),
        ("x\r\ny", "z"),
        ("x", "a\r\nhost: b"),
        ("x", "a\nb"),
        ("x", "a\0b"),
        ("expect", "a-miracle"),
        (":path", "/admin"),
        (":method", "POST"),
        (":authority", "b"),
        (":status", "200"),
        (":unknown", "x"),
        (":protocol", "websocket"),
    ];
    let mut heads: Vec<Vec<(&str, &str)>> = more.iter().map(|field| [GET, &[*field]].concat()).collect();
    for path in [
        "",
        "*",
        "x",
        "/..",
        "/a/../b",
        "/%2e%2e/a",
        "//a",
        "/a%2fb",
        "/a;b",
        "/a\\b",
        "/a b",
        "/a\0",
        "/caf\u{e9}",
        "/%61",
        "http://b/",
        "/?a b",
        "/a HTTP/1.1\r\nX: y",
    ] {
        heads.push([&GET[..3], &[(":path", path)]].concat());
    }
    for authority in ["", "a b", "u@a", "a:0", "a/b", "a,b", "a\r\nb", "[::1"] {
        heads.push(vec![GET[0], GET[1], (":authority", authority), GET[3]]);
    }
    for method in ["", "get", "TRACE", "BREW", "GET /", "G\r\nET"] {
        heads.push(vec![(":method", method), GET[1], GET[2], GET[3]]);
    }
    for scheme in ["", "ftp", "http://a"] {
        heads.push(vec![GET[0], (":scheme", scheme), GET[2], GET[3]]);
    }
    heads.extend([
        GET[1..].to_vec(),
        GET[..3].to_vec(),
        vec![GET[0], GET[2], GET[3]],
        vec![GET[0], GET[1], GET[3]],
    ]);
    heads.push(vec![("x", "y"), GET[0], GET[1], GET[2], GET[3]]);
    heads.push(vec![(":method", "CONNECT"), (":authority", "a:80")]);
    heads.push([GET, &[("authorization", "a"), ("authorization", "b")]].concat());
    heads.push([GET, &[("content-length", "0"), ("content-length", "0")]].concat());
    heads.push([GET, &[("host", "a"), ("host", "a")]].concat());
    let mut passed = Vec::new();
    let mut tests = tokio::task::JoinSet::new();
    let server = std::sync::Arc::new(server);
    for fields in heads {
        let (server, bytes) = (server.clone(), head(END_STREAM, 1, &fields));
        let name = format!("{fields:?}");
        tests.spawn(async move { (name, sent(&server, &bytes).await) });
    }
    for (name, (record, statuses)) in tests.join_all().await {
        if !record.seen.is_empty() || statuses.is_empty() || statuses.contains(&200) {
            passed.push(format!("{name}: {record:?} {statuses:?}"));
        }
    }
    assert!(passed.is_empty(), "{}", passed.join("\n"));
}

// proves: EDGE-6
#[tokio::test]
async fn a_body_that_is_not_as_long_as_it_says_and_trailers_are_never_a_whole_request() {
    let server = Server::start(limits()).await;
    let five = [POST, &[("content-length", "5")]].concat();
    let data = |flags, bytes: &[u8]| frame(DATA, flags, 1, bytes);
    for (what, rest) in [
        ("too short", data(END_STREAM, b"abc")),
        ("too long", data(END_STREAM, b"abcdefg")),
        ("too long, in pieces", [data(0, b"abcd"), data(END_STREAM, b"efg")].concat()),
        ("given up", [data(0, b"abc"), frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])].concat()),
        ("trailers", [data(0, b"abcde"), head(END_STREAM, 1, &[("x-user", "root")])].concat()),
        ("trailers with a path", [data(0, b"abcde"), head(END_STREAM, 1, &[(":path", "/b")])].concat()),
        ("never ended", data(0, b"abc")),
    ] {
        let (record, statuses) = sent(&server, &[head(0, 1, &five), rest].concat()).await;
        assert_eq!(record.seen, Vec::<String>::new(), "{what}");
        assert!(!statuses.contains(&200), "{what}: {statuses:?}");
    }
    let nothing = [POST, &[("content-length", "5")]].concat();
    assert_eq!(sent(&server, &head(END_STREAM, 1, &nothing)).await.0.seen, Vec::<String>::new());
}

/// Whether the server still answers others.
async fn still_serves(server: &Server) {
    let mut honest = Client::connect(server.address).await;
    honest.send(b"GET /honest HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(honest.answer().await.unwrap().status, 200);
}

// proves: EDGE-5
#[tokio::test]
async fn streams_that_are_reset_at_once_end_the_connection() {
    let server = Server::start(limits()).await;
    let mut client = connect(&server, &[]).await;
    const ROUNDS: usize = 20_000;
    let rounds = flood(&mut client, ROUNDS, |round| {
        let stream = u32::try_from(round * 2 + 1).unwrap();
        [head(END_STREAM, stream, GET), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    })
    .await;
    let closed = frames(&mut client, Duration::from_secs(2)).await.1;
    assert!(rounds < ROUNDS || closed, "never had enough");
    let seen = server.record(client.local).seen.len();
    assert!(seen < 2000, "{seen} of them were worked on");
    still_serves(&server).await;
}

// proves: EDGE-5
#[tokio::test]
async fn a_head_that_goes_on_for_ever_ends_the_connection() {
    let server = Server::start(limits()).await;
    const ROUNDS: usize = 2000;
    for piece in [block(&[("x", &"y".repeat(100))]).repeat(150), Vec::new()] {
        let mut client = connect(&server, &[]).await;
        client.send(&frame(HEADERS, END_STREAM, 1, &block(GET))).await;
        let rounds = flood(&mut client, ROUNDS, |_| frame(CONTINUATION, 0, 1, &piece)).await;
        let closed = frames(&mut client, Duration::from_secs(2)).await.1;
        assert!(rounds < ROUNDS || closed, "took {rounds} pieces of {} bytes", piece.len());
        assert_eq!(server.record(client.local).seen, Vec::<String>::new());
    }
    // One that is whole, and too large.
    let mut fields = GET.to_vec();
    let long = "y".repeat(120);
    fields.extend((0..100).map(|_| ("x", long.as_str())));
    let (record, statuses) = sent(&server, &head(END_STREAM, 1, &fields)).await;
    assert_eq!((record.seen, statuses), (vec![], vec![431]));
    still_serves(&server).await;
}

// proves: EDGE-5
#[tokio::test]
async fn an_idle_connection_and_a_reader_that_stalls_are_let_go() {
    let idle = WireLimits { idle_timeout: Duration::from_millis(400), ..limits() };
    let server = Server::start(idle).await;
    for bytes in [Vec::new(), head(END_STREAM, 1, GET), vec![0, 0, 9]] {
        let begun = Instant::now();
        let mut client = connect(&server, &[]).await;
        client.send(&bytes).await;
        assert!(frames(&mut client, Duration::from_secs(4)).await.1, "kept for ever");
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    }
    let server = Server::start(WireLimits { connections_per_address: 1, ..limits() }).await;
    // SETTINGS_INITIAL_WINDOW_SIZE of 0: not one byte of the answer is taken.
    let mut stalled = connect(&server, &[0, 4, 0, 0, 0, 0]).await;
    let big = [&GET[..3], &[(":path", "/big/5000000")]].concat();
    stalled.send(&head(END_STREAM, 1, &big)).await;
    sleep(limits().body_timeout * 3).await;
    still_serves(&server).await;
}
