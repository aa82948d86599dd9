//! The streaming of rewritten pages: pieces, codings, headers, memory.

use std::convert::Infallible;
use std::time::Duration;

use async_compression::Level;
use async_compression::tokio::{bufread, write};
use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, StreamBody};
use palisade_gate::forms::rewrite;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::forms::{FIELD, META, bytes_of, page};

const HTML: &str = "<!doctype html><html><head><title>\u{20ac}</title></head><body>\
    <form method=\"post\" action=\"/save?a=1&amp;b=2\"><textarea><form method=post></textarea></form>\
    <form method=post action='//evil.example'><button formaction=/x></button></form>\
    <!-- <form method=post> --><script>if (a < b) '<form method=post>'</script>\
    <form method=post><button formaction=//evil.example>x</button></form></body></html>";

fn html(chunks: Vec<Bytes>) -> Response<Body> {
    let body = Body::from_stream(stream::iter(chunks.into_iter().map(Ok::<_, Infallible>)));
    Response::builder().header(header::CONTENT_TYPE, "text/html").body(body).unwrap()
}

fn pieces(bytes: &[u8], cuts: &[usize]) -> Vec<Bytes> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|w| Bytes::copy_from_slice(&bytes[w[0]..w[1]])).collect()
}

async fn whole() -> Vec<u8> {
    bytes_of(rewrite(html(vec![Bytes::from_static(HTML.as_bytes())]), &page())).await
}

// proves: CSRF-3
#[tokio::test]
async fn a_cut_at_any_byte_gives_the_same_page() {
    let expected = whole().await;
    let text = String::from_utf8(expected.clone()).unwrap();
    assert_eq!((text.matches(FIELD).count(), text.matches(META).count()), (2, 1), "{text}");
    for cut in 0..=HTML.len() {
        assert_eq!(
            bytes_of(rewrite(html(pieces(HTML.as_bytes(), &[cut])), &page())).await,
            expected,
            "{cut}"
        );
    }
    let every: Vec<usize> = (0..HTML.len()).collect();
    assert_eq!(bytes_of(rewrite(html(pieces(HTML.as_bytes(), &every)), &page())).await, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    // proves: CSRF-3
    #[test]
    fn no_markup_depends_on_how_it_was_cut(
        parts in prop::collection::vec(prop::sample::select(vec![
            "<form method=post>", "</form>", "<form method=post action=//e>", "<svg>", "</svg>", "<!--", "-->",
            "<script>", "</script>", "<textarea>", "</textarea>", "<base href=//e>", "<template>", "</template>",
            "text", "<", ">", "'", "\"", "<p a='", "&amp;", "\u{20ac}", "\0", "<button formaction=//e>", "</head>", "<head>",
        ]), 0..24),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let source = parts.concat();
        runtime.block_on(async {
            let one = bytes_of(rewrite(html(vec![Bytes::from(source.clone())]), &page())).await;
            let many = bytes_of(rewrite(html(pieces(source.as_bytes(), &cuts)), &page())).await;
            assert_eq!(one, many);
        });
    }
}

async fn encode(coding: &str, plain: &[u8]) -> Vec<u8> {
    macro_rules! with {
        ($encoder:ident) => {{
            let mut encoder = write::$encoder::with_quality(Vec::new(), Level::Fastest);
            encoder.write_all(plain).await.unwrap();
            encoder.shutdown().await.unwrap();
            encoder.into_inner()
        }};
    }
    match coding {
        "gzip" => with!(GzipEncoder),
        "deflate" => with!(ZlibEncoder),
        "raw" => with!(DeflateEncoder),
        "br" => with!(BrotliEncoder),
        _ => plain.to_vec(),
    }
}

async fn decode(coding: &str, coded: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match coding {
        "gzip" => bufread::GzipDecoder::new(coded).read_to_end(&mut plain).await.unwrap(),
        "deflate" => bufread::ZlibDecoder::new(coded).read_to_end(&mut plain).await.unwrap(),
        "raw" => bufread::DeflateDecoder::new(coded).read_to_end(&mut plain).await.unwrap(),
        "br" => bufread::BrotliDecoder::new(coded).read_to_end(&mut plain).await.unwrap(),
        _ => {
            plain.extend_from_slice(coded);
            0
        }
    };
    plain
}

fn label(coding: &str) -> &str {
    if coding == "raw" { "deflate" } else { coding }
}

// proves: CSRF-3
#[tokio::test]
async fn each_coding_is_taken_off_and_put_on_again() {
    let expected = whole().await;
    for coding in ["gzip", "deflate", "raw", "br", "identity"] {
        let coded = encode(coding, HTML.as_bytes()).await;
        for step in [1, 7, 4096] {
            let mut response = html(coded.chunks(step).map(Bytes::copy_from_slice).collect());
            response.headers_mut().insert(header::CONTENT_ENCODING, label(coding).parse().unwrap());
            let response = rewrite(response, &page());
            assert_eq!(response.headers()[header::CONTENT_ENCODING], label(coding));
            assert_eq!(decode(coding, &bytes_of(response).await).await, expected, "{coding} {step}");
        }
    }
    // Several gzip members are one page (RFC 1952 section 2.2).
    let (a, b) = HTML.split_at(40);
    let members = [encode("gzip", a.as_bytes()).await, encode("gzip", b.as_bytes()).await].concat();
    let mut response = html(vec![Bytes::from(members)]);
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    assert_eq!(decode("gzip", &bytes_of(rewrite(response, &page())).await).await, expected);
}

// proves: CSRF-3
#[tokio::test]
async fn what_cannot_be_rewritten_goes_through_untouched() {
    let untouched = [
        (StatusCode::OK, Method::GET, vec![("content-type", "text/plain")]),
        (StatusCode::OK, Method::GET, vec![("content-type", "application/xhtml+xml")]),
        (StatusCode::OK, Method::GET, vec![("content-type", "text/html-but-not")]),
        (StatusCode::OK, Method::GET, vec![("content-type", "text/html"), ("content-type", "text/plain")]),
        (StatusCode::OK, Method::GET, vec![]),
        (StatusCode::OK, Method::HEAD, vec![("content-type", "text/html")]),
        (StatusCode::PARTIAL_CONTENT, Method::GET, vec![("content-type", "text/html")]),
        (StatusCode::NOT_MODIFIED, Method::GET, vec![("content-type", "text/html")]),
        (StatusCode::NO_CONTENT, Method::GET, vec![("content-type", "text/html")]),
        (StatusCode::OK, Method::GET, vec![("content-type", "text/html"), ("content-encoding", "zstd")]),
        (StatusCode::OK, Method::GET, vec![("content-type", "text/html"), ("content-encoding", "gzip, br")]),
        (
            StatusCode::OK,
            Method::GET,
            vec![("content-type", "text/html"), ("content-disposition", "attachment; filename=page.html")],
        ),
    ];
    for (status, method, headers) in untouched {
        let mut response = Response::new(Body::from("<form method=post>"));
        *response.status_mut() = status;
        for (name, value) in [("etag", "\"1\""), ("content-length", "18"), ("accept-ranges", "bytes")]
            .into_iter()
            .chain(headers)
        {
            response.headers_mut().append(name, value.parse().unwrap());
        }
        let before = response.headers().clone();
        let mut page = page();
        page.method = method;
        let after = rewrite(response, &page);
        assert_eq!(*after.headers(), before);
        assert_eq!(bytes_of(after).await, b"<form method=post>", "{status} {before:?}");
    }
}

// proves: CSRF-3
#[tokio::test]
async fn headers_no_longer_speak_of_the_upstreams_bytes() {
    let response = Response::builder()
        .status(422)
        .header("content-type", "Text/HTML ; Charset=\"UTF-8\"")
        .header("content-length", "18")
        .header("etag", "\"abc\"")
        .header("last-modified", "Wed, 21 Oct 2015 07:28:00 GMT")
        .header("accept-ranges", "bytes")
        .header("content-digest", "sha-256=:x:")
        .header("repr-digest", "sha-256=:x:")
        .header("digest", "x")
        .header("content-md5", "x")
        .header("cache-control", "public, max-age=600")
        .header("expires", "Wed, 21 Oct 2035 07:28:00 GMT")
        .header("vary", "Accept-Encoding")
        .header("content-disposition", "inline; filename=a.html")
        .body(Body::from("<form method=post>"))
        .unwrap();
    let after = rewrite(response, &page());
    let mut left: Vec<_> =
        after.headers().iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
    left.sort();
    assert_eq!(after.status(), 422);
    assert_eq!(
        left,
        [
            "cache-control: private, no-store",
            "content-disposition: inline; filename=a.html",
            "content-type: Text/HTML ; Charset=\"UTF-8\"",
            "etag: W/\"abc\"",
            "last-modified: Wed, 21 Oct 2015 07:28:00 GMT",
            "vary: Accept-Encoding",
            "vary: Cookie",
        ]
    );
    assert_eq!(bytes_of(after).await, format!("<form method=post>{FIELD}").as_bytes());
}

// proves: CSRF-3
#[tokio::test]
async fn a_page_that_is_made_slowly_is_seen_as_it_is_made() {
    for coding in ["identity", "gzip", "deflate", "br"] {
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(4);
        let mut response = Response::new(Body::new(body));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        response.headers_mut().insert(header::CONTENT_ENCODING, coding.parse().unwrap());
        let mut out = rewrite(response, &page()).into_body().into_data_stream();
        let parts = ["<p>first</p>", "<form method=post>", "<p>third</p>"];
        let mut coded = Vec::new();
        for (piece, part) in flushed(coding, &parts).await.into_iter().zip(parts) {
            sender.send_data(Bytes::from(piece)).await.unwrap();
            let next = tokio::time::timeout(Duration::from_secs(5), out.next()).await;
            coded.extend_from_slice(&next.expect("stalled").unwrap().unwrap());
            let seen = so_far(coding, &coded).await;
            assert!(String::from_utf8(seen).unwrap().contains(part), "{coding} {part}");
        }
    }
}

/// Each part as an upstream sends it that flushes after each.
async fn flushed(coding: &str, parts: &[&str]) -> Vec<Vec<u8>> {
    macro_rules! with {
        ($encoder:ident) => {{
            let mut encoder = write::$encoder::new(Vec::new());
            let mut pieces = Vec::new();
            for part in parts {
                encoder.write_all(part.as_bytes()).await.unwrap();
                encoder.flush().await.unwrap();
                pieces.push(std::mem::take(encoder.get_mut()));
            }
            pieces
        }};
    }
    match coding {
        "gzip" => with!(GzipEncoder),
        "deflate" => with!(ZlibEncoder),
        "br" => with!(BrotliEncoder),
        _ => parts.iter().map(|part| part.as_bytes().to_vec()).collect(),
    }
}

/// What a reader can show of an answer that is not over.
async fn so_far(coding: &str, coded: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let _cut_short = match coding {
        "gzip" => bufread::GzipDecoder::new(coded).read_to_end(&mut plain).await,
        "deflate" => bufread::ZlibDecoder::new(coded).read_to_end(&mut plain).await,
        "br" => bufread::BrotliDecoder::new(coded).read_to_end(&mut plain).await,
        _ => coded.to_vec().as_slice().read_to_end(&mut plain).await,
    };
    plain
}

// proves: CSRF-3
#[tokio::test]
async fn trailers_survive_and_a_broken_page_breaks_off() {
    let mut trailers = HeaderMap::new();
    trailers.insert("server-timing", HeaderValue::from_static("db;dur=53"));
    let frames = [Frame::data(Bytes::from_static(b"<form method=post>")), Frame::trailers(trailers.clone())];
    let body = StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)));
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    let collected = rewrite(response, &page()).into_body().collect().await.unwrap();
    assert_eq!(collected.trailers(), Some(&trailers));
    assert_eq!(collected.to_bytes(), format!("<form method=post>{FIELD}"));

    // Cut short, corrupt, or the connection died: the reader must not take it for whole.
    let coded = encode("gzip", HTML.as_bytes()).await;
    for broken in [coded[..coded.len() - 9].to_vec(), [b"not gzip at all".as_slice(), &coded].concat()] {
        let mut response = html(vec![Bytes::from(broken)]);
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(rewrite(response, &page()).into_body().collect().await.is_err());
    }
    let died = stream::iter([Ok(Bytes::from_static(b"<p>")), Err(std::io::Error::other("reset"))]);
    let mut response = Response::new(Body::from_stream(died));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    assert!(rewrite(response, &page()).into_body().collect().await.is_err());

    // Nothing at all under the name of a coding is an empty page.
    for coding in ["gzip", "deflate", "br"] {
        let mut response = html(vec![]);
        response.headers_mut().insert(header::CONTENT_ENCODING, coding.parse().unwrap());
        assert_eq!(bytes_of(rewrite(response, &page())).await, b"", "{coding}");
    }
}

/// Whether this is a process for this one test, whose memory can be measured. If it is not, one is
/// started, and must succeed.
fn alone(test: &str) -> bool {
    const ALONE: &str = "PALISADE_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let output = child.args([test, "--exact", "--nocapture"]).env(ALONE, "1").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{test} is not the name of a test");
    false
}

/// Resident memory of this process, in KiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("0");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

async fn drained(response: Response<Body>) -> (usize, usize) {
    let (mut length, mut largest) = (0, 0);
    let mut out = response.into_body().into_data_stream();
    while let Some(piece) = out.next().await {
        let piece = piece.unwrap();
        length += piece.len();
        largest = largest.max(piece.len());
    }
    (length, largest)
}

// proves: CSRF-3
#[tokio::test]
async fn a_page_of_a_hundred_mebibytes_needs_no_more_memory_than_a_small_one() {
    if !alone("forms_stream::a_page_of_a_hundred_mebibytes_needs_no_more_memory_than_a_small_one") {
        return;
    }
    let piece = Bytes::from(format!("<p>{}</p><form method=post></form>", "some text ".repeat(6000)));
    let count = (100 << 20) / piece.len();
    let total = piece.len() * count;
    let chunk = piece.clone();
    let body = Body::from_stream(stream::iter((0..count).map(move |_| Ok::<_, Infallible>(chunk.clone()))));
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    let before = resident();
    let (length, largest) = drained(rewrite(response, &page())).await;
    assert_eq!(length, total + count * FIELD.len());
    assert!(largest < 256 << 10, "{largest}");
    assert!(resident() < before + (24 << 10), "{before} KiB grew to {} KiB", resident());
}

// proves: CSRF-3
#[tokio::test]
async fn a_bomb_is_met_piece_by_piece_and_others_have_their_turn() {
    if !alone("forms_stream::a_bomb_is_met_piece_by_piece_and_others_have_their_turn") {
        return;
    }
    for coding in ["gzip", "br"] {
        let coded = encode(coding, &vec![b' '; 24 << 20]).await;
        let mut response = html(vec![Bytes::from(coded)]);
        response.headers_mut().insert(header::CONTENT_ENCODING, coding.parse().unwrap());
        let before = resident();
        let turns = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = turns.clone();
        let other = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        drained(rewrite(response, &page())).await;
        other.abort();
        assert!(turns.load(std::sync::atomic::Ordering::Relaxed) > 15, "{coding}");
        assert!(resident() < before + (14 << 10), "{coding}: {before} KiB grew to {} KiB", resident());
    }
}

// proves: CSRF-3
#[tokio::test]
async fn markup_that_would_fill_the_memory_lets_the_rest_through_unchanged() {
    let endless = format!("<form method=post><a b='{}", "x".repeat(6 << 20));
    let nested = format!("<form method=post>{}<form method=post action=/late>", "<div>".repeat(400_000));
    for source in [endless, nested] {
        let out =
            bytes_of(rewrite(html(pieces(source.as_bytes(), &[1 << 20, 2 << 20, 5 << 20])), &page())).await;
        let expected = source.replacen("<form method=post>", &format!("<form method=post>{FIELD}"), 1);
        assert!(out == expected.as_bytes(), "{} against {}", out.len(), expected.len());
    }
}
