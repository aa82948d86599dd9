//! How a no is put: for programs, for people, and for whoever must not know that there is anything.

use http::{Method, StatusCode};

use crate::support::{Answer, Site, Upstream, wire};

const PAGE: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

fn policy(app: &Upstream) -> String {
    format!(
        "[shield.cors]\norigins = [\"https://client.example\"]\n[shield.limits]\nonce = \"1/hour\"\n\
         [[route]]\npath = \"/reports/{{*rest}}\"\nto = \"upstream:app\"\nallow = \"user\"\n\
         [[route]]\npath = \"/secret/{{*rest}}\"\nto = \"upstream:app\"\nallow = \"admin\"\nhide = true\n\
         methods = [\"GET\", \"PUT\"]\nbody = \"10B\"\nlimits = [\"once\"]\ncors = {{ origins = [] }}\n\
         [route.deprecated]\nsince = \"2026-01-01\"\n\
         [upstream.app]\nurl = \"http://{}\"\n",
        app.address
    )
}

// proves: OBS-5, ACC-2, AUD-4
#[tokio::test]
async fn programs_get_a_problem_people_a_page_and_neither_the_reason() {
    let app = Upstream::plain().await;
    let site = Site::start(&policy(&app)).await;
    let mut nobody = site.client();
    let problem = nobody.get("/reports/x?m=5").await;
    let event = site.assert_refused(&problem, 401, "authorize.sign_in");
    assert_eq!(problem.header("www-authenticate"), Some("Bearer realm=\"api\""));
    let why = event["payload"]["why"].as_str().unwrap();
    assert!(!problem.text().contains(why) && !problem.text().contains("reports"), "{}", problem.text());

    // A browser on its way to a page is shown where to sign in; a script, a form or another media type is not.
    let sent = nobody.send(Method::GET, "/reports/x?m=5&to=//evil.example", &[PAGE], "").await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    let next = sent.header("location").unwrap();
    assert_eq!(next, "/auth/login?next=/reports/x%3Fm%3D5%26to%3D//evil.example");
    assert_eq!(site.events_of(sent.header("x-request-id").unwrap()).len(), 1, "it is a refusal all the same");
    for (method, fields) in [
        (Method::GET, [PAGE, ("sec-fetch-mode", "cors")]),
        (Method::POST, [PAGE, ("content-type", "text/plain")]),
        (Method::GET, [("accept", "application/json, text/html;q=0.5"), ("sec-fetch-mode", "navigate")]),
    ] {
        let answer = nobody.send(method, "/reports/x", &fields, "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{fields:?}");
    }

    let mut user = site.signed_in("ben", "user").await;
    let page = user.send(Method::GET, "/nowhere/%3Cscript%3Ealert(1)", &[PAGE], "").await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (StatusCode::NOT_FOUND, Some("text/html; charset=utf-8"))
    );
    assert!(page.text().contains(page.header("x-request-id").unwrap()) && !page.text().contains("<script"));
    assert!(!page.text().contains("nowhere"), "the address is not repeated");
    assert!(app.received().is_empty());
}

/// What differs between two answers that must not: nothing but the id, the time and the length of the connection.
fn settled(answer: &Answer) -> (StatusCode, Vec<(String, String)>, String) {
    let id = answer.header("x-request-id").unwrap();
    let headers = answer
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "x-request-id" | "date"))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    (answer.status, headers, answer.text().replace(id, "ID"))
}

// proves: ACC-2, AUD-4
#[tokio::test]
async fn what_is_hidden_reads_like_nothing_whichever_stage_says_no() {
    let app = Upstream::plain().await;
    let site = Site::start(&policy(&app)).await;
    let session = site.signed_in("ben", "user").await.cookies();
    let own = format!("http://{}", site.address);
    let foreign = "Origin: https://evil.example\r\n";
    let cases = [
        ("GET", String::new(), "nobody"),
        ("GET", String::new(), "over the limit"),
        ("GET", format!("Cookie: {session}\r\n"), "another role"),
        ("GET", format!("Accept: {}\r\n", PAGE.1), "a browser"),
        ("HEAD", String::new(), "without a body"),
        ("PUT", "Content-Length: 0\r\n".to_owned(), "nobody, writing"),
        ("PUT", "Content-Length: 11\r\n\r\n0123456789a".to_owned(), "too long a body"),
        ("PUT", format!("Cookie: {session}\r\n{foreign}Content-Length: 0\r\n"), "forged"),
        (
            "PUT",
            format!("Cookie: {session}\r\nOrigin: {own}\r\nX-Tenant-Id: other\r\nContent-Length: 0\r\n"),
            "tenant",
        ),
        ("DELETE", String::new(), "another method"),
        ("GET", "Authorization: Bearer a.b.c\r\n".to_owned(), "a credential that is none"),
        ("OPTIONS", format!("{foreign}Access-Control-Request-Method: GET\r\n"), "a preflight"),
        (
            "OPTIONS",
            "Origin: https://client.example\r\nAccess-Control-Request-Method: GET\r\n".to_owned(),
            "listed",
        ),
    ];
    for (method, fields, what) in cases {
        let request = |path: &str| {
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{fields}\r\n", site.address)
        };
        let hidden = wire(site.address, &request("/secret/x")).await;
        let nothing = wire(site.address, &request("/nothing/x")).await;
        assert_eq!(settled(&hidden), settled(&nothing), "{what}");
        assert_eq!(hidden.status, StatusCode::NOT_FOUND, "{what}");
        let events = site.events_of(hidden.header("x-request-id").unwrap());
        assert_eq!(events.len(), 1, "{what}: {events:?}");
    }
    assert!(app.received().is_empty());

    // Whoever may use the route is served, and told what is wrong.
    let site = Site::start(&policy(&app).replace("1/hour", "99/hour")).await;
    let own = format!("http://{}", site.address);
    let mut admin = site.signed_in("ada", "admin").await;
    assert_eq!(admin.get("/secret/x").await.status, StatusCode::OK);
    let forged = admin.send(Method::PUT, "/secret/x", &[("origin", &own)], "").await;
    site.assert_refused(&forged, 403, "csrf.token");
    assert_eq!(app.received().len(), 1);
}
