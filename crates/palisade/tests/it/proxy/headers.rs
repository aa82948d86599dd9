//! Header fields that must not pass, in either direction, and those that tell who is asking.

use http::{Method, StatusCode};

use crate::support::{Reply, Site, Upstream, public, raw};

// proves: EDGE-6
#[tokio::test]
async fn hop_by_hop_fields_stay_on_their_own_connection() {
    let app = Upstream::start(|_| {
        Reply::Bytes(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, X-App-Hop\r\nX-App-Hop: 1\r\n\
              Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nTrailer: X-Sum\r\nX-Kept: 2\r\n\r\nok"
                .to_vec(),
        )
    })
    .await;
    let site = Site::open_to_all(&app).await;
    let answer = raw(
        site.address,
        &format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n\
             Proxy-Connection: close\r\nProxy-Authorization: Basic eDp5\r\nTE: trailers\r\nUpgrade: h2c\r\n\
             HTTP2-Settings: AAMAAABk\r\nX-Kept: 2\r\n\r\n",
            site.address
        ),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let seen = app.only();
    for name in [
        "connection",
        "x-hop",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "te",
        "upgrade",
        "trailer",
    ] {
        assert_eq!(seen.header(name), None, "{name} was passed on");
    }
    assert_eq!(seen.header("x-kept"), Some("2"));

    let answer = answer.to_ascii_lowercase();
    for name in ["x-app-hop:", "keep-alive:", "proxy-authenticate:", "trailer:"] {
        assert!(!answer.contains(name), "{name} came back\n{answer}");
    }
    assert!(answer.contains("x-kept: 2"));
}

// proves: EDGE-6, ACC-6
#[tokio::test]
async fn connection_cannot_take_away_what_is_decided_by() {
    let app = Upstream::plain().await;
    let site = Site::open_to_all(&app).await;
    for name in ["Host", "Content-Length", "Cookie", "X-Forwarded-For", "X-Request-Id", "Remote-User"] {
        let request =
            format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close, {name}\r\n\r\n", site.address);
        let answer = raw(site.address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{name}: {answer}");
    }
    assert!(app.received().is_empty());
}

// proves: ACC-6, ACC-3, EDGE-3
#[tokio::test]
async fn a_forged_identity_never_arrives_in_any_spelling() {
    let app = Upstream::plain().await;
    let site = Site::open_to_all(&app).await;
    let forged = [
        "Remote-User",
        "REMOTE-GROUPS",
        "X-User",
        "X-User-Id",
        "X-Forwarded-User",
        "X-Auth-Request-User",
        "X-Palisade-Assertion",
        "X-Real-IP",
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Request-Id",
    ];
    let fields: String = forged.iter().map(|name| format!("{name}: forged-value\r\n")).collect();
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{fields}\r\n", site.address);
    let answer = raw(site.address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(!app.only().head.contains("forged-value"), "{}", app.only().head);

    // With an underscore the name means the same to some applications, and nothing honest: it is refused.
    for name in forged.map(|name| name.replace('-', "_")).iter().filter(|name| name.contains('_')) {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{name}: forged-value\r\n\r\n",
            site.address
        );
        let answer = raw(site.address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{name}: {answer}");
    }
    assert_eq!(app.received().len(), 1);
}

// proves: ACC-6
#[tokio::test]
async fn the_application_learns_who_is_asking_by_the_preset_of_its_policy() {
    let app = Upstream::plain().await;
    for (preset, prefix) in
        [("remote", "remote"), ("x-forwarded", "x-forwarded"), ("x-auth-request", "x-auth-request")]
    {
        let policy = public(app.address) + &format!("identity = \"{preset}\"\n");
        let site = Site::start(&policy).await;
        site.signed_in("zoe", "admin").await.get(&format!("/{preset}")).await;
        let seen = app.received().pop().unwrap();
        assert_eq!(seen.all(&format!("{prefix}-user")), ["zoe"]);
        assert_eq!(seen.all(&format!("{prefix}-groups")), ["admin,user"]);
        assert_eq!(seen.all(&format!("{prefix}-email")), Vec::<&str>::new());
    }
    let site = Site::start(&(public(app.address) + "identity = \"none\"\n")).await;
    site.signed_in("zoe", "admin").await.get("/none").await;
    assert!(!app.received().pop().unwrap().head.contains("zoe"));
}

// proves: ACC-6, ID-8
#[tokio::test]
async fn the_session_cookie_stays_with_palisade() {
    let app = Upstream::plain().await;
    let site = Site::open_to_all(&app).await;
    let mut client = site.signed_in("ada", "user").await;
    let session = client.cookies();
    client.put_cookie("theme", "dark");
    client.put_cookie("zebra", "1");
    client.get("/").await;
    let seen = app.only();
    assert_eq!(seen.all("cookie"), ["theme=dark; zebra=1"]);
    assert!(!seen.head.contains(&session), "{}", seen.head);
    assert_eq!(seen.header("remote-user"), Some("ada"));
}

// proves: ACC-6
#[tokio::test]
async fn the_assertion_goes_along_when_the_policy_asks_for_it() {
    let app = Upstream::plain().await;
    let site = Site::start(&(public(app.address) + "assertion = true\n")).await;
    site.client().get("/anonymous").await;
    assert_eq!(app.only().header("x-palisade-assertion"), None);
    site.signed_in("ada", "user").await.get("/known").await;
    let assertion = app.received()[1].header("x-palisade-assertion").unwrap().to_owned();
    assert_eq!(assertion.split('.').count(), 3, "a signed token: {assertion}");
    let keys = site.client().get("/.well-known/jwks.json").await;
    assert_eq!(keys.status, StatusCode::OK);
    assert!(!keys.json()["keys"].as_array().unwrap().is_empty());
    assert!(!keys.text().contains("\"d\""), "no private key is published");
}

// proves: HEAD-1
#[tokio::test]
async fn what_the_application_tells_about_itself_is_removed() {
    let app = Upstream::start(|_| {
        Reply::Bytes(
            b"HTTP/1.1 200 OK\r\nServer: board/0.3\r\nX-Powered-By: an afternoon\r\nContent-Length: 2\r\n\r\nok".to_vec(),
        )
    })
    .await;
    let site = Site::open_to_all(&app).await;
    let answer = site.client().send(Method::GET, "/", &[], "").await;
    assert_eq!(answer.text(), "ok");
    assert_eq!(answer.header("server"), None);
    assert_eq!(answer.header("x-powered-by"), None);
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}
