//! HTTP/2 is judged as HTTP/1 is.

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, StatusCode};
use http_body::Frame;
use http_body_util::{Empty, Full, StreamBody};

use super::assert_untouched;
use crate::support::{Site, Upstream, http2, public};

fn ask(site: &Site, method: Method, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(format!("http://{}{path}", site.address))
}

// proves: EDGE-2, EDGE-4, EDGE-6, AUD-4
#[tokio::test]
async fn what_is_refused_over_http_1_is_refused_over_http_2() {
    let app = Upstream::plain().await;
    let policy = public(app.address)
        .replace("/{*rest}", "/app/{*rest}")
        .replace("csrf = \"off\"", "csrf = \"off\"\nmethods = [\"GET\", \"POST\"]\nbody = \"1KiB\"");
    let site = Site::start(&policy).await;
    let get = |path: &str| ask(&site, Method::GET, path);
    let foreign = Request::get("http://evil.example/app/x");
    let own = site.address.to_string();
    for (request, status, code) in [
        (foreign, 421, "edge.host"),
        (get("/app/x").header("host", "evil.example"), 400, "edge.ambiguous"),
        (get("/app/a%2fb"), 400, "edge.path"),
        (get("/app/../b"), 400, "edge.path"),
        (get("/app/%2e%2e/b"), 400, "edge.path"),
        (get("/elsewhere"), 404, "edge.route"),
        (ask(&site, Method::DELETE, "/app/x"), 405, "edge.method"),
        (ask(&site, Method::TRACE, "/app/x"), 501, "edge.method_unsupported"),
        (get("/app/x").header("x-http-method-override", "POST"), 400, "edge.method_override"),
        (get("/app/x").header("x_user", "eve"), 400, "edge.ambiguous"),
        (get("/app/x").header("content_length", "3"), 400, "edge.ambiguous"),
        (
            get("/app/x").header("authorization", "Bearer a").header("authorization", "Bearer b"),
            400,
            "edge.ambiguous",
        ),
        (get("/app/x").header("expect", "nothing"), 417, "edge.expectation"),
    ] {
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let what = format!("{request:?}");
        let answer = http2(site.address, request).await;
        site.assert_refused(&answer, status, code);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
        assert_untouched(&app, &what);
    }
    let post = ask(&site, Method::POST, "/app/x").body(Full::<Bytes>::from("x".repeat(1025))).unwrap();
    site.assert_refused(&http2(site.address, post).await, 413, "edge.body_size");
    let pieces = (0..3).map(|_| Ok::<_, std::io::Error>(Frame::data(Bytes::from("x".repeat(400)))));
    let counted = ask(&site, Method::POST, "/app/x").body(StreamBody::new(stream::iter(pieces))).unwrap();
    site.assert_refused(&http2(site.address, counted).await, 413, "edge.body_size");
    assert_untouched(&app, "a body that is too long");

    let fine = get("/app/x").header("host", &own).body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(http2(site.address, fine).await.status, StatusCode::OK);
    assert_eq!(app.only().line(), "GET /app/x HTTP/1.1");
}

// proves: EDGE-3, EDGE-4, ACC-6
#[tokio::test]
async fn a_forged_identity_does_not_come_through_http_2_either() {
    let app = Upstream::plain().await;
    let site = Site::open_to_all(&app).await;
    let mut request = ask(&site, Method::GET, "/x");
    for name in [
        "remote-user",
        "x-user-id",
        "x-auth-request-user",
        "x-palisade-assertion",
        "x-tenant-id",
        "x-real-ip",
        "x-forwarded-user",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-request-id",
        "x-original-url",
        "forwarded",
    ] {
        request = request.header(name, "forged-value");
    }
    let answer = http2(site.address, request.body(Empty::<Bytes>::new()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
    let seen = app.only();
    assert!(!seen.head.contains("forged-value"), "{}", seen.head);
    assert_eq!(seen.all("x-request-id"), [answer.header("x-request-id").unwrap()]);
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
}
