//! Cross-origin requests (CORS-1): who may read what.

use axum::body::Body;
use http::Response;

use crate::house::{Ask, House};

const CORS: &str = r#"
[shield.cors]
origins = ["https://client.example", "https://other.example:8443"]
methods = ["GET", "PUT"]
headers = ["content-type", "x-token"]
expose = ["x-request-id"]
credentials = true
max_age = "5m"
"#;

fn preflight(origin: &str, method: &str, headers: &str) -> Ask {
    let ask = Ask::new("OPTIONS", "/open/x")
        .header("origin", origin)
        .header("access-control-request-method", method);
    if headers.is_empty() { ask } else { ask.header("access-control-request-headers", headers) }
}

// proves: CORS-1
#[tokio::test]
async fn preflights_are_answered_at_the_gate() {
    let house = House::of(CORS).await;
    let got = house.send(preflight("https://client.example", "PUT", "Content-Type, x-token")).await;
    assert_eq!((got.status(), got.body.as_str()), (204, ""));
    for (name, value) in [
        ("access-control-allow-origin", "https://client.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "GET, PUT"),
        ("access-control-allow-headers", "content-type, x-token"),
        ("access-control-max-age", "300"),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    let vary: Vec<_> = got.parts.headers.get_all("vary").iter().map(|v| v.to_str().unwrap()).collect();
    assert!(vary.join(", ").contains("Origin"), "{vary:?}");
    assert_eq!(house.hits(), 0, "a preflight reached the application");
}

// proves: CORS-1
#[tokio::test]
async fn what_is_not_listed_is_refused_without_any_cors_header() {
    let house = House::of(CORS).await;
    house.answers(|_| {
        Response::builder()
            .header("access-control-allow-origin", "*")
            .header("access-control-allow-credentials", "true")
            .body(Body::empty())
            .unwrap()
    });
    for (origin, method, headers) in [
        ("https://evil.example", "GET", ""),
        ("https://client.example.evil.example", "GET", ""),
        ("https://client.example:444", "GET", ""),
        ("http://client.example", "GET", ""),
        ("https://CLIENT.example", "GET", ""),
        ("https://other.example", "GET", ""),
        ("null", "GET", ""),
        ("", "GET", ""),
    ] {
        let got = house.send(preflight(origin, method, headers)).await;
        assert_eq!((got.status(), got.problem()["code"].as_str()), (403, Some("shield.cors")), "{origin}");
        assert!(
            !got.parts.headers.keys().any(|name| name.as_str().starts_with("access-control-")),
            "{origin}: {got:?}"
        );

        // The request itself is answered, but its answer cannot be read there.
        let got = house.send(Ask::get("/open/x").header("origin", origin)).await;
        assert_eq!(got.status(), 200);
        assert!(
            !got.parts.headers.keys().any(|name| name.as_str().starts_with("access-control-")),
            "{origin}: {got:?}"
        );
        assert_eq!(got.header("vary"), "Origin");
    }
    for (method, headers) in [("DELETE", ""), ("PUT", "x-other"), ("PUT", "x-token, x-other")] {
        let got = house.send(preflight("https://client.example", method, headers)).await;
        assert_eq!(got.status(), 403, "{method} {headers}");
    }
    let twice = preflight("https://client.example", "GET", "").header("origin", "https://evil.example");
    assert_eq!(house.send(twice).await.status(), 403);
}

// proves: CORS-1
#[tokio::test]
async fn answers_and_refusals_can_be_read_by_listed_origins() {
    let house = House::of(CORS).await;
    house.answers(|_| {
        Response::builder()
            .header("access-control-allow-origin", "*")
            .header("access-control-expose-headers", "x-inner")
            .header("vary", "Accept-Encoding")
            .body(Body::empty())
            .unwrap()
    });
    for (path, status) in [("/open/x", 200), ("/in/x", 401)] {
        let got = house.send(Ask::get(path).header("origin", "https://other.example:8443")).await;
        assert_eq!(got.status(), status);
        assert_eq!(got.header("access-control-allow-origin"), "https://other.example:8443");
        assert_eq!(got.header("access-control-allow-credentials"), "true");
        assert_eq!(got.header("access-control-expose-headers"), "x-request-id");
    }
}

// proves: CORS-1
#[tokio::test]
async fn without_rules_there_is_no_cross_origin_sharing() {
    let house = House::usual().await;
    let got = house.send(preflight("https://client.example", "GET", "")).await;
    assert_eq!((got.status(), house.hits()), (403, 0));
    let got = house.send(Ask::get("/open/x").header("origin", "https://client.example")).await;
    assert!(!got.has("vary") && !got.has("access-control-allow-origin"));
}

// A plain OPTIONS request is none of CORS's business.
#[tokio::test]
async fn other_options_requests_reach_the_application() {
    let house = House::of(CORS).await;
    assert_eq!(house.send(Ask::new("OPTIONS", "/open/x")).await.status(), 200);
    assert_eq!(house.hits(), 1);
}
