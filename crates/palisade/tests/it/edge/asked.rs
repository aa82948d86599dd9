//! Hosts, paths, methods and routes.

use http::{Method, StatusCode};

use super::{assert_untouched, head};
use crate::support::{Site, Upstream, public, wire};

// proves: EDGE-2, EDGE-4, AUD-4
#[tokio::test]
async fn a_host_that_is_not_served_gets_421_and_no_page() {
    let app = Upstream::plain().await;
    let site = Site::start_with(&[("ALLOWED_HOSTS", "127.0.0.1")], &public(app.address)).await;
    let own = site.address;
    for (line, hosts, status, code) in [
        ("GET /", "Host: evil.example\r\n", 421, "edge.host"),
        ("GET /auth/login", "Host: evil.example\r\n", 421, "edge.host"),
        ("GET /healthz", "Host: evil.example:80\r\n", 421, "edge.host"),
        ("GET /", "Host: 127.0.0.1.evil.example\r\n", 421, "edge.host"),
        ("GET /", "Host: localhost\r\n", 421, "edge.host"),
        ("GET /", "Host: 127.1\r\n", 421, "edge.host"),
        ("GET http://evil.example/", "Host: evil.example\r\n", 421, "edge.host"),
        ("GET http://evil.example/", &format!("Host: {own}\r\n"), 400, "edge.ambiguous"),
        (&format!("GET http://{own}/"), "Host: evil.example\r\n", 400, "edge.ambiguous"),
        ("GET /", &format!("Host: {own}\r\nHost: evil.example\r\n"), 400, "edge.ambiguous"),
        ("GET /", &format!("Host: {own}\r\nHost: {own}\r\n"), 400, "edge.ambiguous"),
        ("GET /", &format!("Host: evil.example@{own}\r\n"), 400, "edge.malformed"),
        ("GET /", "Host:\r\n", 400, "edge.malformed"),
        ("GET /", "", 400, "edge.malformed"),
    ] {
        let request = format!("{line} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        let answer = wire(own, &request).await;
        let event = site.assert_refused(&answer, status, code);
        assert_eq!(event["payload"]["ip"], "127.0.0.1");
        assert!(!answer.text().contains("evil"), "an unknown host is not repeated: {}", answer.text());
        assert_eq!(answer.header("location"), None);
        assert_untouched(&app, &request);
    }
    assert_eq!(site.client().get("/").await.status, StatusCode::OK, "the own host is served");
}

// proves: EDGE-6, EDGE-4
#[tokio::test]
async fn what_two_readers_could_understand_differently_never_passes() {
    let app = Upstream::plain().await;
    let site = Site::open_to_all(&app).await;
    let chunked = "Transfer-Encoding: chunked\r\n";
    for (line, fields, body) in [
        ("GET /../etc/passwd", "", ""),
        ("GET /a/%2e%2e/b", "", ""),
        ("GET /a%2Fb", "", ""),
        ("GET /a%5cb", "", ""),
        ("GET /a%00b", "", ""),
        ("GET /%252e%252e/b", "", ""),
        ("GET /a\\b", "", ""),
        ("GET //evil.example/a", "", ""),
        ("GET /#fragment", "", ""),
        ("GET  /", "", ""),
        ("POST /", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("POST /", "Content-Length: 3\r\nContent-Length: 4\r\n", "abc"),
        ("POST /", "Content-Length: +3\r\n", "abc"),
        ("POST /", "Content-Length: 3, 3\r\n", "abc"),
        ("POST /", "Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
        ("POST /", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        ("POST /", "Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
        ("POST /", chunked, "0x3\r\nabc\r\n0\r\n\r\n"),
        ("POST /", chunked, "3\nabc\r\n0\r\n\r\n"),
        ("GET /", "X-A: 1\r\n folded\r\n", ""),
        ("GET /", "X-A: 1\nX-B: 2\r\n", ""),
        ("GET /", "X-A: a\0b\r\n", ""),
        ("GET /", "X A: 1\r\n", ""),
        ("GET /", "X_User: eve\r\n", ""),
        ("GET /", "Content_Length: 3\r\n", ""),
    ] {
        let answer = wire(site.address, &(head(&site, line, fields) + body)).await;
        let code = answer.json()["code"].as_str().unwrap().to_owned();
        assert!(code.starts_with("edge."), "{line} {fields:?}: {code}");
        assert!(matches!(answer.status.as_u16(), 400 | 501), "{line} {fields:?}: {answer:?}");
        site.assert_refused(&answer, answer.status.as_u16(), &code);
        assert_untouched(&app, &format!("{line} {fields:?}"));
    }
}

// proves: CSRF-6, EDGE-6
#[tokio::test]
async fn no_header_turns_a_method_into_another() {
    let app = Upstream::plain().await;
    let site = Site::open_to_all(&app).await;
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "x-http-method-override"] {
        for method in [Method::POST, Method::GET] {
            let answer = site.client().send(method, "/orders/7", &[(name, "DELETE")], "").await;
            site.assert_refused(&answer, 400, "edge.method_override");
        }
    }
    // Python's applications read both spellings as one.
    let answer =
        wire(site.address, &head(&site, "POST /orders/7", "X_HTTP_Method_Override: DELETE\r\n")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_untouched(&app, "a method override");
}

fn routes(app: &Upstream) -> String {
    format!(
        "[[route]]\npath = \"/reports/{{id}}\"\nto = \"upstream:app\"\nmethods = [\"GET\", \"DELETE\"]\ncsrf = \"off\"\n\
         allow = {{ read = \"public\", write = \"public\" }}\n\
         [[route]]\npath = \"/board\"\nto = \"upstream:app\"\nmethods = [\"GET\"]\nallow = \"admin\"\nhide = true\n\
         [[route]]\npath = \"/old\"\nto = \"upstream:app\"\nallow = {{ read = \"public\" }}\n\
         [route.deprecated]\nsince = \"2026-01-01\"\nsunset = \"2027-06-30\"\nsuccessor = \"/api/v1/new\"\n\
         [upstream.app]\nurl = \"http://{}\"\n",
        app.address
    )
}

// proves: ACC-1, ACC-2, CSRF-6
#[tokio::test]
async fn what_no_route_names_is_not_there_and_other_methods_hear_which_are_taken() {
    let app = Upstream::plain().await;
    let site = Site::start(&routes(&app)).await;
    let mut client = site.client();
    for path in ["/", "/nowhere", "/reports", "/reports/", "/reports/7/x", "/REPORTS/7", "/.git/config"] {
        site.assert_refused(&client.get(path).await, 404, "edge.route");
    }
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::OPTIONS] {
        let answer = client.send(method, "/reports/7", &[], "").await;
        site.assert_refused(&answer, 405, "edge.method");
        assert_eq!(answer.header("allow"), Some("GET, HEAD, DELETE"));
    }
    // Palisade's own addresses too.
    let answer = client.send(Method::DELETE, "/healthz", &[], "").await;
    site.assert_refused(&answer, 405, "edge.method");
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    // A hidden route does not betray itself by its methods: but for the id, it reads like nothing at all.
    let hidden = client.send(Method::POST, "/board", &[], "").await;
    let nothing = client.send(Method::POST, "/nowhere", &[], "").await;
    assert_eq!((hidden.status, hidden.header("allow")), (StatusCode::NOT_FOUND, None));
    let without_id = |answer: &crate::support::Answer| {
        let id = answer.header("x-request-id").unwrap().to_owned();
        let names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        (answer.text().replace(&id, "ID"), names)
    };
    assert_eq!(without_id(&hidden), without_id(&nothing));
    for line in ["TRACE /reports/7", "CONNECT /reports/7", "PROPFIND /reports/7", "get /reports/7"] {
        let answer = wire(site.address, &head(&site, line, "")).await;
        let code = answer.json()["code"].as_str().unwrap().to_owned();
        assert!(matches!(answer.status.as_u16(), 400 | 501), "{line}: {answer:?}");
        site.assert_refused(&answer, answer.status.as_u16(), &code);
    }
    assert_untouched(&app, "a path or method without a route");
    assert_eq!(client.send(Method::DELETE, "/reports/7", &[], "").await.status, StatusCode::OK);
    assert_eq!(app.only().line(), "DELETE /reports/7 HTTP/1.1");
}

// proves: HEAD-1
#[tokio::test]
async fn head_gets_what_get_would_without_a_body() {
    let app = Upstream::plain().await;
    let site = Site::start(&routes(&app)).await;
    for path in ["/reports/7", "/healthz", "/auth/login", "/nowhere"] {
        let request = |method: &str| head(&site, &format!("{method} {path}"), "");
        let get = wire(site.address, &request("GET")).await;
        let asked = wire(site.address, &request("HEAD")).await;
        assert_eq!((asked.status, asked.body.len()), (get.status, 0), "{path}");
        assert_eq!(asked.header("content-type"), get.header("content-type"), "{path}");
        assert!(asked.header("x-content-type-options").is_some(), "{path}");
    }
    assert_eq!(app.received()[1].line(), "HEAD /reports/7 HTTP/1.1");
}

// proves: EDGE-8
#[tokio::test]
async fn a_legacy_route_goes_on_working_and_announces_its_end() {
    let app = Upstream::plain().await;
    let site = Site::start(&routes(&app)).await;
    let mut client = site.client();
    let answer = client.get("/old").await;
    assert_eq!((answer.status, answer.text()), (StatusCode::OK, "hello"));
    let refused = client.send(Method::DELETE, "/old", &[], "").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    for answer in [answer, refused] {
        assert_eq!(answer.header("deprecation"), Some("@1767225600"));
        assert_eq!(answer.header("sunset"), Some("Wed, 30 Jun 2027 00:00:00 GMT"));
        assert_eq!(answer.header("link"), Some("</api/v1/new>; rel=\"successor-version\""));
    }
    let other = client.get("/reports/7").await;
    for name in ["deprecation", "sunset", "link"] {
        assert_eq!(other.header(name), None, "{name}");
    }
    // Both names of the API's health are served, the versioned one and the old one.
    for path in ["/api/health", "/api/v1/health"] {
        assert_eq!(client.get(path).await.status, StatusCode::OK, "{path}");
    }
}

// proves: ACC-3, ACC-6
#[tokio::test]
async fn a_tenant_is_what_the_user_has_and_not_what_a_header_says() {
    let app = Upstream::plain().await;
    let site = Site::start(&public(app.address)).await;
    let mut north = site.signed_in_at("ann", "user", Some("north")).await;
    for claimed in ["south", "north, south", "NORTH", ""] {
        let answer = north.send(Method::GET, "/x", &[("x-tenant-id", claimed)], "").await;
        site.assert_refused(&answer, 403, "authorize.tenant");
    }
    for name in ["tenant-id", "x-tenant", "x-tenantid"] {
        let answer = north.send(Method::GET, "/x", &[(name, "south")], "").await;
        site.assert_refused(&answer, 403, "authorize.tenant");
    }
    let twice = [("x-tenant-id", "north"), ("x-tenant-id", "south")];
    let answer = north.send(Method::GET, "/x", &twice, "").await;
    site.assert_refused(&answer, 403, "authorize.tenant");
    let answer =
        site.signed_in("bob", "user").await.send(Method::GET, "/x", &[("x-tenant-id", "north")], "").await;
    site.assert_refused(&answer, 403, "authorize.tenant");
    assert_untouched(&app, "another tenant");

    // One's own is no contradiction; and nobody's word is passed on, only Palisade's.
    assert_eq!(north.send(Method::GET, "/own", &[("x-tenant-id", "north")], "").await.status, StatusCode::OK);
    let nobody = site.client().send(Method::GET, "/nobody", &[("x-tenant-id", "south")], "").await;
    assert_eq!(nobody.status, StatusCode::OK);
    assert!(app.received().iter().all(|request| !request.head.contains("south")), "{:?}", app.received());
}
