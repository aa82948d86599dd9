//! How much a request may be, and how long it may take.

use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{assert_untouched, head};
use crate::support::{Site, Upstream, public, wire};

fn small(app: &Upstream) -> String {
    public(app.address).replace("csrf = \"off\"", "csrf = \"off\"\nbody = \"1KiB\"")
}

// proves: EDGE-5, AUD-4
#[tokio::test]
async fn a_body_that_says_it_is_too_long_is_refused_before_it_is_read() {
    let app = Upstream::plain().await;
    let site = Site::start(&small(&app)).await;
    // Nothing of the body is sent, and the answer comes all the same.
    for length in ["1025", "99999999999", "9999999999999999999"] {
        let fields = format!("Content-Length: {length}\r\n");
        let answer = wire(site.address, &head(&site, "POST /up", &fields)).await;
        site.assert_refused(&answer, 413, "edge.body_size");
    }
    let expecting = head(&site, "POST /up", "Content-Length: 1025\r\nExpect: 100-continue\r\n");
    let answer = wire(site.address, &expecting).await;
    site.assert_refused(&answer, 413, "edge.body_size");
    // No reader can agree with another on what it cannot count.
    let beyond = head(&site, "POST /up", "Content-Length: 18446744073709551617\r\n");
    site.assert_refused(&wire(site.address, &beyond).await, 400, "edge.malformed");
    assert_untouched(&app, "a body that is too long");
    let fits = head(&site, "POST /up", "Content-Length: 1024\r\n") + &"x".repeat(1024);
    assert_eq!(wire(site.address, &fits).await.status, StatusCode::OK);
    assert_eq!(app.only().body.len(), 1024);
}

// proves: EDGE-5, AUD-4
#[tokio::test]
async fn a_body_that_only_turns_out_too_long_is_cut_off_and_refused() {
    let app = Upstream::plain().await;
    let site = Site::start(&small(&app)).await;
    let chunked = |bytes: usize| {
        let chunk = format!("{bytes:x}\r\n{}\r\n", "x".repeat(bytes));
        head(&site, "POST /up", "Transfer-Encoding: chunked\r\n") + &chunk + "0\r\n\r\n"
    };
    let answer = wire(site.address, &chunked(1025)).await;
    site.assert_refused(&answer, 413, "edge.body_size");
    assert_untouched(&app, "whole, with a chunk too many");
    assert_eq!(wire(site.address, &chunked(1024)).await.status, StatusCode::OK);
    assert_eq!(app.only().body.len(), 1024);
}

// proves: EDGE-5, AUD-4
#[tokio::test]
async fn long_lines_and_many_fields_have_their_own_refusals() {
    let app = Upstream::plain().await;
    let environment = [("PALISADE_EDGE__MAX_URI", "512B"), ("PALISADE_EDGE__MAX_HEADERS", "20")];
    let site = Site::start_with(&environment, &public(app.address)).await;
    let long = head(&site, &format!("GET /{}", "x".repeat(600)), "");
    site.assert_refused(&wire(site.address, &long).await, 414, "edge.uri_length");
    let many: String = (0..30).map(|n| format!("X-{n}: 1\r\n")).collect();
    site.assert_refused(&wire(site.address, &head(&site, "GET /", &many)).await, 431, "edge.header_size");
    let wide = format!("X-A: {}\r\n", "x".repeat(40_000));
    site.assert_refused(&wire(site.address, &head(&site, "GET /", &wide)).await, 431, "edge.header_size");
    assert_untouched(&app, "a head that is too long");
}

// proves: EDGE-5, AUD-4
#[tokio::test]
async fn whoever_dawdles_is_told_so_while_others_are_served() {
    let app = Upstream::plain().await;
    let environment = [("PALISADE_EDGE__HEADER_TIMEOUT", "300ms"), ("PALISADE_EDGE__BODY_TIMEOUT", "300ms")];
    let site = Site::start_with(&environment, &public(app.address)).await;
    let whole = head(&site, "POST /up", "Content-Length: 5\r\n");
    for begun in [whole.strip_suffix("\r\n").unwrap(), &format!("{whole}ab")] {
        let started = Instant::now();
        let mut stream = TcpStream::connect(site.address).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        let other = site.client().get("/other").await;
        assert_eq!(other.status, StatusCode::OK);
        let mut answer = String::new();
        let reading = stream.read_to_string(&mut answer);
        tokio::time::timeout(Duration::from_secs(5), reading).await.expect("it is cut off").unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(started.elapsed() >= Duration::from_millis(290));
        let (_, id) = answer.split_once("x-request-id: ").expect("a request id");
        let events = site.events_of(id.split('\r').next().unwrap());
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(events[0]["payload"]["code"], "edge.timeout");
    }
    assert!(app.received().iter().all(|request| request.path() == "/other"));
}
