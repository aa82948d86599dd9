//! Forged and honest requests, through the whole gate.

use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use palisade_model::Secret;
use palisade_model::audit::Origin;

use crate::house::{Ask, Got, House};

const PAGES: &str = r#"
[[route]]
path = "/notes"
to = "upstream:app"
allow = { read = "public", write = "signed-in" }
"#;

async fn house(sections: &str) -> House {
    let house = House::of(&format!("{PAGES}{sections}")).await;
    house.answers(|request: Request<Body>| {
        let page = Response::builder().header("content-type", "text/html; charset=utf-8");
        let html =
            "<html><head><title>Notes</title></head><body><form method=\"post\"><input name=\"text\"></form>";
        match request.method().as_str() {
            "GET" => page.body(Body::from(html)).unwrap(),
            _ => Response::new(request.into_body()),
        }
    });
    house
}

/// The token in the page that somebody with this session sees.
async fn token(house: &House, session: &str) -> String {
    let page = house.send(Ask::get("/notes").signed_in(session)).await;
    let (_, rest) = page.body.split_once(r#"name="csrf_token" value=""#).expect("no field in the page");
    let token = rest.split('"').next().unwrap().to_owned();
    assert!(
        page.body.contains(&format!(r#"<meta name="csrf-token" content="{token}"></head>"#)),
        "{}",
        page.body
    );
    token
}

fn submit(session: &str, body: impl Into<String>) -> Ask {
    let body = body.into();
    Ask::post("/notes")
        .signed_in(session)
        .own_origin()
        .header("content-type", "application/x-www-form-urlencoded")
        .header("content-length", &body.len().to_string())
        .body(body)
}

/// The request is refused, does not reach the application and leaves one line.
async fn refused(house: &House, ask: Ask, status: u16, code: &str) -> Got {
    let (hits, before) = (house.hits(), house.events().len());
    let got = house.send(ask).await;
    assert_eq!((got.status(), house.hits()), (status, hits), "{got:?}");
    let events = house.events();
    assert_eq!(events.len(), before + 1, "{:?}", &events[before..]);
    assert_eq!(events[before]["payload"]["code"], code);
    got
}

// proves: CSRF-1, CSRF-2, CSRF-3
#[tokio::test]
async fn a_form_that_had_no_token_of_its_own_can_be_submitted() {
    let house = house("").await;
    let ann = house.sign_in("ann", &["user"], None).await;
    let (one, two) = (token(&house, &ann).await, token(&house, &ann).await);
    assert_ne!(one, two, "the same token twice gives itself away under compression");
    for token in [&one, &two] {
        let got = house.send(submit(&ann, format!("csrf_token={token}&text=hello"))).await;
        assert_eq!((got.status(), got.body.as_str()), (200, "text=hello"));
        assert_eq!(house.seen().headers["content-length"], "10");
        let got = house.send(submit(&ann, "text=hello").header("x-csrf-token", token)).await;
        assert_eq!((got.status(), got.body.as_str()), (200, "text=hello"));
        assert!(!house.seen().headers.contains_key("x-csrf-token"));
    }
    let multipart = format!(
        "--b\r\nContent-Disposition: form-data; name=\"csrf_token\"\r\n\r\n{one}\r\n\
         --b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nhi\r\n--b--\r\n"
    );
    let ask = Ask::post("/notes").signed_in(&ann).own_origin().body(multipart.clone());
    let got = house.send(ask.header("content-type", "multipart/form-data; boundary=b")).await;
    assert_eq!(got.status(), 200);
    assert!(multipart.ends_with(&got.body) && got.body.starts_with("--b") && !got.body.contains(&one));
}

// proves: CSRF-1, CSRF-2
#[tokio::test]
async fn nobody_elses_token_or_page_will_do() {
    let house = house("").await;
    let ann = house.sign_in("ann", &["user"], None).await;
    let eve = house.sign_in("eve", &["user"], None).await;
    let (anns, eves) = (token(&house, &ann).await, token(&house, &eve).await);
    refused(&house, submit(&ann, "text=x"), 403, "csrf.token").await;
    refused(&house, submit(&ann, format!("csrf_token={eves}")), 403, "csrf.token").await;
    refused(&house, submit(&ann, "").header("x-csrf-token", &eves), 403, "csrf.token").await;
    refused(&house, submit(&ann, format!("csrf_token={}", anns.to_ascii_lowercase())), 403, "csrf.token")
        .await;
    refused(&house, submit(&ann, format!("csrf_token={}", &anns[..43])), 403, "csrf.token").await;
    // In the address it would end in logs and histories: it is not looked for there.
    let in_address = Ask::post(&format!("/notes?csrf_token={anns}")).signed_in(&ann).own_origin();
    refused(&house, in_address, 403, "csrf.token").await;
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("referer", "https://evil.example/notes"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let ask = submit(&ann, format!("csrf_token={anns}")).without("origin").header(name, value);
        refused(&house, ask, 403, "csrf.origin").await;
    }
    let page = refused(&house, submit(&ann, "").header("accept", "text/html"), 403, "csrf.token").await;
    assert!(page.header("content-type").starts_with("text/html") && !page.body.contains(&anns));
}

// proves: CSRF-2
#[tokio::test]
async fn a_token_dies_with_its_session() {
    let house = house("").await;
    let ann = house.sign_in("ann", &["user"], None).await;
    let old = token(&house, &ann).await;
    let principal = house.access.session(&ann).await.unwrap().unwrap();
    house.access.sign_out(&principal, &Origin::default()).await.unwrap();
    refused(&house, submit(&ann, format!("csrf_token={old}")), 401, "authorize.sign_in").await;
    let (password, origin) = (Secret::new("Quietly-7-Walking-Herons"), Origin::default());
    let again = house.access.sign_in("ann", &password, &origin, None).await.unwrap().session().unwrap();
    let again = again.cookie.expose().to_owned();
    refused(&house, submit(&again, format!("csrf_token={old}")), 403, "csrf.token").await;
    let fresh = token(&house, &again).await;
    assert_eq!(house.send(submit(&again, format!("csrf_token={fresh}"))).await.status(), 200);
}

// proves: CSRF-2
#[tokio::test]
async fn a_script_copies_the_cookie_into_the_header_and_a_tossed_cookie_is_of_no_use() {
    let house = house("[csrf]\ncookie = \"csrf_token\"").await;
    let ann = house.sign_in("ann", &["user"], None).await;
    let eve = house.sign_in("eve", &["user"], None).await;
    let cookie_of = async |session: &str| {
        let got = house.send(Ask::get("/notes").signed_in(session)).await;
        let line = got.header("set-cookie").to_owned();
        assert!(line.starts_with("csrf_token=") && line.contains("; Path=/;"), "{line}");
        assert!(
            line.contains("; Secure") && line.contains("; SameSite=") && !line.contains("HttpOnly"),
            "{line}"
        );
        line.split(['=', ';']).nth(1).unwrap().to_owned()
    };
    let (anns, eves) = (cookie_of(&ann).await, cookie_of(&eve).await);
    assert_ne!(anns, eves);
    let ask = |cookie: &str, header: &str| {
        let ask = Ask::post("/notes").own_origin().header("x-csrf-token", header);
        ask.header("cookie", &format!("csrf_token={cookie}; __Host-palisade_session={ann}; theirs=1"))
    };
    let got = house.send(ask(&anns, &anns)).await;
    assert_eq!((got.status(), got.has("set-cookie")), (200, false), "{got:?}");
    assert_eq!(house.seen().headers["cookie"], "theirs=1");
    assert!(!house.seen().headers.contains_key("x-csrf-token"));
    // Eve, on a sibling host, tosses hers into Ann's browser: cookie and header agree, and it is not Ann's.
    refused(&house, ask(&eves, &eves), 403, "csrf.token").await;
    refused(&house, ask("made-up", "made-up"), 403, "csrf.token").await;
    // The cookie alone is what the browser adds by itself.
    refused(&house, ask(&anns, ""), 403, "csrf.token").await;
    // The next page puts it right.
    let stale = Ask::get("/notes").signed_in(&ann).header("cookie", &format!("csrf_token={eves}"));
    assert!(house.send(stale).await.header("set-cookie").starts_with(&format!("csrf_token={anns};")));
    assert!(!house.send(Ask::get("/notes")).await.has("set-cookie"));
}

// proves: CSRF-4
#[tokio::test]
async fn programs_with_a_bearer_token_and_exempt_routes_are_asked_nothing() {
    let house = house("").await;
    let ann = house.sign_in("ann", &["user"], None).await;
    let bearer = house.access_token("ann").await;
    let program = Ask::post("/notes").header("authorization", &format!("Bearer {bearer}")).body("{}");
    assert_eq!(house.send(program).await.status(), 200);
    let hook = Ask::post("/open/hook").header("origin", "https://elsewhere.example").body("{}");
    assert_eq!(house.send(hook).await.status(), 200);
    // A cookie beside a bearer token that is not valid is no way around.
    let both = submit(&ann, "").header("authorization", "Bearer x.y.z");
    refused(&house, both, 401, "identify.credential").await;
}

// proves: CSRF-5
#[tokio::test]
async fn the_open_mode_lets_pass_and_tells() {
    let house = house("[csrf]\nmode = \"open\"").await;
    let ann = house.sign_in("ann", &["user"], None).await;
    let before = house.events().len();
    let got =
        house.send(submit(&ann, "text=x").without("origin").header("origin", "https://evil.example")).await;
    assert_eq!((got.status(), got.body.as_str()), (200, "text=x"));
    let events = house.events();
    assert_eq!(
        (events.len(), &events[before]["event"]),
        (before + 1, &"csrf_tolerated".into()),
        "{events:?}"
    );
    assert_eq!(events[before]["payload"]["code"], "csrf.origin");
    assert!(house.metrics.encode().contains("csrf_tolerated_total 1"));
}

// proves: CSRF-1
#[tokio::test]
async fn the_status_is_the_policys_and_a_body_that_is_too_long_says_so() {
    let house = house("[csrf]\nstatus = 400").await;
    let ann = house.sign_in("ann", &["user"], None).await;
    refused(&house, submit(&ann, "text=x"), 400, "csrf.token").await;
    let long = format!("text={}", "x".repeat(4096));
    let chunked = Ask::post("/notes")
        .signed_in(&ann)
        .own_origin()
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::new(http_body_util::Full::from(long).boxed_unsync()));
    refused(&house, chunked, 413, "edge.body_size").await;
}

// proves: CSRF-3
#[tokio::test]
async fn pages_of_nobody_and_of_programs_stay_as_they_are() {
    let house = house("").await;
    house.sign_in("ann", &["user"], None).await;
    let nobody = house.send(Ask::get("/notes")).await;
    assert!(
        !nobody.body.contains("csrf") && !nobody.header("cache-control").contains("private"),
        "{nobody:?}"
    );
    let bearer = house.access_token("ann").await;
    let program = house.send(Ask::get("/notes").header("authorization", &format!("Bearer {bearer}"))).await;
    assert!(!program.body.contains("csrf"));
}

// proves: CSRF-3
#[tokio::test]
async fn a_page_with_a_token_is_never_kept_and_asks_for_codings_that_can_be_read() {
    let house = house("").await;
    let ann = house.sign_in("ann", &["user"], None).await;
    let ask = Ask::get("/notes").signed_in(&ann).header("accept-encoding", "gzip, br, zstd");
    let got = house.send(ask.header("accept", "text/html").header("if-none-match", "\"1\"")).await;
    assert_eq!(got.header("cache-control"), "private, no-store");
    assert_eq!(house.seen().headers["accept-encoding"], "gzip, br");
    assert!(!house.seen().headers.contains_key("if-none-match"));
    let off = self::house("[csrf]\ninject = false").await;
    let ann = off.sign_in("ann", &["user"], None).await;
    let got = off.send(Ask::get("/notes").signed_in(&ann).header("accept-encoding", "zstd")).await;
    assert!(!got.body.contains("csrf") && off.seen().headers["accept-encoding"] == "zstd");
}
