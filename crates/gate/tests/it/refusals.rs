//! Every refusal of the gate: its status, its problem, its one line in the events log, and that the
//! application never heard of the request.

use axum::body::Body;
use bytes::Bytes;

use crate::house::{Ask, Got, House};

/// Sends the request and checks all that a refusal must be.
async fn refused(house: &House, ask: Ask, status: u16, code: &str) -> Got {
    let (before, hits) = (house.events().len(), house.hits());
    let got = house.send(ask).await;
    assert_eq!((got.status(), house.hits()), (status, hits), "{code}: {got:?}");
    let problem = got.problem();
    assert_eq!(
        (problem["code"].as_str(), problem["status"].as_u64()),
        (Some(code), Some(status.into())),
        "{problem}"
    );
    assert_eq!(problem["request_id"], got.header("x-request-id"));
    assert_eq!(problem["type"], format!("urn:palisade:{code}"));
    assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
    assert_eq!(got.header("cache-control"), "no-store");
    let events = house.events();
    assert_eq!(events.len(), before + 1, "{code}: not exactly one line: {:?}", &events[before..]);
    let event = &events[before];
    assert_eq!(event["payload"]["request_id"], got.header("x-request-id"));
    assert_eq!(event["payload"]["status"], status);
    got
}

// proves: EDGE-2, OBS-5, AUD-4
#[tokio::test]
async fn a_host_that_is_not_served_gets_421_and_no_page() {
    let house = House::usual().await;
    for host in
        ["evil.example", "app.example.evil.example", "app.example@evil.example", "", "app.example:80:80"]
    {
        let status = if host.contains('@') || host.is_empty() || host.contains(":80:") { 400 } else { 421 };
        let code = if status == 421 { "edge.host" } else { "edge.malformed" };
        refused(&house, Ask::get("/open/x").header("host", host), status, code).await;
    }
    refused(&house, Ask::get("/open/x").without("host"), 400, "edge.malformed").await;
    refused(
        &house,
        Ask::get("https://evil.example/open/x").header("host", "app.example"),
        400,
        "edge.ambiguous",
    )
    .await;
    refused(&house, Ask::get("/open/x").two_hosts("evil.example"), 400, "edge.ambiguous").await;
    assert_eq!(house.send(Ask::get("/open/x").header("host", "APP.example:8443")).await.status(), 200);
}

// proves: EDGE-6, CSRF-6
#[tokio::test]
async fn what_could_be_read_in_two_ways_is_refused() {
    let house = House::usual().await;
    for path in
        ["/open/%2e%2e/admin", "/open/..%2fadmin", "/open/%252e%252e/admin", "/open//admin", "/open/a%00"]
    {
        refused(&house, Ask::get(path), 400, "edge.path").await;
    }
    for name in [
        "X-HTTP-Method-Override",
        "X_HTTP_Method_Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "x_method.override",
    ] {
        refused(&house, Ask::post("/open/x").header(name, "DELETE"), 400, "edge.method_override").await;
    }
    for method in ["TRACE", "CONNECT", "PROPFIND", "get"] {
        refused(&house, Ask::new(method, "/open/x"), 501, "edge.method_unsupported").await;
    }
    refused(&house, Ask::post("/open/x").header("expect", "200-maybe"), 417, "edge.expectation").await;
}

// proves: ACC-1, CSRF-6
#[tokio::test]
async fn what_no_route_declares_is_not_there() {
    let house = House::usual().await;
    refused(&house, Ask::get("/elsewhere"), 404, "edge.route").await;
    let got = refused(&house, Ask::new("DELETE", "/old"), 405, "edge.method").await;
    assert_eq!(got.header("allow"), "GET, HEAD");
    refused(&house, Ask::get("/nobody"), 401, "authorize.sign_in").await;
    let session = house.sign_in("ann", &["admin"], None).await;
    refused(&house, Ask::get("/nobody").signed_in(&session), 403, "authorize.role").await;
}

// proves: ACC-2
#[tokio::test]
async fn roles_decide_and_hidden_things_do_not_show() {
    let house = House::usual().await;
    let session = house.sign_in("ann", &["user"], None).await;
    refused(&house, Ask::get("/in/x"), 401, "authorize.sign_in").await;
    refused(&house, Ask::get("/admin").signed_in(&session), 403, "authorize.role").await;
    assert_eq!(house.send(Ask::get("/in/x").signed_in(&session)).await.status(), 200);

    let nothing = house.send(Ask::get("/nothing").signed_in(&session)).await;
    for hidden in [
        Ask::get("/secret"),
        Ask::get("/secret").signed_in(&session),
        Ask::post("/secret").signed_in(&session),
    ] {
        let got = refused(&house, hidden, 404, "edge.route").await;
        let names = |got: &Got| {
            let mut names: Vec<_> = got.parts.headers.keys().map(ToString::to_string).collect();
            names.sort();
            names
        };
        assert_eq!(names(&got), names(&nothing), "a hidden route shows itself by its headers");
        let bare = |got: &Got| got.body.replace(got.header("x-request-id"), "");
        assert_eq!(bare(&got), bare(&nothing));
    }
}

// Whatever stage says no first: a 401, a 403, a 413 or a 429 would each tell that there is something.
// proves: ACC-2
#[tokio::test]
async fn no_stage_betrays_a_hidden_route() {
    let house = House::of(
        "[[route]]\npath = \"/vault\"\nto = \"upstream:app\"\nallow = \"admin\"\nhide = true\nlimits = [\"few\"]\n\
         [shield.limits]\nfew = \"9/hour\"\n[shield.cors]\norigins = [\"https://friend.example\"]\n",
    )
    .await;
    let user = house.sign_in("ann", &["user"], Some("north")).await;
    let admin = house.sign_in("eve", &["admin"], None).await;
    let gone = "A".repeat(43);
    let preflight = |path: &str, origin: &str| {
        let asked = Ask::new("OPTIONS", path).header("access-control-request-method", "POST");
        asked.header("origin", origin)
    };
    type Try<'a> = Box<dyn Fn(&str) -> Ask + 'a>;
    let asks: Vec<Try<'_>> = vec![
        Box::new(|path| Ask::get(path).header("authorization", "Bearer forged")),
        Box::new(|path| Ask::post(path).signed_in(&user)),
        Box::new(|path| Ask::post(path).signed_in(&user).header("origin", "https://evil.example")),
        Box::new(|path| Ask::post(path).header("cookie", "a=b").header("origin", "https://evil.example")),
        Box::new(|path| Ask::get(path).signed_in(&user).header("x-tenant-id", "south")),
        Box::new(|path| Ask::post(path).header("content-length", "1025").body(vec![b'x'; 1025])),
        Box::new(|path| Ask::get(path).signed_in(&gone)),
        Box::new(move |path| preflight(path, "https://evil.example")),
        Box::new(Ask::get),
        Box::new(Ask::get),
        Box::new(Ask::get),
        Box::new(Ask::get),
    ];
    for (which, ask) in asks.iter().enumerate() {
        let nothing = house.send(ask("/nothing")).await;
        let got = refused(&house, ask("/vault"), 404, "edge.route").await;
        let names = |got: &Got| {
            let mut names: Vec<_> = got.parts.headers.keys().map(ToString::to_string).collect();
            names.sort();
            names
        };
        assert_eq!(names(&got), names(&nothing), "{which}: a hidden route shows itself by its headers");
    }
    // Who may use it is told what is wrong.
    let from = |ask: Ask| ask.from("198.51.100.4").signed_in(&admin);
    assert_eq!(house.send(from(Ask::get("/vault"))).await.status(), 200);
    refused(&house, from(Ask::post("/vault")), 403, "csrf.token").await;
}

// A scanner's 404s count like everything else; whoever goes on gets 429 wherever it looks, and what is hidden counts
// and answers like what is not there.
// proves: LIMIT-1, ACC-2
#[tokio::test]
async fn looking_for_what_is_not_there_is_limited_and_does_not_betray_what_is_hidden() {
    for (own, hidden) in [("", "/vault"), ("limits = [\"few\"]\n", "/vault"), ("", "/nothing/else")] {
        let house = House::of(&format!(
            "[[route]]\npath = \"/vault\"\nto = \"upstream:app\"\nallow = \"admin\"\nhide = true\n{own}\
             [[route]]\npath = \"/get\"\nto = \"upstream:app\"\nallow = \"public\"\nmethods = [\"GET\"]\n\
             [shield.limits]\ndefault = \"4/minute\"\nfew = \"1/minute\"\n"
        ))
        .await;
        let user = house.sign_in("ann", &["user"], None).await;
        refused(&house, Ask::get("/nothing"), 404, "edge.route").await;
        refused(&house, Ask::get(hidden), 404, "edge.route").await;
        refused(&house, Ask::get(hidden).signed_in(&user), 404, "edge.route").await;
        refused(&house, Ask::post("/get"), 405, "edge.method").await;
        let nothing = refused(&house, Ask::get("/nothing"), 429, "shield.limit").await;
        let got = refused(&house, Ask::get(hidden).signed_in(&user), 429, "shield.limit").await;
        let told = |got: &Got| {
            let mut told: Vec<_> =
                got.parts.headers.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
            told.retain(|(name, _)| name != "x-request-id");
            told.sort_by(|one, other| one.0.cmp(&other.0));
            told
        };
        assert_eq!(told(&got), told(&nothing), "{own}{hidden}");
        refused(&house, Ask::get("/get"), 429, "shield.limit").await;
        assert_eq!(house.hits(), 0);
        let elsewhere = Ask::get("/nothing").from("198.51.100.9");
        refused(&house, elsewhere, 404, "edge.route").await;
        house.pass(61);
        refused(&house, Ask::get("/nothing"), 404, "edge.route").await;
    }
}

// proves: EDGE-5
#[tokio::test]
async fn a_body_over_the_limit_is_refused_by_its_length_or_cut_off() {
    let house = House::usual().await;
    let long = Ask::post("/open/x").header("content-length", "1025").body(vec![b'x'; 1025]);
    refused(&house, long, 413, "edge.body_size").await;
    assert_eq!(
        house
            .send(Ask::post("/open/x").header("content-length", "1024").body(vec![b'x'; 1024]))
            .await
            .status(),
        200
    );

    // Of unknown length, it reaches the service, which never sees the end of it.
    let chunks = |n: usize| {
        let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 512]));
        Body::from_stream(futures_util::stream::iter((0..n).map(move |_| chunk())))
    };
    assert_eq!(house.send(Ask::post("/open/x").body(chunks(2))).await.status(), 200);
    let (before, got) = (house.events().len(), house.send(Ask::post("/open/x").body(chunks(3))).await);
    assert_eq!((got.status(), got.problem()["code"].as_str()), (413, Some("edge.body_size")));
    assert_eq!(house.events().len(), before + 1);
    assert_ne!(got.body, "served");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_the_clients_fault() {
    let house = House::usual().await;
    let half = vec![Ok(Bytes::from_static(b"half")), Err(std::io::Error::other("reset"))];
    let got =
        house.send(Ask::post("/open/x").body(Body::from_stream(futures_util::stream::iter(half)))).await;
    assert_eq!((got.status(), got.problem()["code"].as_str()), (400, Some("edge.body_incomplete")));
}

#[tokio::test]
async fn without_a_peer_nobody_is_served() {
    let house = House::usual().await;
    refused(&house, Ask::get("/open/x").nobody_knows_the_peer(), 500, "service.internal").await;
}

// proves: OBS-5
#[tokio::test]
async fn a_service_that_panics_leaves_a_whole_answer_and_no_trace_of_why() {
    let house = House::usual().await;
    house.answers(|_| panic!("secret of the house"));
    let got = house.send(Ask::get("/open/x")).await;
    assert_eq!((got.status(), got.problem()["code"].as_str()), (500, Some("service.internal")));
    assert!(!got.body.contains("secret") && got.header("x-frame-options") == "DENY");
    assert!(!format!("{:?}", house.events()).contains("secret"));
    house.answers(|_| http::Response::new(Body::empty()));
    assert_eq!(house.send(Ask::get("/open/x")).await.status(), 200);
}

// proves: LIMIT-5
#[tokio::test]
async fn refused_networks_are_refused() {
    let house = House::of("[shield]\nrefuse = [\"198.51.100.0/24\", \"2001:db8:bad::/48\"]\n").await;
    refused(&house, Ask::get("/open/x").from("198.51.100.9"), 403, "shield.address").await;
    refused(&house, Ask::get("/open/x").from("::ffff:198.51.100.9"), 403, "shield.address").await;
    refused(&house, Ask::get("/open/x").from("2001:db8:bad::1"), 403, "shield.address").await;
    // Through a trusted proxy too, and not by pretending to be somebody else.
    let hop = Ask::get("/open/x").from("10.0.0.1").header("x-forwarded-for", "203.0.113.1, 198.51.100.9");
    refused(&house, hop, 403, "shield.address").await;
    let forged = Ask::get("/open/x").from("198.51.100.9").header("x-forwarded-for", "203.0.113.1");
    refused(&house, forged, 403, "shield.address").await;
    assert_eq!(house.send(Ask::get("/open/x")).await.status(), 200);
}

// proves: OBS-5, ACC-2
#[tokio::test]
async fn people_get_a_page_or_the_way_to_sign_in() {
    let house = House::usual().await;
    let browser = |path: &str| Ask::get(path).header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    let got = house.send(browser("/in/report?month=5")).await;
    assert_eq!((got.status(), got.header("location")), (303, "/auth/login?next=/in/report%3Fmonth%3D5"));
    assert_eq!(house.events().len(), 1, "a redirect to sign in is a refusal like any other");

    let got = house.send(browser("/nothing")).await;
    assert_eq!((got.status(), got.header("content-type")), (404, "text/html; charset=utf-8"));
    assert!(got.body.contains(got.header("x-request-id")) && !got.body.contains("<script"));
    assert!(got.header("content-security-policy").starts_with("default-src 'none'; style-src 'sha256-"));
    assert_eq!(house.hits(), 0);
}

// proves: ACC-2
#[tokio::test]
async fn the_way_to_sign_in_never_leads_to_another_site() {
    let house = House::from_policy(&format!(
        "{}[[route]]\npath = \"/{{*rest}}\"\nto = \"upstream:app\"\nallow = \"signed-in\"\n",
        crate::house::HEAD
    ))
    .await;
    for path in ["/", "/a?next=//evil.example", "/a?//evil.example", "/a/b?x=%0d%0aSet-Cookie:x=1"] {
        let got = house.send(Ask::get(path).header("accept", "text/html")).await;
        let location = got.header("location");
        let next = location.strip_prefix("/auth/login?next=").unwrap();
        assert!(next.starts_with('/') && !next.starts_with("//"), "{location}");
        assert!(next.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.~%".contains(&b)), "{location}");
    }
    for path in ["//evil.example", "//evil.example/%2e%2e", "/%5cevil.example", "/%2f%2fevil.example"] {
        let ask = Ask::get("/").header("accept", "text/html");
        let Ok(uri) = http::Uri::builder().path_and_query(path).build() else { continue };
        let got = house.send(ask.uri(uri)).await;
        assert_eq!((got.status(), got.has("location")), (400, false), "{path}");
    }
}

#[tokio::test]
async fn head_is_refused_like_get_without_a_body() {
    let house = House::usual().await;
    let (get, head) =
        (house.send(Ask::get("/nothing")).await, house.send(Ask::new("HEAD", "/nothing")).await);
    assert_eq!((head.status(), head.body.as_str()), (404, ""));
    assert_eq!(head.header("content-type"), get.header("content-type"));
    assert_eq!(head.header("content-length"), get.header("content-length"));
}
