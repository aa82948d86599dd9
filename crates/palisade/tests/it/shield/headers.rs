//! What every answer wears, whoever gave it.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Empty;
use tokio::net::TcpListener;

use super::assert_sealed;
use crate::support::{Reply, Site, Upstream, http2, public, wire};

const HTML: (&str, &str) = ("accept", "text/html");

/// An application that would weaken what it is behind.
async fn boastful() -> Upstream {
    Upstream::start(|_| {
        Reply::Bytes(
            b"HTTP/1.1 404 Gone Fishing\r\nX-Frame-Options: ALLOWALL\r\nX-Frame-Options: SAMEORIGIN\r\n\
              X-Content-Type-Options: sniff\r\nStrict-Transport-Security: max-age=0\r\nX-XSS-Protection: 1\r\n\
              Referrer-Policy: unsafe-url\r\nServer: board/0.3\r\nX-Powered-By: an afternoon\r\nX-Runtime: 0.1\r\n\
              X-AspNet-Version: 4\r\nX-Request-Id: of-the-application\r\nContent-Length: 2\r\n\r\nok"
                .to_vec(),
        )
    })
    .await
}

// proves: HEAD-1, EDGE-4
#[tokio::test]
async fn every_answer_is_sealed_whoever_gave_it_and_however_it_was_refused() {
    let app = boastful().await;
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let policy = format!(
        "[shield.cors]\norigins = [\"https://client.example\"]\n[shield.limits]\nonce = \"1/hour\"\n{}\
         [[route]]\npath = \"/once\"\nto = \"upstream:app\"\nallow = \"user\"\nlimits = [\"once\"]\n\
         [[route]]\npath = \"/mine/{{*rest}}\"\nto = \"upstream:app\"\nallow = \"admin\"\nbody = \"1KiB\"\n\
         [[route]]\npath = \"/away\"\nto = \"upstream:away\"\nallow = {{ read = \"public\" }}\n\
         [upstream.away]\nurl = \"http://{away}\"\n",
        public(app.address).replace("/{*rest}", "/app/{*rest}")
    );
    let site = Site::start(&policy).await;
    let mut client = site.client();
    let mut user = site.signed_in("ben", "user").await;
    let listed = ("origin", "https://client.example");
    let mut answers = Vec::new();
    for (path, status) in [
        ("/app/x", 404),
        ("/auth/login", 200),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/.well-known/jwks.json", 200),
        ("/nowhere", 404),
        ("/mine/x", 401),
        ("/once", 401),
        ("/once", 429),
        ("/away", 502),
        ("/auth/link/nothing", 410),
    ] {
        answers.push((path.to_owned(), status, client.get(path).await));
    }
    for (method, path, fields, status) in [
        (Method::GET, "/mine/x", &[HTML][..], 303),
        (Method::GET, "/nowhere", &[HTML], 404),
        (Method::HEAD, "/auth/login", &[], 200),
        (Method::POST, "/healthz", &[], 405),
        (Method::OPTIONS, "/app/x", &[listed, ("access-control-request-method", "GET")], 204),
        (Method::OPTIONS, "/app/x", &[("origin", "null"), ("access-control-request-method", "GET")], 403),
        (Method::POST, "/auth/login", &[("origin", "https://evil.example")], 403),
        (Method::GET, "/app/x", &[("host", "evil.example")], 421),
        (Method::POST, "/mine/x", &[("content-length", "9999")], 413),
    ] {
        let answer = client.send(method.clone(), path, fields, "").await;
        answers.push((format!("{method} {path} {fields:?}"), status, answer));
    }
    answers.push(("/mine/x as ben".to_owned(), 403, user.get("/mine/x").await));
    let own = format!("Host: {}\r\nConnection: close\r\n", site.address);
    for (request, status) in [
        (format!("GET /a%2fb HTTP/1.1\r\n{own}\r\n"), 400),
        (format!("GET /app/x HTTP/1.1\r\n{own} folded\r\n\r\n"), 400),
        (
            format!("POST /app/x HTTP/1.1\r\n{own}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            400,
        ),
        (format!("GET /{} HTTP/1.1\r\n{own}\r\n", "x".repeat(9000)), 414),
        (format!("GET /app/x HTTP/1.1\r\n{own}X-A: {}\r\n\r\n", "x".repeat(40_000)), 431),
        (format!("TRACE /app/x HTTP/1.1\r\n{own}\r\n"), 501),
        (format!("GET /app/x HTTP/3.0\r\n{own}\r\n"), 505),
        ("\x16\x03\x01 hello\r\n\r\n".to_owned(), 400),
    ] {
        let answer = wire(site.address, &request).await;
        answers.push((request.chars().take(60).collect(), status, answer));
    }
    for (url, status) in
        [(format!("http://{}/app/a%2fb", site.address), 400), ("http://evil.example/".to_owned(), 421)]
    {
        let request = Request::get(&url).body(Empty::<Bytes>::new()).unwrap();
        answers.push((format!("HTTP/2 {url}"), status, http2(site.address, request).await));
    }
    for (what, status, answer) in &answers {
        assert_eq!(answer.status.as_u16(), *status, "{what}: {answer:?}");
        assert_sealed(answer, what);
        assert_eq!(answer.header("strict-transport-security"), None, "never over plain HTTP: {what}");
        assert_ne!(answer.header("x-request-id"), Some("of-the-application"));
        assert!(
            status / 100 == 2 || answer.header("cache-control") == Some("no-store") || what == "/app/x",
            "{what}"
        );
    }
    let mut ids: Vec<_> = answers.iter().map(|(.., answer)| answer.header("x-request-id").unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), answers.len(), "each has an id of its own");
    assert_eq!(app.received().len(), 1, "one of them was for the application");
    let proxied = &answers[0].2;
    assert_eq!(proxied.text(), "ok");
    for name in ["x-runtime", "x-aspnet-version"] {
        assert_eq!(proxied.header(name), None, "{name}");
    }
    assert_eq!(proxied.header("referrer-policy"), Some("strict-origin-when-cross-origin"));
}

// proves: HEAD-1
#[tokio::test]
async fn own_pages_have_a_nonce_each_and_an_applications_own_policy_stays() {
    let app = Upstream::start(|request| {
        let own =
            if request.path() == "/own" { "Content-Security-Policy: default-src 'none'\r\n" } else { "" };
        Reply::Bytes(format!("HTTP/1.1 200 OK\r\n{own}Content-Length: 2\r\n\r\nok").into_bytes())
    })
    .await;
    let site = Site::open_to_all(&app).await;
    let mut client = site.client();
    let csp = |answer: &crate::support::Answer| answer.header("content-security-policy").unwrap().to_owned();
    let (first, second) = (client.get("/auth/login").await, client.get("/auth/login").await);
    let nonce = |csp: &str| csp.split_once("'nonce-").unwrap().1.split('\'').next().unwrap().to_owned();
    assert_ne!(nonce(&csp(&first)), nonce(&csp(&second)));
    assert!(nonce(&csp(&first)).len() >= 22, "at least 128 bits: {}", csp(&first));
    assert!(
        !csp(&first).contains("unsafe") && csp(&first).starts_with("default-src 'none'"),
        "{}",
        csp(&first)
    );
    let refused = client.send(Method::GET, "/x", &[HTML, ("x-http-method", "PUT")], "").await;
    assert_eq!(refused.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(!csp(&refused).contains("unsafe"), "{}", csp(&refused));

    assert_eq!(csp(&client.get("/own").await), "default-src 'none'");
    assert!(csp(&client.get("/none").await).contains("frame-ancestors 'none'"));
    assert_eq!(app.received().len(), 2);
}

// proves: HEAD-1
#[tokio::test]
async fn over_https_browsers_are_told_to_stay_there_and_the_policy_chooses_values() {
    let app = boastful().await;
    let environment = [
        ("PALISADE_EDGE__TRUSTED_PROXIES", "127.0.0.0/8"),
        ("BASE_URL", "https://app.example"),
        ("PALISADE_SHIELD__HEADERS__XSS_PROTECTION", "1; mode=block"),
        ("PALISADE_SHIELD__HEADERS__PERMISSIONS_POLICY", "off"),
        ("PALISADE_SHIELD__HEADERS__FRAME_OPTIONS", "SAMEORIGIN"),
    ];
    let site = Site::start_with(&environment, &public(app.address)).await;
    let proxied =
        |proto| [("host", "app.example"), ("x-forwarded-for", "198.51.100.1"), ("x-forwarded-proto", proto)];
    for path in ["/x", "/a%2fb", "/auth/login"] {
        let secure = site.client().send(Method::GET, path, &proxied("https"), "").await;
        // What is refused as bytes, before there is a request, came over plain HTTP for all that is known.
        let expected = (path != "/a%2fb").then_some("max-age=31536000; includeSubDomains");
        assert_eq!(secure.header("strict-transport-security"), expected, "{path}");
        assert_eq!(secure.header("x-xss-protection"), Some("1; mode=block"), "{path}");
        assert_eq!(secure.header("permissions-policy"), None, "{path}");
        assert_eq!(secure.header("x-frame-options"), Some("SAMEORIGIN"), "{path}");
        let plain = site.client().send(Method::GET, path, &proxied("http"), "").await;
        assert_eq!(
            plain.header("strict-transport-security"),
            None,
            "{path}: the application's own is taken off"
        );
    }
}

// proves: HEAD-1
#[tokio::test]
async fn what_one_person_sees_is_not_for_shared_caches() {
    let app = Upstream::start(|request| {
        let own = if request.path() == "/own" { "Cache-Control: max-age=60\r\n" } else { "" };
        Reply::Bytes(format!("HTTP/1.1 200 OK\r\n{own}Content-Length: 2\r\n\r\nok").into_bytes())
    })
    .await;
    let site = Site::open_to_all(&app).await;
    let mut ada = site.signed_in("ada", "user").await;
    assert_eq!(ada.get("/x").await.header("cache-control"), Some("private"));
    assert_eq!(ada.get("/own").await.header("cache-control"), Some("max-age=60"));
    let anonymous = site.client().get("/x").await;
    assert_eq!((anonymous.status, anonymous.header("cache-control")), (StatusCode::OK, None));
}
