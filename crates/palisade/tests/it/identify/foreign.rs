//! Other sites and a real Chromium: what they send here signs nobody in, and what is sent from here stays here.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Html;
use axum::routing::get;
use http::{Method, StatusCode};
use palisade_access::Entered;
use palisade_model::Secret;
use palisade_model::audit::Origin;
use serde_json::json;
use tokio::net::TcpListener;

use super::second::{Program, rows, with_app};
use super::{HTML, encoded};
use crate::support::browser::Browser;
use crate::support::{PASSWORD, Reply, Site, Upstream, public};

/// What has led away from sites before; the parser behind the rule is judged by the same lines.
const TRICKS: &str = include_str!("../../../src/service/identity/next_tricks.txt");

/// Pages of another site: each does something to us by itself as soon as it is opened.
async fn elsewhere(pages: Vec<String>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let page = async |State(pages): State<Vec<String>>, Path(n): Path<usize>| Html(pages[n].clone());
    let router = axum::Router::new().route("/{n}", get(page)).with_state(pages);
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

fn quoted(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

/// A page that sends a form.
fn sends(action: &str, kind: &str, fields: &[(&str, &str)]) -> String {
    let fields: String = fields
        .iter()
        .map(|(name, value)| format!("<textarea name=\"{}\">{}</textarea>", quoted(name), quoted(value)))
        .collect();
    format!(
        "<!doctype html><title>Kittens</title><form id=f method=post enctype=\"{kind}\" action=\"{action}\">{fields}</form>\
         <script>document.getElementById('f').submit()</script>"
    )
}

/// A page that sends it by a script, with whatever cookies the browser gives along.
fn fetches(action: &str, body: &str) -> String {
    format!(
        "<!doctype html><title>Kittens</title><script>fetch('{action}', {{method: 'POST', mode: 'no-cors', \
         credentials: 'include', headers: {{'content-type': 'text/plain'}}, body: {body:?}}})</script>"
    )
}

/// Mallory's means to be signed in, each whole and unused, as requests to this site.
async fn attacks(site: &Site, home: &str) -> Vec<(String, String)> {
    let access = &site.running.access;
    let mut mallory = Program::new(site);
    mallory.session("mallory").await;
    let now = palisade_model::World::real().now();
    let (_, codes) = with_app(&mut mallory, now).await;
    let half = access.sign_in("mallory", &Secret::new(PASSWORD), &Origin::default(), None).await.unwrap();
    let Entered::SecondFactor(half) = half else { panic!("in without the second step") };
    let other = site.running.store.user_by_login("trudy").await.unwrap().unwrap().id;
    let link = access.issue_link(other, None, &Origin::default()).await.unwrap();
    let made = access.issue_breakglass("a test", Duration::from_secs(600), &Origin::default()).await.unwrap();
    let login = [("login", "trudy"), ("password", PASSWORD)];
    let json = json!({"login": "trudy", "password": PASSWORD, "session": true, "x": "y"}).to_string();
    // A form of plain text spells JSON around its one equals sign.
    let (head, tail) = json.split_once("\"y\"").unwrap();
    let form = "application/x-www-form-urlencoded";
    let to = |path: &str| format!("{home}{path}");
    let second = [("ticket", half.ticket.expose()), ("code", codes[0].as_str())];
    let new_password = [("password", "granite lantern oboe 58 B!")];
    let one_time = format!("/auth/link/{}", link.expose());
    vec![
        ("sign-in".into(), sends(&to("/auth/login"), form, &login)),
        ("multipart".into(), sends(&to("/auth/login"), "multipart/form-data", &login)),
        ("sign-up".into(), sends(&to("/auth/register"), form, &[("name", "newer"), ("password", PASSWORD)])),
        ("second step".into(), sends(&to("/auth/second"), form, &second)),
        ("passkey".into(), sends(&to("/auth/passkey"), form, &[("ceremony", "x"), ("credential", "{}")])),
        ("breakglass".into(), sends(&to("/auth/breakglass"), form, &[("token", made.token.expose())])),
        ("link".into(), sends(&to(&one_time), form, &new_password)),
        ("reset".into(), sends(&to(&one_time.replace("/link/", "/reset-password/")), form, &new_password)),
        (
            "JSON by a form".into(),
            sends(&to("/api/v1/auth/login"), "text/plain", &[(&format!("{head}\""), &format!("\"{tail}"))]),
        ),
        ("JSON by a script".into(), fetches(&to("/api/v1/auth/login"), &json)),
        ("former path".into(), sends(&to("/auth/api_login"), form, &login)),
        (
            "provider".into(),
            format!("<script>location = '{}'</script>", to("/auth/oidc/google?next=/account")),
        ),
        (
            "callback".into(),
            format!("<script>location = '{}'</script>", to("/auth/callback/google?code=test&state=x")),
        ),
    ]
}

// proves: CSRF-3, ID-1, ID-6, ID-8
#[tokio::test(flavor = "multi_thread")]
async fn no_page_of_another_site_signs_a_browser_in() {
    let upstream = Upstream::start(|_| Reply::ok("hello")).await;
    let site = Site::start(&format!(
        "[identify.sign_up]\nopen = true\n[shield.limits]\nlogin = \"1000/minute\"\n\
         [identify.oidc.google]\nclient_id = \"mtc\"\ndangerous_test_user = \"tester@example.com\"\n{}",
        public(upstream.address)
    ))
    .await;
    for name in ["mallory", "trudy", "eva"] {
        let _ = site.signed_in(name, "user").await;
    }
    let home = format!("http://{}", site.address);
    let attacks = attacks(&site, &home).await;
    let port = elsewhere(attacks.iter().map(|(_, page)| page.clone()).collect()).await;
    let (signed_in, users) =
        (rows(&site, "session.signed_in").await, site.running.store.user_count().await.unwrap());
    let browser = Browser::start().await;
    // Another site, and another port of this host: the same site for a browser, which sends it every cookie.
    for host in ["localhost", "127.0.0.1"] {
        for (n, (name, _)) in attacks.iter().enumerate() {
            // From here a person begins themselves what is only begun by a link.
            if host == "127.0.0.1" && name == "provider" {
                continue;
            }
            browser.open(&format!("http://{host}:{port}/{n}")).await;
            tokio::time::sleep(Duration::from_millis(250)).await;
            browser.open(&format!("{home}/account")).await;
            assert_eq!(browser.path().await, "/auth/login", "{name} from {host}: {}", browser.text().await);
        }
    }
    assert_eq!(rows(&site, "session.signed_in").await, signed_in);
    assert_eq!(site.running.store.user_count().await.unwrap(), users);
    assert_eq!(
        rows(&site, "link.used").await + rows(&site, "breakglass.used").await,
        0,
        "something was used up"
    );

    // A session that another port planted in the browser, before its owner signs in.
    let mallory = site.signed_in("oscar", "user").await;
    let planted = mallory.cookies().split_once('=').unwrap().1.to_owned();
    let plant =
        elsewhere(vec![format!("<script>document.cookie = 'palisade_session={planted}; path=/'</script>x")])
            .await;
    browser.open(&format!("{home}/auth/login")).await;
    browser.fill("login", "eva").await;
    browser.fill("password", PASSWORD).await;
    let tab = browser.page.new_window(true).await.unwrap();
    let first = browser.page.window().await.unwrap();
    browser.page.switch_to_window(tab.handle).await.unwrap();
    browser.open(&format!("http://127.0.0.1:{plant}/0")).await;
    browser.page.switch_to_window(first).await.unwrap();
    browser.press("form[action='/auth/login'] button").await;
    browser.open(&format!("{home}/api/v1/auth/me")).await;
    assert!(browser.text().await.contains("\"eva\""), "{}", browser.text().await);
    let now = browser.page.get_named_cookie("palisade_session").await.unwrap();
    assert_ne!(now.value(), planted);
    let mut thief = site.client();
    thief.put_cookie("palisade_session", &planted);
    assert_eq!(
        thief.get("/api/v1/auth/me").await.status,
        StatusCode::UNAUTHORIZED,
        "the planted one goes on"
    );
    browser.close().await;
}

/// Places that somebody may wish for: what has led away before, and each character where it may matter.
fn wishes() -> Vec<String> {
    let mut wishes: Vec<String> = TRICKS.lines().map(str::to_owned).collect();
    for c in (1..=0x7f_u32).chain([0x85, 0xa0, 0xad, 0x200b, 0x2028, 0x2044, 0x2215, 0xfeff, 0xff0f]) {
        let c = char::from_u32(c).unwrap().to_string();
        for shape in
            ["C/evil.example", "/C/evil.example", "/Cevil.example", "/.C/evil.example", "/x/..C/evil.example"]
        {
            wishes.push(shape.replace('C', &c));
        }
    }
    wishes
}

/// Where forms lead that keep a wish in a hidden field.
async fn by_forms(site: &Site) -> Vec<String> {
    let mut places = Vec::new();
    for trick in TRICKS.lines() {
        let mut client = site.client();
        let fields = [("login", "eva"), ("password", PASSWORD), ("next", trick)];
        places.extend(
            super::post(site, &mut client, "/auth/login", &fields)
                .await
                .header("location")
                .map(str::to_owned),
        );
        let csrf = client.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
        let own = [("csrf_token", csrf.as_str()), ("password", PASSWORD), ("next", trick)];
        places.extend(
            super::post(site, &mut client, "/auth/confirm", &own).await.header("location").map(str::to_owned),
        );
        let csrf = client.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
        let out =
            super::post(site, &mut client, "/auth/logout", &[("csrf_token", &csrf), ("next", trick)]).await;
        places.extend(out.header("location").map(str::to_owned));
    }
    places
}

// proves: ID-1, ID-6, ID-8, ID-17
#[tokio::test(flavor = "multi_thread")]
async fn no_redirect_leads_a_browser_off_the_site() {
    let upstream = Upstream::start(|_| Reply::ok("<title>x</title>home sweet home")).await;
    let site = Site::start(&format!(
        "[identify.guests]\nopen = true\ndangerous_query = [\"user_token\"]\n\
         [shield.limits]\nlogin = \"100000/minute\"\ndefault = \"100000/minute\"\n\
         [identify.oidc.google]\nclient_id = \"mtc\"\ndangerous_test_user = \"tester@example.com\"\n{}",
        public(upstream.address)
    ))
    .await;
    let mut eva = site.signed_in("eva", "user").await;
    let home = format!("http://{}", site.address);

    let mut places = std::collections::BTreeSet::new();
    // Where the rule lets something pass, it is Chromium's own parser that says where that leads.
    for wish in &wishes() {
        let sent = eva.get(&format!("/auth/login?{}", encoded(&[("next", wish)]))).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{wish:?}");
        places.insert(sent.header("location").unwrap().to_owned());
    }
    assert!(places.len() > 50, "the rule lets hardly anything pass: {places:?}");
    // Addresses that a token is taken out of, and that somebody is sent to sign in from.
    let token = site.running.access.register_guest(&Origin::default()).await.unwrap().token;
    let gone = |path: &str| format!("{path}?user_token={}", token.expose());
    for path in [
        "//evil.example/",
        "///evil.example",
        "/.//evil.example",
        "/%2f/evil.example",
        "/\\evil.example",
        "/x/..//evil.example",
    ] {
        for asked in [gone(path), path.to_owned()] {
            let text = format!(
                "GET {asked} HTTP/1.1\r\nhost: {}\r\naccept: text/html\r\nconnection: close\r\n\r\n",
                site.address
            );
            let answer = crate::support::wire(site.address, &text).await;
            places.extend(answer.header("location").map(str::to_owned));
        }
    }
    let browser = Browser::start().await;
    browser.open(&format!("{home}/auth/login")).await;
    let judge =
        "return arguments[0].filter(place => new URL(place, location.href).origin !== location.origin)";
    let astray = browser.page.execute(judge, vec![json!(places)]).await.unwrap();
    assert_eq!(astray, json!([]), "Chromium goes astray");
    let astray = browser
        .page
        .execute(judge, vec![json!(["//evil.example", "/\\evil.example", "/\t/evil.example"])])
        .await;
    assert_eq!(astray.unwrap().as_array().unwrap().len(), 3, "the judge sees nothing");

    // The browser itself goes where it is sent, by each of the ways that know a place to go to afterwards.
    let here = async |what: &str| {
        let mut url = browser.page.current_url().await.unwrap();
        for _ in 0..60 {
            if !url.path().starts_with("/auth/callback") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
            url = browser.page.current_url().await.unwrap();
        }
        assert_eq!(url.origin().ascii_serialization(), home, "{what}");
        assert!(!browser.text().await.contains("evil"), "{what}: {}", browser.text().await);
    };
    for trick in TRICKS.lines() {
        // The bounce page of a provider, as nobody; then as somebody, who is sent on at once.
        browser.page.delete_all_cookies().await.unwrap();
        let next = encoded(&[("next", trick)]);
        browser.open(&format!("{home}/auth/oidc/google?{next}")).await;
        here(&format!("the bounce page: {trick}")).await;
        for path in ["/auth/login", "/auth/register", "/auth/oidc/google", "/auth/confirm", "/auth/logout"] {
            browser.open(&format!("{home}{path}?{next}")).await;
            let url = browser.page.current_url().await.unwrap();
            assert_eq!(url.origin().ascii_serialization(), home, "{path}: {trick}");
        }
    }

    let places = by_forms(&site).await;
    assert!(places.len() >= 2 * TRICKS.lines().count());
    browser.open(&format!("{home}/auth/login")).await;
    let astray = browser.page.execute(judge, vec![json!(places)]).await.unwrap();
    assert_eq!(astray, json!([]));
    let page = site.client().send(Method::GET, "/auth/login?next=//evil.example", &[HTML], "").await;
    assert!(!page.text().contains("evil"));
    browser.close().await;
}
