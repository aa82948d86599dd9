//! Opaque tokens in headers, forms and addresses.

use palisade_access::{MadeKey, NewKey, Scopes};
use palisade_model::Secret;
use palisade_model::audit::Origin;
use palisade_store::TokenKind;

use crate::house::{Ask, Got, House};

const ALL: &str = r#"
[identify.admin_tokens]
dangerous_query = ["admin_token", "token"]
[identify.guests]
open = true
roles = ["user"]
field = "user_token"
dangerous_query = ["user_token"]
[shield.limits]
login = "5/minute"
"#;

async fn key(house: &House, owner: &str, kind: TokenKind, scopes: &str) -> MadeKey {
    let user = house.store.user_by_login(owner).await.unwrap().unwrap().id;
    let new = NewKey {
        kind,
        user,
        name: "test".into(),
        scopes: Scopes::parse(scopes).unwrap(),
        networks: Vec::new(),
        expires_at: None,
    };
    house.access.make_api_key(new, None, &Origin::default()).await.unwrap()
}

fn code(got: &Got) -> (u16, String) {
    (got.status(), got.problem()["code"].as_str().unwrap_or_default().to_owned())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// The session cookie that an answer sets.
fn session(got: &Got) -> String {
    let line = got.header("set-cookie");
    line.strip_prefix("__Host-palisade_session=").unwrap().split(';').next().unwrap().to_owned()
}

fn bearer(ask: Ask, token: &Secret) -> Ask {
    ask.header("authorization", &format!("Bearer {}", token.expose()))
}

// proves: ID-12, ID-16, CSRF-4
#[tokio::test]
async fn a_token_is_the_credential_wherever_it_may_stand_and_never_goes_on() {
    let house = House::of(ALL).await;
    house.sign_in("ann", &["user"], None).await;
    let ann = house.sign_in("root", &["admin"], None).await;
    let (key, admin) = (
        key(&house, "ann", TokenKind::Key, "write").await,
        key(&house, "root", TokenKind::Admin, "write").await,
    );
    let guest = house.access.register_guest(&Origin::default()).await.unwrap();
    // A change from nowhere, without a token against forgery: no browser adds these by itself.
    for (ask, who) in [
        (bearer(Ask::post("/in/x"), &key.token), "ann"),
        (bearer(Ask::post("/in/x"), &admin.token), "root"),
        (Ask::post("/in/x").header("x-admin-token", admin.token.expose()), "root"),
        (Ask::post("/in/x").header("x-user-token", guest.token.expose()), "guest"),
        // With somebody else's cookie besides: what is shown on purpose counts.
        (bearer(Ask::post("/in/x"), &key.token).signed_in(&ann), "ann"),
    ] {
        assert_eq!(house.send(ask).await.status(), 200);
        assert!(house.principal().unwrap().starts_with(who), "{who}");
        for name in ["authorization", "x-admin-token", "x-user-token", "cookie"] {
            assert!(!house.seen().headers.contains_key(name), "{name} reached the application");
        }
    }
    let hits = house.hits();
    for two in [
        bearer(Ask::get("/in/x"), &key.token).header("x-admin-token", admin.token.expose()),
        bearer(Ask::get("/in/x"), &key.token).header("x-user-token", guest.token.expose()),
        Ask::get("/in/x").header("x-user-token", guest.token.expose()).header("x-user-token", "another"),
        Ask::get("/in/x").header("x-admin-token", admin.token.expose()).header("x-admin-token", "another"),
    ] {
        assert_eq!(code(&house.send(two).await), refused(400, "edge.ambiguous"));
    }
    // A kind counts where it belongs.
    for wrong in [
        Ask::get("/in/x").header("x-admin-token", key.token.expose()),
        Ask::get("/in/x").header("x-admin-token", guest.token.expose()),
        Ask::get("/in/x").header("x-user-token", key.token.expose()),
    ] {
        assert_eq!(code(&house.send(wrong.from("192.0.2.99")).await), refused(401, "identify.credential"));
    }
    assert_eq!(house.hits(), hits);
    // An application's own tokens of that name are left to it.
    let own = Ask::get("/open/x").header("x-admin-token", "its own");
    assert_eq!(house.send(own).await.status(), 200);
    assert_eq!(house.seen().headers["x-admin-token"], "its own");
}

// proves: ID-16
#[tokio::test]
async fn no_spelling_and_no_method_leads_out_of_a_scope() {
    let house = House::of(ALL).await;
    house.sign_in("ann", &["user", "admin"], None).await;
    let made = key(&house, "ann", TokenKind::Key, "read:/in/orders").await;
    for path in ["/in/orders", "/in/orders/7", "/in/orders/7?next=/in/users"] {
        assert_eq!(house.send(bearer(Ask::get(path), &made.token)).await.status(), 200, "{path}");
        assert_eq!(house.send(bearer(Ask::new("HEAD", path), &made.token)).await.status(), 200, "{path}");
    }
    let hits = house.hits();
    for path in [
        "/in/ordersX",
        "/in/orders;x/..",
        "/in/orders;x=1",
        "/in/Orders",
        "/in/%6frders",
        "/in/users",
        "/admin",
    ] {
        let got = house.send(bearer(Ask::get(path), &made.token)).await;
        assert!(matches!(got.status(), 400 | 403 | 404), "{path}: {}", got.status());
    }
    for path in
        ["/in/orders/../users", "/in/orders/%2e%2e/users", "/in/orders%2f..%2fusers", "/in/orders/..;/users"]
    {
        assert_eq!(house.send(bearer(Ask::get(path), &made.token)).await.status(), 400, "{path}");
    }
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let got = house.send(bearer(Ask::new(method, "/in/orders"), &made.token)).await;
        assert_eq!(code(&got), refused(403, "authorize.scope"), "{method}");
    }
    let overridden = bearer(Ask::get("/in/orders"), &made.token).header("x-http-method-override", "DELETE");
    assert_eq!(house.send(overridden).await.status(), 400);
    assert_eq!(house.hits(), hits, "the application was reached out of scope");
}

// proves: ID-14, ID-12, AUD-5
#[tokio::test]
async fn a_token_in_the_address_becomes_a_cookie_and_a_clean_address() {
    let house = House::of(ALL).await;
    house.sign_in("root", &["admin"], None).await;
    let guest = house.access.register_guest(&Origin::default()).await.unwrap();
    let admin = key(&house, "root", TokenKind::Admin, "write").await;
    for (name, made, path) in
        [("user_token", &guest, "/in/x"), ("token", &admin, "/admin"), ("admin_token", &admin, "/admin")]
    {
        let (token, before) = (made.token.expose(), house.hits());
        let got = house.send(Ask::get(&format!("{path}?a=1&{name}={token}&b=%20"))).await;
        assert_eq!((got.status(), got.header("location")), (303, format!("{path}?a=1&b=%20").as_str()));
        assert_eq!(got.header("referrer-policy"), "no-referrer");
        assert_eq!(got.header("cache-control"), "no-store");
        assert_eq!(house.hits(), before, "the application saw the token");
        let cookie = session(&got);
        assert!(!cookie.contains(&token[8..]));
        let seen = house.send(Ask::get(path).signed_in(&cookie)).await;
        assert_eq!(seen.status(), 200, "{path}");
        if name == "token" {
            continue;
        }
        assert!(house.access.revoke_api_key(made.kept.id, None, None, &Origin::default()).await.unwrap());
        let hits = house.hits();
        assert_eq!(house.send(Ask::get(path).signed_in(&cookie)).await.status(), 401, "{path}");
        let got = house.send(Ask::get(&format!("{path}?{name}={token}"))).await;
        assert_eq!(code(&got), refused(401, "identify.credential"));
        assert_eq!(house.hits(), hits);
    }
    let events = house.events();
    let whole = serde_json::to_string(&events).unwrap();
    assert!(!whole.contains(&guest.token.expose()[8..]), "{whole}");
    assert!(events.iter().any(|event| event["event"] == "user_token_used"), "{whole}");
}

// A link with an attacker's token must not turn the victim into the attacker's guest.
// proves: ID-14
#[tokio::test]
async fn whoever_is_signed_in_does_not_become_somebody_else_by_a_link() {
    let house = House::of(ALL).await;
    let ann = house.sign_in("ann", &["user"], None).await;
    let guest = house.access.register_guest(&Origin::default()).await.unwrap();
    let link = format!("/in/x?user_token={}", guest.token.expose());
    let got = house.send(Ask::get(&link).signed_in(&ann)).await;
    assert_eq!(code(&got), refused(409, "identify.clash"));
    assert!(!got.has("set-cookie"));
    // Behind a link from another site a strict cookie stays at home: the browser is asked once more, from here.
    let foreign = house.send(Ask::get(&link).header("sec-fetch-site", "cross-site")).await;
    assert_eq!((foreign.status(), foreign.header("refresh")), (200, format!("0; url={link}").as_str()));
    assert_eq!(
        (foreign.header("referrer-policy"), foreign.header("cache-control")),
        ("no-referrer", "no-store")
    );
    assert!(!foreign.has("set-cookie"));
    let here = Ask::get(&link).header("sec-fetch-site", "same-origin");
    assert_eq!(code(&house.send(here.signed_in(&ann)).await), refused(409, "identify.clash"));
    let here = house.send(Ask::get(&link).header("sec-fetch-site", "same-origin")).await;
    assert_eq!(here.status(), 303);
    // One's own link again: on to the clean address, and no second session.
    let own = session(&house.send(Ask::get(&link)).await);
    let again = house.send(Ask::get(&link).signed_in(&own)).await;
    assert_eq!((again.status(), again.header("location")), (303, "/in/x"));
    assert!(!again.has("set-cookie"));
    assert_eq!(house.hits(), 0);
}

// proves: ID-12, ID-14, AUD-5
#[tokio::test]
async fn a_token_in_an_address_where_none_is_taken_reaches_nobody() {
    let house = House::usual().await;
    house.sign_in("ann", &["user"], None).await;
    let made = key(&house, "ann", TokenKind::Key, "write").await;
    let token = made.token.expose();
    for query in [
        format!("token={token}"),
        format!("access_token={token}"),
        format!("x={}", token.replace("pal_", "pal%5f")),
        format!("x={}", token.replace("pal_", "%70%61%6C_")),
        format!("a=1&x={token}&b=2"),
        format!("x={}", &token[..40]),
    ] {
        for path in ["/in/x", "/open/x"] {
            let got = house.send(Ask::get(&format!("{path}?{query}")).from("192.0.2.50")).await;
            assert_eq!(code(&got), refused(401, "identify.token_place"), "{path} {query}");
            let ask = Ask::get(&format!("{path}?{query}")).header("accept", "text/html");
            let page = house.send(ask).await;
            assert!(
                !page.has("location") || !page.header("location").contains("pal"),
                "{}",
                page.header("location")
            );
        }
    }
    assert_eq!(house.hits(), 0, "the application saw a token");
    assert!(!serde_json::to_string(&house.events()).unwrap().contains(&token[8..30]));
}

// Whoever is inside by one must not use up another by a link.
// proves: ID-13
#[tokio::test]
async fn in_a_breakglass_session_no_second_token_is_used_up() {
    let house = House::of(ALL).await;
    let wait = std::time::Duration::from_secs(600);
    let issue = async || house.access.issue_breakglass("a drill", wait, &Origin::default()).await.unwrap();
    let (first, second) = (issue().await, issue().await);
    let inside =
        house.access.redeem_breakglass(first.token.expose(), &Origin::default(), None).await.unwrap();
    let link = format!("/in/x?admin_token={}", second.token.expose());
    let got = house.send(Ask::get(&link).signed_in(inside.cookie.expose())).await;
    assert_eq!(code(&got), refused(409, "identify.clash"));
    assert!(!got.has("set-cookie") && house.hits() == 0);
    assert!(house.access.redeem_breakglass(second.token.expose(), &Origin::default(), None).await.is_ok());
}

// proves: ID-14
#[tokio::test]
async fn where_no_user_tokens_are_taken_a_form_is_the_applications_own() {
    let house = House::of("[identify.guests]\nfield = \"user_token\"\n").await;
    house.sign_in("ann", &["user"], None).await;
    let made = key(&house, "ann", TokenKind::User, "write").await;
    house.answers(|request| axum::response::Response::new(request.into_body()));
    let body = format!("user_token={}&a=1", made.token.expose());
    let form = |path: &str| {
        Ask::post(path).header("content-type", "application/x-www-form-urlencoded").body(body.clone())
    };
    assert_eq!(house.send(form("/in/x")).await.status(), 401);
    let open = house.send(form("/open/x")).await;
    assert_eq!((open.status(), &open.body), (200, &body));
}

// What is shown besides must not carry the address past those who would look at it; and nothing is used up.
// proves: ID-12, ID-13, ID-14, AUD-5
#[tokio::test]
async fn a_token_in_an_address_reaches_nobody_beside_another_credential_either() {
    let house = House::of(ALL).await;
    house.sign_in("ann", &["user"], None).await;
    let made = key(&house, "ann", TokenKind::Key, "write").await;
    let wait = std::time::Duration::from_secs(600);
    let glass = house.access.issue_breakglass("a drill", wait, &Origin::default()).await.unwrap();
    let guest = house.access.register_guest(&Origin::default()).await.unwrap();
    for query in [format!("x={}", made.token.expose()), format!("user_token={}", guest.token.expose())] {
        for path in ["/in/x", "/open/x"] {
            let ask = || Ask::get(&format!("{path}?{query}")).from("192.0.2.60");
            for ask in [
                bearer(ask(), &made.token),
                ask().header("authorization", "Bearer an.applications.own"),
                ask().header("x-admin-token", glass.token.expose()),
                ask().header("x-user-token", guest.token.expose()),
            ] {
                assert_eq!(house.send(ask).await.status(), 400, "{path}");
            }
        }
    }
    assert_eq!(house.hits(), 0);
    let events = serde_json::to_string(&house.events()).unwrap();
    assert!(!events.contains(&made.token.expose()[8..]) && !events.contains(&guest.token.expose()[8..]));
    assert!(
        house.access.redeem_breakglass(glass.token.expose(), &Origin::default(), None).await.is_ok(),
        "used up"
    );
}

// proves: ID-14
#[tokio::test]
async fn a_form_may_carry_a_user_token_and_the_application_does_not_see_it() {
    let house = House::of(ALL).await;
    let guest = house.access.register_guest(&Origin::default()).await.unwrap();
    let form = |token: &str| {
        Ask::post("/in/x")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("a=1&user_token={token}&b=2"))
    };
    house.answers(|request| axum::response::Response::new(request.into_body()));
    let got = house.send(form(guest.token.expose())).await;
    assert_eq!((got.status(), got.body.clone()), (200, "a=1&b=2".to_owned()));
    assert_eq!(house.send(form("pal_usr_made-up")).await.status(), 401);
    let twice = Ask::post("/in/x")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("user_token={0}&user_token={0}", guest.token.expose()));
    assert_eq!(house.send(twice).await.status(), 401);
    assert_eq!(house.hits(), 1);
}

// proves: ID-13, OBS-1
#[tokio::test]
async fn breakglass_in_a_header_works_once_and_is_told() {
    let house = House::of(ALL).await;
    let issue = async || {
        let wait = std::time::Duration::from_secs(600);
        house.access.issue_breakglass("a drill", wait, &Origin::default()).await.unwrap().token
    };
    let token = issue().await;
    let ask = || Ask::get("/admin").header("x-admin-token", token.expose());
    let got = house.send(ask()).await;
    assert_eq!(got.status(), 200);
    let cookie = session(&got);
    assert_eq!(house.send(Ask::get("/admin").signed_in(&cookie)).await.status(), 200);
    assert_eq!(code(&house.send(ask()).await), refused(401, "identify.credential"));
    // HEAD looks and uses nothing up; GET does.
    let token = issue().await;
    let link = format!("/admin?token={}", token.expose());
    assert_eq!(house.send(Ask::new("HEAD", &link)).await.status(), 401);
    assert_eq!(house.send(Ask::get(&link)).await.status(), 303);
    assert_eq!(house.send(Ask::get(&link)).await.status(), 401);
    let named = |name: &str| house.events().iter().filter(|event| event["event"] == name).count();
    assert_eq!((named("breakglass_used"), named("breakglass_refused")), (2, 2));
    assert!(house.metrics.encode().contains("breakglass_used_total 2"));
    let mut change = Ask::post("/in/x").signed_in(&cookie);
    assert_eq!(code(&house.send(change).await), refused(403, "csrf.origin"), "a cookie is a cookie");
    change = Ask::post("/in/x").header("x-admin-token", issue().await.expose());
    assert_eq!(house.send(change).await.status(), 200);
}

// proves: LIMIT-3, ID-14
#[tokio::test]
async fn guesses_are_bounded_and_honest_bearers_are_not_in_their_way() {
    let house = House::of(ALL).await;
    house.sign_in("ann", &["user"], None).await;
    let honest = key(&house, "ann", TokenKind::Key, "write").await;
    let other = House::of(ALL).await;
    other.sign_in("ann", &["user"], None).await;
    // Both houses throw the same dice: the first token there is the honest one here.
    key(&other, "ann", TokenKind::Key, "read").await;
    let (mut tried, mut limited) = (0, 0);
    assert_eq!(house.send(bearer(Ask::get("/in/x"), &honest.token)).await.status(), 200);
    for _ in 0..200 {
        // Well-formed, and nobody's.
        let guess = key(&other, "ann", TokenKind::Key, "read").await;
        match house.send(bearer(Ask::get("/in/x"), &guess.token)).await.status() {
            401 => tried += 1,
            429 => limited += 1,
            status => panic!("{status}"),
        }
    }
    assert_eq!((tried, limited), (5, 195));
    assert_eq!(house.hits(), 1);
    // From elsewhere nobody is in anybody's way.
    let elsewhere = bearer(Ask::get("/in/x"), &honest.token).from("192.0.2.200");
    assert_eq!(house.send(elsewhere).await.status(), 200);
}

// The cookie must not give what the token does not.
// proves: ID-14, ID-17
#[tokio::test]
async fn a_token_that_becomes_a_cookie_is_no_way_round_the_second_factor() {
    let house = House::of(&format!("{ALL}[identify.second_factor]\nrequired_for = [\"admin\"]\n")).await;
    house.sign_in("root", &["admin"], None).await;
    let guest = house.access.register_guest(&Origin::default()).await.unwrap();
    let link = format!("/in/x?user_token={}", guest.token.expose());
    let early = session(&house.send(Ask::get(&link)).await);
    assert_eq!(house.send(Ask::get("/in/x").signed_in(&early)).await.status(), 200);

    let admin = ["admin".to_owned()];
    house.access.set_roles(guest.kept.user, &admin, None, &Origin::default()).await.unwrap();
    let hits = house.hits();
    let wanting = refused(403, "authorize.factor");
    let header = Ask::get("/admin").header("x-user-token", guest.token.expose());
    assert_eq!(code(&house.send(header).await), wanting);
    assert_eq!(code(&house.send(Ask::get("/admin").signed_in(&early)).await), wanting, "begun before");
    let late = session(&house.send(Ask::get(&link)).await);
    assert_eq!(code(&house.send(Ask::get("/admin").signed_in(&late)).await), wanting);
    assert_eq!(house.hits(), hits, "nothing of it reached the application");

    // An administrator's own token is made on the server.
    let token = key(&house, "root", TokenKind::Admin, "write").await;
    let link = format!("/admin?admin_token={}", token.token.expose());
    let cookie = session(&house.send(Ask::get(&link)).await);
    assert_eq!(house.send(Ask::get("/admin").signed_in(&cookie)).await.status(), 200);
}

// A socket is opened by GET, and then says what it likes.
// proves: ID-16, ACC-1
#[tokio::test]
async fn whoever_may_only_read_opens_no_socket_where_others_write() {
    let house = House::of(
        "[[route]]\npath = \"/socket\"\nto = \"upstream:app\"\nupgrade = true\n\
         allow = { read = \"user\", write = \"admin\" }\n\
         [[route]]\npath = \"/news\"\nto = \"upstream:app\"\nupgrade = true\nallow = { read = \"user\" }\n",
    )
    .await;
    let ann = house.sign_in("ann", &["user"], None).await;
    let root = house.sign_in("root", &["admin"], None).await;
    let reads = key(&house, "root", TokenKind::Key, "read").await;
    let writes = key(&house, "root", TokenKind::Key, "write:/socket").await;
    let open = |path: &str| {
        let ask = Ask::get(path).header("connection", "upgrade").header("upgrade", "websocket");
        ask.header("origin", "https://app.example")
    };
    let hits = house.hits();
    assert_eq!(code(&house.send(open("/socket").signed_in(&ann)).await), refused(403, "authorize.role"));
    let by_key = house.send(bearer(open("/socket"), &reads.token)).await;
    assert_eq!(code(&by_key), refused(403, "authorize.scope"));
    assert_eq!(house.hits(), hits, "nothing of it reached the application");
    for allowed in [
        Ask::get("/socket").signed_in(&ann),
        open("/socket").signed_in(&root),
        bearer(open("/socket"), &writes.token),
        bearer(Ask::get("/socket"), &reads.token),
        // Where nobody writes, it is the readers' own.
        open("/news").signed_in(&ann),
        bearer(open("/news"), &reads.token),
    ] {
        let got = house.send(allowed).await;
        assert_eq!(got.status(), 200, "{got:?}");
    }
}
