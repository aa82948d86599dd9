//! One credential or nobody; and tenants only from the principal.

use crate::house::{Ask, House};

// proves: ID-8, ACC-2
#[tokio::test]
async fn a_session_cookie_signs_in_and_never_reaches_the_application() {
    let house = House::usual().await;
    let session = house.sign_in("ann", &["user"], None).await;
    let ask =
        Ask::get("/in/x").header("cookie", &format!("theme=dark; __Host-palisade_session={session}; id=7"));
    assert_eq!(house.send(ask).await.status(), 200);
    assert_eq!(house.seen().headers["cookie"], "theme=dark; id=7");
    // As the crumbs of HTTP/2.
    let crumbs = Ask::get("/in/x").header("cookie", "theme=dark").signed_in(&session);
    assert_eq!(house.send(crumbs).await.status(), 200);
    assert_eq!(house.seen().headers.get_all("cookie").iter().collect::<Vec<_>>(), ["theme=dark"]);
    let alone = Ask::get("/in/x").signed_in(&session);
    assert_eq!(house.send(alone).await.status(), 200);
    assert!(!house.seen().headers.contains_key("cookie"));
}

// Somebody who can write cookies for this host (a sibling subdomain, an application's flaw) adds a second one.
// proves: ID-8
#[tokio::test]
async fn of_two_session_cookies_neither_counts() {
    let house = House::usual().await;
    let (ann, eve) =
        (house.sign_in("ann", &["user"], None).await, house.sign_in("eve", &["user"], None).await);
    for ask in [
        Ask::get("/in/x").signed_in(&ann).signed_in(&eve),
        Ask::get("/in/x")
            .header("cookie", &format!("__Host-palisade_session={eve}; __Host-palisade_session={ann}")),
        Ask::get("/in/x")
            .header("cookie", &format!("__Host-palisade_session={ann}; __Host-palisade_session=")),
    ] {
        assert_eq!(house.send(ask).await.status(), 401);
    }
    let open = Ask::get("/open/x").signed_in(&ann).signed_in(&eve);
    assert_eq!(house.send(open).await.status(), 200);
    assert!(!house.seen().headers.contains_key("cookie"));
    assert_eq!(house.hits(), 1);
}

// proves: ID-8
#[tokio::test]
async fn a_session_that_is_no_more_is_forgotten_by_the_browser() {
    let house = House::usual().await;
    let session = house.sign_in("ann", &["user"], None).await;
    for cookie in ["A".repeat(43), "short".into(), format!("{session}x"), "\"quoted\"".into()] {
        let got = house.send(Ask::get("/in/x").signed_in(&cookie)).await;
        assert_eq!(got.status(), 401);
        assert_eq!(
            got.header("set-cookie"),
            "__Host-palisade_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"
        );
    }
    assert!(!house.send(Ask::get("/in/x").signed_in(&session)).await.has("set-cookie"));
    assert!(!house.send(Ask::get("/open/x")).await.has("set-cookie"));
}

// proves: CSRF-4, ID-9
#[tokio::test]
async fn a_bearer_token_is_the_credential_and_the_cookie_then_counts_for_nothing() {
    let house = House::usual().await;
    let (ann, eve) =
        (house.sign_in("ann", &["user"], None).await, house.sign_in("eve", &["user"], None).await);
    let token = house.access_token("eve").await;
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let ask = Ask::post("/in/x").header("authorization", &format!("{scheme} {token}")).signed_in(&ann);
        assert_eq!(house.send(ask).await.status(), 200);
        assert_eq!(house.principal().as_deref(), Some("eve"));
        assert!(!house.seen().headers.contains_key("authorization"), "the application got the token");
        assert!(!house.seen().headers.contains_key("cookie"));
    }
    let hits = house.hits();
    for bad in [
        "Bearer",
        "Bearer ",
        "Bearer x",
        &format!("Bearer {token}x"),
        &format!("Bearer {eve}"),
        "Bearer a b c",
    ] {
        // Even with a good cookie: what claims to be a credential and is none is refused.
        let got = house.send(Ask::get("/in/x").header("authorization", bad).signed_in(&ann)).await;
        assert_eq!(
            (got.status(), got.problem()["code"].as_str()),
            (401, Some("identify.credential")),
            "{bad}"
        );
        assert_eq!(got.header("www-authenticate"), r#"Bearer realm="api", error="invalid_token""#);
    }
    let twice = Ask::get("/in/x")
        .header("authorization", &format!("Bearer {token}"))
        .header("authorization", "Basic eDp5");
    assert_eq!(house.send(twice).await.problem()["code"], "edge.ambiguous");
    assert_eq!(house.hits(), hits);
}

#[tokio::test]
async fn what_is_not_palisades_credential_is_left_to_the_application() {
    let house = House::usual().await;
    let ann = house.sign_in("ann", &["user"], None).await;
    let basic = Ask::get("/in/x").header("authorization", "Basic eDp5").signed_in(&ann);
    assert_eq!(house.send(basic).await.status(), 200);
    assert_eq!(house.seen().headers["authorization"], "Basic eDp5");
    // On an open route, an application may know bearer tokens of its own; the sender is nobody to Palisade.
    let foreign = Ask::get("/open/x").header("authorization", "Bearer its-own").signed_in(&ann);
    assert_eq!(house.send(foreign).await.status(), 200);
    assert_eq!(
        (house.principal(), house.seen().headers["authorization"].to_str().unwrap()),
        (None, "Bearer its-own")
    );
}

// proves: ACC-3
#[tokio::test]
async fn a_claimed_tenant_must_be_the_principals_own() {
    let house = House::usual().await;
    let ann = house.sign_in("ann", &["user"], Some("north")).await;
    let roamer = house.sign_in("roamer", &["user"], None).await;
    for name in ["X-Tenant-Id", "x_tenant_id", "X-Tenant", "Tenant-Id", "X-TenantId"] {
        let own = Ask::get("/in/x").signed_in(&ann).header(name, "north");
        assert_eq!(house.send(own).await.status(), 200);
        let removed = !house.seen().headers.keys().any(|key| key.as_str().contains("tenant"));
        assert!(removed, "{name} reached the application");
        let hits = house.hits();
        for ask in [
            Ask::get("/in/x").signed_in(&ann).header(name, "south"),
            Ask::get("/in/x").signed_in(&ann).header(name, "North"),
            Ask::get("/in/x").signed_in(&ann).header(name, "north").header(name, "south"),
            Ask::get("/in/x").signed_in(&roamer).header(name, "north"),
        ] {
            let got = house.send(ask).await;
            assert_eq!(
                (got.status(), got.problem()["code"].as_str()),
                (403, Some("authorize.tenant")),
                "{name}"
            );
        }
        assert_eq!(house.hits(), hits);
        assert_eq!(house.send(Ask::get("/open/x").header(name, "south")).await.status(), 200);
    }
}

// proves: ACC-1
#[tokio::test]
async fn a_handler_without_the_gate_fails_closed() {
    use axum::Router;
    use axum::body::Body;
    use http::Request;
    use palisade_gate::Allowed;
    use tower::ServiceExt as _;

    let bare = Router::new().fallback(|_: Allowed| async { "reached" });
    let response = bare.oneshot(Request::new(Body::empty())).await.unwrap();
    assert_eq!(response.status(), 500);
    assert!(axum::body::to_bytes(response.into_body(), 1024).await.unwrap().is_empty());
}
