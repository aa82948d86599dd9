//! Who sends a request, in what name, and what of it the application gets to see.

use crate::house::{Ask, House};

// proves: EDGE-3, ACC-3, ACC-6
#[tokio::test]
async fn identity_headers_of_clients_never_reach_the_application() {
    let house = House::usual().await;
    let forged = [
        "X-User",
        "X_User",
        "X-User-Id",
        "X-Username",
        "Remote-User",
        "Remote_User",
        "REMOTE-EMAIL",
        "X-Tenant-Id",
        "X_Tenant_Id",
        "X-Forwarded-User",
        "X_Forwarded_Email",
        "X-Auth-Request-User",
        "X-Palisade-Assertion",
        "X_Palisade_Assertion",
        "X-Real-IP",
        "X-Forwarded-For",
        "X_Forwarded_For",
        "Forwarded",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Original-URL",
        "X-Rewrite-URL",
        "SCRIPT_NAME",
        "Script-Name",
        "PATH_INFO",
        "X-Script-Name",
        "Proxy",
        "X-Request-Id",
        "X-Remote-User",
        "X-WEBAUTH-USER",
        "Remote.User",
    ];
    for ip in ["203.0.113.7", "10.0.0.1"] {
        let mut ask = Ask::get("/open/x").from(ip).header("accept-language", "de");
        for name in forged {
            ask = ask.header(name, "admin-1234");
        }
        // Without a host of its own, which would not be served.
        let got = house.send(ask.without("x-forwarded-host")).await;
        assert_eq!(got.status(), 200, "{got:?}");
        let seen = house.seen();
        let names: Vec<_> = seen.headers.keys().map(http::HeaderName::as_str).collect();
        assert_eq!(names, ["host", "accept-language"], "from {ip}");
    }
}

// proves: EDGE-3, LIMIT-8
#[tokio::test]
async fn the_client_is_found_behind_trusted_proxies_alone() {
    let house = House::usual().await;
    for (peer, lines, client, known) in [
        ("203.0.113.7", &[("x-forwarded-for", "198.51.100.1")][..], "203.0.113.7", true),
        ("203.0.113.7", &[("forwarded", "for=198.51.100.1")], "203.0.113.7", true),
        ("203.0.113.7", &[("x-real-ip", "198.51.100.1")], "203.0.113.7", true),
        ("10.0.0.1", &[("x-forwarded-for", "198.51.100.1")], "198.51.100.1", true),
        ("10.0.0.1", &[("x-forwarded-for", "127.0.0.1, 198.51.100.1")], "198.51.100.1", true),
        ("10.0.0.1", &[("forwarded", "for=127.0.0.1, for=198.51.100.1")], "198.51.100.1", true),
        ("10.0.0.1", &[("x-forwarded-for", "198.51.100.1, not-an-address")], "10.0.0.1", false),
        ("10.0.0.1", &[("x-real-ip", "198.51.100.1")], "10.0.0.1", false),
        ("10.0.0.1", &[("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=1.1.1.1")], "10.0.0.1", false),
    ] {
        let ask =
            lines.iter().fold(Ask::get("/open/x").from(peer), |ask, (name, value)| ask.header(name, value));
        house.send(ask).await;
        let found = house.exchange().client;
        assert_eq!((found.to_string().as_str(), found.is_known()), (client, known), "{peer} {lines:?}");
    }
    assert!(house.metrics.client_unknown_at().is_some());
}

// proves: EDGE-3, EDGE-7
#[tokio::test]
async fn scheme_and_host_are_the_trusted_proxys_word() {
    let house = House::usual().await;
    let behind = |ask: Ask| ask.peer("10.0.0.1", false).header("x-forwarded-for", "198.51.100.1");
    house.send(behind(Ask::get("/open/x").header("x-forwarded-proto", "https"))).await;
    assert!(house.exchange().secure);
    house.send(Ask::get("/open/x").peer("203.0.113.7", false).header("x-forwarded-proto", "https")).await;
    assert!(!house.exchange().secure, "a stranger's word counted");

    let inner =
        behind(Ask::get("/open/x").header("host", "inner.local").header("x-forwarded-host", "APP.example"));
    assert_eq!(house.send(inner).await.status(), 200);
    assert_eq!(house.exchange().host, "app.example");
    for host in ["evil.example", "evil.example/app.example"] {
        let got = house.send(behind(Ask::get("/open/x").header("x-forwarded-host", host))).await;
        assert!(matches!(got.status(), 400 | 421), "{host}");
    }
    let stranger =
        Ask::get("/open/x").header("host", "evil.example").header("x-forwarded-host", "app.example");
    assert_eq!(house.send(stranger).await.status(), 421);
}

// proves: EDGE-4
#[tokio::test]
async fn every_request_has_an_id_and_a_strangers_does_not_count() {
    let house = House::usual().await;
    let proxied = |id: &str| {
        Ask::get("/open/x")
            .from("10.0.0.1")
            .header("x-forwarded-for", "198.51.100.1")
            .header("x-request-id", id)
    };
    let got = house.send(proxied("trace-0001.A_b")).await;
    assert_eq!(
        (got.header("x-request-id"), house.exchange().id.as_str()),
        ("trace-0001.A_b", "trace-0001.A_b")
    );
    let mut seen = std::collections::HashSet::new();
    for ask in [
        Ask::get("/open/x").header("x-request-id", "trace-0001.A_b"),
        Ask::get("/open/x"),
        proxied("short"),
        proxied("has space"),
        proxied("trace-0001").header("x-request-id", "trace-0002"),
        proxied(&"x".repeat(65)),
        Ask::get("/nothing"),
    ] {
        let id = house.send(ask).await.header("x-request-id").to_owned();
        assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
        assert!(seen.insert(id), "given twice");
    }
}

// proves: EDGE-8
#[tokio::test]
async fn a_legacy_route_works_and_says_that_it_is_one() {
    let house = House::usual().await;
    let got = house.send(Ask::get("/old")).await;
    assert_eq!((got.status(), got.body.as_str()), (200, "served"));
    assert_eq!(got.header("deprecation"), "@1767225600");
    assert_eq!(got.header("sunset"), "Wed, 30 Jun 2027 00:00:00 GMT");
    assert_eq!(got.header("link"), "</api/v1/new>; rel=\"successor-version\"");
    assert!(!house.send(Ask::get("/open/x")).await.has("deprecation"));
}
