//! Headers, cookies and limits, as they arrive at a client of the whole server.

use http::{Method, StatusCode};

use crate::support::{Answer, Reply, Site, Upstream, public};

fn assert_sealed(answer: &Answer) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name} on {}", answer.status);
    }
    for name in ["content-security-policy", "permissions-policy", "x-request-id"] {
        assert!(answer.header(name).is_some(), "{name} on {}", answer.status);
    }
    assert_eq!(answer.header("strict-transport-security"), None, "never over plain HTTP");
}

// proves: HEAD-1
#[tokio::test]
async fn every_answer_is_sealed_whoever_gave_it() {
    let app = Upstream::start(|_| {
        Reply::Bytes(b"HTTP/1.1 200 OK\r\nX-Frame-Options: ALLOWALL\r\nContent-Length: 2\r\n\r\nok".to_vec())
    })
    .await;
    let policy = public(app.address).replace("/{*rest}", "/app/{*rest}");
    let site = Site::start(&policy).await;
    let mut client = site.client();
    let proxied = client.get("/app/x").await;
    assert_eq!((proxied.status, proxied.text()), (StatusCode::OK, "ok"));
    let own = client.get("/auth/login").await;
    assert_eq!(own.status, StatusCode::OK);
    let unknown = client.get("/nowhere").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let wrong_host = client.send(Method::GET, "/app/x", &[("host", "evil.example")], "").await;
    assert_eq!(wrong_host.status, StatusCode::MISDIRECTED_REQUEST);
    for answer in [proxied, own, unknown, wrong_host] {
        assert_sealed(&answer);
    }
    assert_eq!(app.received().len(), 1);
}

// proves: HEAD-2
#[tokio::test]
async fn the_applications_cookies_are_raised_and_stay_otherwise_as_they_are() {
    let app = Upstream::start(|_| {
        Reply::Bytes(
            b"HTTP/1.1 200 OK\r\nSet-Cookie: theme=dark; Path=/x\r\nSet-Cookie: strict=1; SameSite=Strict; HttpOnly\r\n\
              Content-Length: 0\r\n\r\n"
                .to_vec(),
        )
    })
    .await;
    let site = Site::open_to_all(&app).await;
    let answer = site.client().get("/").await;
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().map(|c| c.to_str().unwrap()).collect();
    assert_eq!(cookies.len(), 2);
    assert!(cookies[0].starts_with("theme=dark; Path=/x") && cookies[0].contains("HttpOnly"), "{cookies:?}");
    assert!(cookies[0].contains("SameSite=Lax"), "{cookies:?}");
    assert!(cookies[1].contains("SameSite=Strict"), "what is stricter stays: {cookies:?}");
}

// proves: LIMIT-1, LIMIT-2, AUD-4
#[tokio::test]
async fn over_the_limit_the_application_rests() {
    let app = Upstream::plain().await;
    let site = Site::start(&format!("[shield.limits]\ndefault = \"2/hour\"\n{}", public(app.address))).await;
    let mut client = site.client();
    let first = client.get("/").await;
    assert_eq!(
        (first.header("x-ratelimit-limit"), first.header("x-ratelimit-remaining")),
        (Some("2"), Some("1"))
    );
    client.get("/").await;
    let over = client.get("/").await;
    assert_eq!(over.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(over.json()["code"], "shield.limit");
    let wait: u64 = over.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3600).contains(&wait), "{wait}");
    assert_sealed(&over);
    assert_eq!(app.received().len(), 2);
    let id = over.header("x-request-id").unwrap();
    assert_eq!(site.events().iter().filter(|event| event["payload"]["request_id"] == id).count(), 1);
}
