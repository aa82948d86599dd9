//! The application's cookies: raised, never lowered, and never in the place of Palisade's own.

use http::StatusCode;

use crate::support::{Answer, Reply, Site, Upstream, public};

/// Sets these cookies with every answer.
async fn setting(lines: &'static [&'static str]) -> Upstream {
    Upstream::start(move |_| {
        let fields: String = lines.iter().map(|line| format!("Set-Cookie: {line}\r\n")).collect();
        Reply::Bytes(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok").into_bytes())
    })
    .await
}

fn cookies(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect()
}

// proves: HEAD-2
#[tokio::test]
async fn cookies_are_raised_and_what_is_stricter_stays() {
    let app = setting(&[
        "theme=dark; Path=/x; Max-Age=60",
        "strict=1; SameSite=Strict; HttpOnly",
        "loose=1; samesite=None",
        "__Secure-a=1",
        "quoted=\"a b\"; Domain=example.com",
    ])
    .await;
    let site = Site::open_to_all(&app).await;
    let answer = site.client().get("/").await;
    assert_eq!(
        cookies(&answer),
        [
            "theme=dark; Path=/x; Max-Age=60; HttpOnly; SameSite=Lax",
            "strict=1; HttpOnly; SameSite=Strict",
            "loose=1; HttpOnly; SameSite=Lax",
            "__Secure-a=1; Secure; HttpOnly; SameSite=Lax",
            "quoted=\"a b\"; Domain=example.com; HttpOnly; SameSite=Lax",
        ]
    );
    let strict = "[shield.cookies]\nsecure = true\nhttp_only = false\nsame_site = \"strict\"\n";
    let site = Site::start(&(public(app.address) + strict)).await;
    let answer = site.client().get("/").await;
    assert_eq!(cookies(&answer)[0], "theme=dark; Path=/x; Max-Age=60; Secure; SameSite=Strict");
    assert!(cookies(&answer).iter().all(|line| line.contains("; Secure") && line.ends_with("=Strict")));
    assert!(cookies(&answer)[1].contains("HttpOnly"), "what the application asks for itself stays");
}

// proves: HEAD-2
#[tokio::test]
async fn where_the_site_is_https_every_cookie_is_secure() {
    let app = setting(&["theme=dark", "loose=1; SameSite=None"]).await;
    let site = Site::start_with(&[("BASE_URL", "https://app.example")], &public(app.address)).await;
    let answer = site.client().send(http::Method::GET, "/", &[("host", "app.example")], "").await;
    assert_eq!(
        cookies(&answer),
        ["theme=dark; Secure; HttpOnly; SameSite=Lax", "loose=1; Secure; HttpOnly; SameSite=Lax"]
    );
}

// proves: HEAD-2, ID-8, CSRF-2
#[tokio::test]
async fn an_application_cannot_sign_a_browser_in_as_somebody_else() {
    let app = setting(&[
        "palisade_session=planted; Path=/",
        "PALISADE_SESSION=planted",
        " palisade_session = planted; Domain=example.com",
        "=palisade_session=planted",
        "palisade_session",
        "csrf_cookie=planted",
        "=csrf_cookie=planted",
        "parts_session=its-own",
    ])
    .await;
    let policy = public(app.address) + "[csrf]\ncookie = \"csrf_cookie\"\n";
    let site = Site::start(&policy).await;
    let answer = site.client().get("/").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(cookies(&answer), ["parts_session=its-own; HttpOnly; SameSite=Lax"]);

    // Neither is somebody who is signed in signed out by it.
    let mut ada = site.signed_in("ada", "user").await;
    let answer = ada.get("/").await;
    assert!(!format!("{:?}", answer.headers).contains("planted"), "{:?}", answer.headers);
    assert_eq!(ada.get("/").await.status, StatusCode::OK);
    assert_eq!(app.received().pop().unwrap().header("remote-user"), Some("ada"));
}
