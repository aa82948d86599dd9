//! The headers of every answer, and the cookies that the application sets.

use std::sync::Arc;

use axum::body::Body;
use http::Response;
use palisade_gate::{OwnPage, refused, refused_with};
use palisade_model::{Denial, Refusal};

use crate::house::{Ask, Got, House};

fn is_sealed(got: &Got) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("x-xss-protection", "0"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("strict-transport-security", "max-age=31536000; includeSubDomains"),
    ] {
        assert_eq!(got.header(name), value, "{name} on {}", got.status());
    }
    assert!(got.header("content-security-policy").contains("frame-ancestors 'none'"));
    assert!(got.header("permissions-policy").contains("camera=()"));
    assert!(!got.header("x-request-id").is_empty());
    for name in ["server", "x-powered-by", "x-aspnet-version", "x-runtime", "x-generator"] {
        assert!(!got.has(name), "{name} on {}", got.status());
    }
}

// proves: HEAD-1
#[tokio::test]
async fn every_answer_is_sealed_served_and_refused_ones_alike() {
    let house = House::of("[shield.cors]\norigins = [\"https://client.example\"]\n").await;
    house.answers(|_| {
        Response::builder()
            .header("server", "gunicorn/1.2")
            .header("x-powered-by", "Express")
            .header("x-aspnet-version", "4")
            .header("x-runtime", "0.1")
            .header("x-generator", "Drupal")
            .header("x-frame-options", "ALLOWALL")
            .header("x-content-type-options", "off")
            .body(Body::from("served"))
            .unwrap()
    });
    let session = house.sign_in("ann", &["user"], None).await;
    let preflight = Ask::new("OPTIONS", "/open/x")
        .header("origin", "https://client.example")
        .header("access-control-request-method", "GET");
    for (ask, status) in [
        (Ask::get("/open/x"), 200),
        (Ask::new("HEAD", "/open/x"), 200),
        (Ask::get("/open/x").header("host", "evil.example"), 421),
        (Ask::get("/open/%2e%2e/x"), 400),
        (Ask::get("/nothing"), 404),
        (Ask::new("TRACE", "/open/x"), 501),
        (Ask::get("/in/x"), 401),
        (Ask::get("/in/x").header("accept", "text/html"), 303),
        (Ask::get("/admin").signed_in(&session), 403),
        (preflight, 204),
        (Ask::get("/open/x").nobody_knows_the_peer().header("x-forwarded-proto", "https"), 500),
    ] {
        let mut got = house.send(ask).await;
        assert_eq!(got.status(), status);
        if status == 500 {
            // Nothing is known of the connection, so that HSTS must not be promised.
            assert!(!got.has("strict-transport-security"));
            got.parts
                .headers
                .insert("strict-transport-security", "max-age=31536000; includeSubDomains".parse().unwrap());
        }
        is_sealed(&got);
    }
    let plain = house.send(Ask::get("/open/x").peer("203.0.113.7", false)).await;
    assert!(!plain.has("strict-transport-security"), "HSTS over plain HTTP");
}

// proves: HEAD-1
#[tokio::test]
async fn an_application_may_have_its_own_content_security_policy() {
    let house = House::usual().await;
    house.answers(|_| {
        Response::builder()
            .header("content-security-policy", "default-src 'none'")
            .body(Body::empty())
            .unwrap()
    });
    assert_eq!(house.send(Ask::get("/open/x")).await.header("content-security-policy"), "default-src 'none'");
}

// proves: HEAD-1
#[tokio::test]
async fn only_palisades_own_pages_get_its_nonce() {
    let house = House::usual().await;
    // An extension from the application's side of the gate is not believed.
    house.answers(|_| {
        let mut response = Response::new(Body::from("page"));
        response.extensions_mut().insert(OwnPage { nonce: "bm9uY2U".into() });
        response
    });
    assert!(!house.send(Ask::get("/open/x")).await.header("content-security-policy").contains("nonce"));

    let got = house.send(Ask::get("/auth/login")).await;
    assert!(got.header("content-security-policy").contains("style-src 'self' 'nonce-bm9uY2U'"), "{got:?}");
    assert_eq!(got.header("cache-control"), "no-store");
    house.answers(|_| {
        let mut response = Response::new(Body::from("page"));
        response.extensions_mut().insert(OwnPage { nonce: "x'; script-src *".into() });
        response
    });
    let got = house.send(Ask::get("/auth/login")).await;
    assert_eq!(
        got.header("content-security-policy"),
        "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
    );
}

// proves: HEAD-2, ID-8
#[tokio::test]
async fn the_applications_cookies_are_raised_and_cannot_shadow_the_session() {
    let house = House::usual().await;
    house.answers(|_| {
        Response::builder()
            .header("set-cookie", "theme=dark; Path=/")
            .header("set-cookie", "__Host-palisade_session=attackers; Path=/; Secure")
            .header("set-cookie", "id=1; SameSite=Strict; Secure")
            .body(Body::empty())
            .unwrap()
    });
    let got = house.send(Ask::get("/open/x")).await;
    let lines: Vec<_> =
        got.parts.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert_eq!(
        lines,
        ["theme=dark; Path=/; Secure; HttpOnly; SameSite=Lax", "id=1; Secure; HttpOnly; SameSite=Strict"]
    );
}

#[tokio::test]
async fn answers_to_somebody_are_not_for_shared_caches() {
    let house = House::usual().await;
    let session = house.sign_in("ann", &["user"], None).await;
    assert_eq!(house.send(Ask::get("/in/x").signed_in(&session)).await.header("cache-control"), "private");
    assert!(!house.send(Ask::get("/open/x")).await.has("cache-control"));
    house.answers(|_| {
        Response::builder().header("cache-control", "public, max-age=60").body(Body::empty()).unwrap()
    });
    let got = house.send(Ask::get("/in/x").signed_in(&session)).await;
    assert_eq!(got.header("cache-control"), "public, max-age=60", "what the application says stands");
}

// proves: OBS-5, AUD-4
#[tokio::test]
async fn a_services_no_is_rendered_and_recorded_like_a_stages() {
    let house = House::usual().await;
    house.answers(|_| refused(Refusal::new(Denial::UpstreamTimeout, "10.1.2.3:5432 timed out")));
    let got = house.send(Ask::get("/open/x")).await;
    assert_eq!((got.status(), got.problem()["code"].as_str()), (504, Some("service.timeout")));
    assert!(!got.body.contains("10.1.2.3"));
    is_sealed(&got);
    let events = house.events();
    assert_eq!((events.len(), events[0]["payload"]["why"].as_str()), (1, Some("10.1.2.3:5432 timed out")));

    // In its own words: a form that comes back.
    let body = Arc::new("the form again");
    house.answers(move |_| {
        refused_with(
            Denial::SignInFailed.into(),
            Response::builder().status(401).body(Body::from(*body)).unwrap(),
        )
    });
    let got = house.send(Ask::post("/auth/login").own_origin()).await;
    assert_eq!((got.status(), got.body.as_str()), (401, "the form again"));
    let events = house.events();
    assert_eq!((events.len(), events[1]["event"].as_str()), (2, Some("sign_in_failed")));
}

// A cache in front would hand one person's cookie, or the one that signs out, to everybody who asks for the file.
// proves: HEAD-2, CSRF-2
#[tokio::test]
async fn an_answer_with_a_cookie_of_palisades_own_stays_out_of_shared_caches() {
    let house = House::of("[csrf]\ncookie = \"csrf_token\"\n").await;
    house.answers(|_| {
        http::Response::builder()
            .header("cache-control", "public, max-age=31536000, immutable")
            .header("cdn-cache-control", "max-age=600")
            .header("surrogate-control", "max-age=600")
            .header("x-accel-expires", "600")
            .header("expires", "Thu, 01 Jan 2037 00:00:00 GMT")
            .body(Body::from("body{}"))
            .unwrap()
    });
    let session = house.sign_in("ann", &["user"], None).await;
    let gone = "A".repeat(43);
    for cookie in [session, gone] {
        let got = house.send(Ask::get("/open/app.css").signed_in(&cookie)).await;
        assert_eq!(got.status(), 200);
        assert!(got.has("set-cookie"), "{got:?}");
        assert_eq!(got.header("cache-control"), "private, no-cache");
        for name in ["cdn-cache-control", "surrogate-control", "x-accel-expires", "expires"] {
            assert!(!got.has(name), "{name}");
        }
    }
    let got = house.send(Ask::get("/open/app.css")).await;
    assert!(!got.has("set-cookie"));
    assert_eq!(got.header("cache-control"), "public, max-age=31536000, immutable", "others keep theirs");
    assert!(got.has("cdn-cache-control"));
}

// With a cookie of a sign-in that somebody else has begun, the victim's account elsewhere would be linked to theirs.
// proves: HEAD-2, ID-6, LIMIT-8
#[tokio::test]
async fn an_application_sets_none_of_palisades_own_cookies() {
    let house = House::usual().await;
    house.answers(|_| {
        let own = ["oidc", "ticket", "device", "session", "of_another_day"];
        let lines = own.iter().flat_map(|name| {
            ["__Host-palisade_", "palisade_", "=__host-palisade_"]
                .map(|front| format!("{front}{name}=evil; Path=/"))
        });
        let answer = lines.fold(Response::builder(), |answer, line| answer.header("set-cookie", line));
        answer.header("set-cookie", "language=en").body(Body::empty()).unwrap()
    });
    let got = house.send(Ask::get("/open/x")).await;
    let lines: Vec<_> = got.parts.headers.get_all("set-cookie").iter().collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(got.header("set-cookie").starts_with("language=en;"));
}
