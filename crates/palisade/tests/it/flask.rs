//! An unmodified Flask application under gunicorn, behind Palisade, driven by a client that keeps cookies.

use http::{Method, StatusCode};

use crate::support::process::{self, Program};
use crate::support::{Client, PASSWORD, Site};

/// Users read and write; a page, a form and an API.
fn policy(app: &Program) -> String {
    format!(
        "[[route]]\npath = \"/{{*rest}}\"\nto = \"upstream:app\"\nallow = {{ read = \"user\", write = \"user\" }}\n\
         limits = [\"app\"]\n\n\
         [identify.sign_up]\nopen = true\n\n[shield.limits]\napp = {{ limit = \"60/minute\", by = \"user\" }}\n\n\
         [upstream.app]\nurl = \"{}\"\nidentity = \"remote\"\n",
        app.url()
    )
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Registers as a person would, through the pages.
async fn register(site: &Site, name: &str) -> Client {
    let mut client = site.client();
    let origin = format!("http://{}", site.address);
    let body = format!("name={name}&email={name}%40example.com&password={}", form_value(PASSWORD));
    let answer = client.send(Method::POST, "/auth/register", &[FORM, ("origin", &origin)], &body).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    client
}

fn form_value(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The hidden field that Palisade wrote into the form.
fn csrf_field(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"csrf_token\" value=\"").expect("the form has a token");
    rest.split('"').next().unwrap().to_owned()
}

async fn writes(site: &Site) -> u64 {
    let mut probe = site.signed_in(&format!("probe{}", rand_name()), "admin").await;
    probe.get("/seen").await.json()["writes"].as_u64().unwrap()
}

fn rand_name() -> String {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::SeqCst).to_string()
}

// proves: ID-1, CSRF-1, CSRF-3, ACC-2, ACC-6
#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_up_submits_a_form_that_had_no_token_signs_out_and_is_refused() {
    let app = process::flask();
    let site = Site::start(&policy(&app)).await;

    // a stranger's browser is sent to sign in, and the application hears nothing of it
    let stranger = site.client().send(Method::GET, "/", &[("accept", "text/html")], "").await;
    assert_eq!(stranger.status, StatusCode::SEE_OTHER);
    assert!(stranger.header("location").unwrap().starts_with("/auth/login"));

    let mut ada = register(&site, "ada").await;
    let page = ada.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("Hello, ada."), "{}", page.text());
    let token = csrf_field(page.text());

    // the form as the browser would send it: the application never knew of the field
    let origin = format!("http://{}", site.address);
    let body = format!("csrf_token={token}&name=Washer&stock=3");
    let sent = ada.send(Method::POST, "/parts", &[FORM, ("origin", &origin)], &body).await;
    assert_eq!(sent.status, StatusCode::FOUND, "{}", sent.text());
    let page = ada.get("/").await;
    assert!(page.text().contains("Washer was added."), "the flash message: {}", page.text());
    assert!(page.text().contains("<li>Washer: 3</li>"));
    assert_eq!(writes(&site).await, 1);

    let body = format!("csrf_token={}", csrf_field(page.text()));
    let out = ada.send(Method::POST, "/auth/logout", &[FORM, ("origin", &origin)], &body).await;
    assert_eq!(out.status, StatusCode::SEE_OTHER, "{}", out.text());
    let after = ada.send(Method::POST, "/parts", &[FORM, ("origin", &origin)], &body).await;
    assert_eq!(after.status, StatusCode::UNAUTHORIZED, "{}", after.text());
    assert_eq!(writes(&site).await, 1, "nothing reached the application after sign-out");
}

// proves: CSRF-1, CSRF-2
#[tokio::test(flavor = "multi_thread")]
async fn a_forged_form_never_reaches_the_application() {
    let app = process::flask();
    let site = Site::start(&policy(&app)).await;
    let mut ada = site.signed_in("ada", "user").await;
    let mut eve = site.signed_in("eve", "user").await;
    let own = format!("http://{}", site.address);
    let ada_token = csrf_field(ada.get("/").await.text());
    let eve_token = csrf_field(eve.get("/").await.text());
    let attacks = [
        ("no token", own.as_str(), "name=Forged".to_owned()),
        ("another's token", own.as_str(), format!("csrf_token={eve_token}&name=Forged")),
        ("a foreign origin", "http://evil.example", format!("csrf_token={ada_token}&name=Forged")),
        ("an opaque origin", "null", format!("csrf_token={ada_token}&name=Forged")),
        (
            "two tokens, none of them hers",
            own.as_str(),
            format!("csrf_token={eve_token}&csrf_token=x&name=Forged"),
        ),
    ];
    for (what, origin, body) in attacks {
        let answer = ada.send(Method::POST, "/parts", &[FORM, ("origin", origin)], &body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{what}: {}", answer.text());
        let problem = answer.json();
        assert!(problem["code"].as_str().unwrap().starts_with("csrf."), "{what}: {problem}");
        assert_eq!(problem["request_id"].as_str(), answer.header("x-request-id"), "{what}");
    }
    assert_eq!(writes(&site).await, 0);
    let refusals = site
        .events()
        .iter()
        .filter(|e| e["payload"]["code"].as_str().is_some_and(|c| c.starts_with("csrf.")))
        .count();
    assert_eq!(refusals, 5, "one event line each");
}

// proves: ACC-6, EDGE-4
#[tokio::test(flavor = "multi_thread")]
async fn the_application_is_told_who_asks_and_nobody_can_pretend() {
    let app = process::flask();
    let site = Site::start(&policy(&app)).await;
    let mut ada = site.signed_in("ada", "user").await;
    let forged = [
        ("remote-user", "root"),
        ("remote_user", "root"),
        ("x-user", "root"),
        ("x_forwarded_user", "root"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-palisade-assertion", "forged"),
    ];
    let answer = ada.send(Method::GET, "/whoami", &forged, "").await;
    // a look-alike of a header that is trusted may be refused outright; what is let through is true
    if answer.status == StatusCode::OK {
        let told = answer.json();
        assert_eq!(told["Remote-User"], "ada", "{told}");
        assert!(!told.to_string().contains("root"), "{told}");
        assert!(!told.to_string().contains("10.0.0.1"), "{told}");
        assert!(!told.to_string().contains("forged"), "{told}");
    } else {
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    }
    let dashed: Vec<(&str, &str)> = forged.into_iter().filter(|(name, _)| !name.contains('_')).collect();
    let answer = ada.send(Method::GET, "/whoami", &dashed, "").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let told = answer.json();
    assert_eq!(told["Remote-User"], "ada");
    assert_eq!(told["X-Request-Id"].as_str(), answer.header("x-request-id"));
    assert!(!told.to_string().contains("root") && !told.to_string().contains("forged"), "{told}");
    assert!(
        told.get("Cookie").is_none_or(|cookies| !cookies.as_str().unwrap().contains("session")),
        "{told}"
    );
}

// gunicorn takes SCRIPT_NAME from a proxy on its own machine, and takes that much off the path: what was judged as
// /static/whoami would be answered as /whoami.
// proves: EDGE-6, ACC-1
#[tokio::test(flavor = "multi_thread")]
async fn no_header_makes_the_application_answer_another_path_than_was_judged() {
    let app = process::flask();
    let open = "[[route]]\npath = \"/static/{*rest}\"\nto = \"upstream:app\"\nallow = \"public\"\n\n";
    let site = Site::start(&(open.to_owned() + &policy(&app))).await;
    assert_eq!(site.client().get("/whoami").await.status, StatusCode::UNAUTHORIZED);
    for name in ["SCRIPT_NAME", "Script-Name", "X-Script-Name", "PATH_INFO", "Script.Name"] {
        let answer = site.client().send(Method::GET, "/static/whoami", &[(name, "/static")], "").await;
        assert!(
            matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST),
            "{name}: {} {}",
            answer.status,
            answer.text()
        );
    }
}

// proves: ID-9, CSRF-4, ACC-2
#[tokio::test(flavor = "multi_thread")]
async fn an_api_client_works_with_tokens_and_needs_no_csrf_token() {
    let app = process::flask();
    let site = Site::start(&policy(&app)).await;
    let json = ("content-type", "application/json");
    let mut client = site.client();
    let body = format!("{{\"name\":\"robot\",\"email\":\"robot@example.com\",\"password\":\"{PASSWORD}\"}}");
    let made = client.send(Method::POST, "/api/v1/auth/register", &[json], &body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let body = format!("{{\"login\":\"robot\",\"password\":\"{PASSWORD}\"}}");
    let tokens = site.client().send(Method::POST, "/api/v1/auth/login", &[json], &body).await;
    assert_eq!(tokens.status, StatusCode::OK, "{}", tokens.text());
    let bearer = format!("Bearer {}", tokens.json()["access_token"].as_str().unwrap());

    let mut api = site.client();
    let part = "{\"name\":\"Bolt\",\"stock\":9}";
    let refused = api.send(Method::POST, "/api/parts", &[json], part).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let added = api.send(Method::POST, "/api/parts", &[json, ("authorization", &bearer)], part).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.text());
    let listed = api.send(Method::GET, "/api/parts", &[("authorization", &bearer)], "").await;
    assert!(listed.text().contains("Bolt"));
    assert_eq!(writes(&site).await, 1);

    let out = api.send(Method::POST, "/api/v1/auth/logout", &[("authorization", &bearer)], "").await;
    assert!(out.status.is_success(), "{}", out.text());
    let after = api.send(Method::GET, "/api/parts", &[("authorization", &bearer)], "").await;
    assert_eq!(after.status, StatusCode::UNAUTHORIZED, "a token that was signed out is refused at once");
}

// proves: LIMIT-1, LIMIT-2
#[tokio::test(flavor = "multi_thread")]
async fn over_the_limit_is_429_and_the_application_rests() {
    let app = process::flask();
    let site = Site::start(&policy(&app)).await;
    let mut ada = site.signed_in("ada", "user").await;
    for n in 0..60 {
        let answer = ada.get("/api/parts").await;
        assert_eq!(answer.status, StatusCode::OK, "request {n}");
        assert_eq!(answer.header("x-ratelimit-remaining"), Some((59 - n).to_string().as_str()));
    }
    let answer = ada.get("/api/parts").await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() <= 60);
    let mut other = site.signed_in("bob", "user").await;
    assert_eq!(other.get("/api/parts").await.status, StatusCode::OK, "another user has an own count");
}
