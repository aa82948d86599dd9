//! Who is believed about where a request comes from, and what the application is told of it.

use http::{Method, StatusCode};
use palisade_store::AuditQuery;

use super::{BEHIND_A_PROXY, assert_untouched};
use crate::identify::{FORM, encoded};
use crate::support::{PASSWORD, Site, Upstream, public};

const CLIENT: &str = "198.51.100.1";

/// What a client would say to be somebody else.
const FORGED: [(&str, &str); 6] = [
    ("x-forwarded-for", "6.6.6.6, 198.51.100.1"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-port", "443"),
    ("x-forwarded-prefix", "/admin"),
    ("x-real-ip", "6.6.6.6"),
    ("x-request-id", "trace-0001-forged"),
];

/// The address in the newest row of the trail.
async fn recorded(site: &Site) -> (String, bool) {
    let query = AuditQuery { newest_first: true, limit: 1, ..AuditQuery::default() };
    let personal = site.running.store.audit_rows(&query).await.unwrap().remove(0).personal.unwrap();
    (personal.address.unwrap(), personal.address_known)
}

// proves: EDGE-3, EDGE-4, AUD-1
#[tokio::test]
async fn a_strangers_word_about_itself_counts_nowhere() {
    let app = Upstream::plain().await;
    let policy = format!("[shield.limits]\ndefault = \"3/hour\"\n{}", public(app.address));
    let site = Site::start(&policy).await;
    let mut client = site.client();
    let mut forged = FORGED.to_vec();
    forged.push(("forwarded", "for=6.6.6.6;proto=https;host=evil.example"));
    forged.push(("x-forwarded-host", "evil.example"));
    let answer = client.send(Method::POST, "/x", &forged, "x").await;
    assert_eq!(answer.status, StatusCode::OK);
    let seen = app.only();
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.all("x-forwarded-host"), [site.address.to_string()]);
    assert_eq!(seen.all("x-forwarded-port"), [site.address.port().to_string()]);
    assert_eq!(seen.all("x-request-id"), [answer.header("x-request-id").unwrap()]);
    for word in ["6.6.6.6", "evil.example", "trace-0001-forged", "/admin", "https"] {
        assert!(!seen.head.contains(word), "{word}: {}", seen.head);
    }
    // It came from this machine and says that it forwards: a proxy that nobody named, perhaps (LIMIT-8).
    assert_eq!(recorded(&site).await, ("127.0.0.1".to_owned(), false));
    assert_eq!(answer.header("strict-transport-security"), None, "still plain HTTP");

    // A new address in each header is no way past a limit, which is that of all whom such a proxy would hide.
    for n in 0..59 {
        client.send(Method::GET, "/x", &[("x-forwarded-for", &format!("203.0.113.{n}"))], "").await;
    }
    let over = client.send(Method::GET, "/x", &[("x-forwarded-for", "203.0.113.9")], "").await;
    let event = site.assert_refused(&over, 429, "shield.limit");
    assert_eq!(event["payload"]["ip"], "127.0.0.1");
    assert_eq!(app.received().len(), 60);
}

// proves: EDGE-3, EDGE-4, AUD-1, AUD-4
#[tokio::test]
async fn a_trusted_proxys_word_counts_as_far_as_one_hop() {
    let app = Upstream::plain().await;
    let policy = format!("[shield.limits]\ndefault = \"3/hour\"\n{}", public(app.address));
    let site = Site::start_with(&BEHIND_A_PROXY, &policy).await;
    let mut proxy = site.client();
    let answer = proxy.send(Method::POST, "/x", &FORGED, "x").await;
    assert_eq!((answer.status, answer.header("x-request-id")), (StatusCode::OK, Some("trace-0001-forged")));
    let seen = app.only();
    assert_eq!(seen.all("x-forwarded-for"), [CLIENT], "the client's own part is left out");
    assert_eq!(seen.all("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.all("x-request-id"), ["trace-0001-forged"]);
    assert!(!seen.head.contains("6.6.6.6") && !seen.head.contains("/admin"), "{}", seen.head);
    assert_eq!(recorded(&site).await, (CLIENT.to_owned(), true));

    // Everybody behind the proxy is counted for themselves, whatever they write in front.
    let from = |list: &'static str| [("x-forwarded-for", list)];
    for left in ["1.1.1.1, 198.51.100.1", "2.2.2.2, 198.51.100.1"] {
        assert_eq!(proxy.send(Method::GET, "/x", &from(left), "").await.status, StatusCode::OK);
    }
    let over = proxy.send(Method::GET, "/x", &from("3.3.3.3, 198.51.100.1"), "").await;
    assert_eq!(site.assert_refused(&over, 429, "shield.limit")["payload"]["ip"], CLIENT);
    assert_eq!(proxy.send(Method::GET, "/x", &from("198.51.100.2"), "").await.status, StatusCode::OK);

    // A list that says nothing makes the client unknown, not somebody.
    let condition = async || {
        let ready = site.client().send(Method::GET, "/readyz", &from("198.51.100.4"), "").await;
        ready.json()["components"]["client_ip"].as_str().map(str::to_owned)
    };
    assert_eq!(condition().await.as_deref(), Some("ready"));
    let hidden = proxy.send(Method::POST, "/x", &from("198.51.100.3, unknown"), "x").await;
    assert_eq!(hidden.status, StatusCode::OK);
    assert_eq!(recorded(&site).await, ("127.0.0.1".to_owned(), false));
    // A report is good for half a second.
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    assert_eq!(condition().await.as_deref(), Some("degraded"));
}

// proves: EDGE-2, EDGE-3
#[tokio::test]
async fn a_host_that_a_proxy_names_has_to_be_served_too() {
    let app = Upstream::plain().await;
    let site = Site::start_with(&BEHIND_A_PROXY, &public(app.address)).await;
    for fields in [
        [("x-forwarded-for", CLIENT), ("x-forwarded-host", "evil.example")],
        [("forwarded", "for=198.51.100.1;host=evil.example"), ("accept", "*/*")],
    ] {
        let answer = site.client().send(Method::GET, "/", &fields, "").await;
        site.assert_refused(&answer, 421, "edge.host");
    }
    assert_untouched(&app, "a host that is not served");
}

// proves: EDGE-4
#[tokio::test]
async fn an_id_is_taken_over_only_when_it_is_one() {
    let app = Upstream::plain().await;
    let site = Site::start_with(&BEHIND_A_PROXY, &public(app.address)).await;
    let mut proxy = site.client();
    for id in ["short", "has space", "semi;colon-1234", "\"quoted-1234\"", &"x".repeat(65)] {
        let fields = [("x-forwarded-for", CLIENT), ("x-request-id", id)];
        let answer = proxy.send(Method::GET, "/x", &fields, "").await;
        let own = answer.header("x-request-id").unwrap();
        assert!(own.len() == 32 && own.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id:?}: {own}");
        assert_eq!(app.received().pop().unwrap().all("x-request-id"), [own]);
    }
    // A refusal carries it too, in the answer, in its body and in its event.
    let fields = [("x-forwarded-for", CLIENT), ("x-request-id", "trace-0002.A_b")];
    let refused = proxy.send(Method::GET, "/x%2fy", &fields, "").await;
    let code = refused.json()["code"].as_str().unwrap().to_owned();
    site.assert_refused(&refused, 400, &code);
}

// proves: EDGE-7, ID-8, HEAD-1
#[tokio::test]
async fn behind_a_proxy_that_ends_tls_links_and_cookies_follow_the_public_address() {
    let app = Upstream::plain().await;
    let environment =
        [BEHIND_A_PROXY[0], ("BASE_URL", "https://app.example"), ("ALLOWED_HOSTS", "app.example,127.0.0.1")];
    let policy = public(app.address).replace("read = \"public\"", "read = \"user\"");
    let site = Site::start_with(&environment, &policy).await;
    let link = site.running.first_link.clone().expect("nobody can sign in yet");
    let path = link.strip_prefix("https://app.example/auth/link/").expect("the link follows app.base_url");
    let path = format!("/auth/link/{path}");
    let proxied = [
        ("host", "app.example"),
        ("x-forwarded-for", CLIENT),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "app.example"),
    ];
    let mut form = proxied.to_vec();
    form.extend([("content-type", FORM), ("origin", "https://app.example")]);
    let done = site.client().send(Method::POST, &path, &form, &encoded(&[("password", PASSWORD)])).await;
    assert_eq!((done.status, done.header("location")), (StatusCode::SEE_OTHER, Some("/")), "{}", done.text());
    let cookie = done.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-palisade_session=") && cookie.contains("; Secure"), "{cookie}");
    assert!(done.header("strict-transport-security").is_some_and(|value| value.contains("max-age=")));

    // Whoever is sent to sign in stays on the address that they came by: no host, no scheme.
    let mut page = proxied.to_vec();
    page.push(("accept", "text/html"));
    let sent = site.client().send(Method::GET, "/reports?m=5", &page, "").await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    assert_eq!(sent.header("location"), Some("/auth/login?next=/reports%3Fm%3D5"));
    assert_untouched(&app, "nobody was signed in");
    // The origin of the inner address is not the site's own.
    let inner = format!("http://{}", site.address);
    let mut foreign = proxied.to_vec();
    foreign.extend([("content-type", FORM), ("origin", inner.as_str())]);
    let refused =
        site.client().send(Method::POST, "/auth/login", &foreign, &encoded(&[("login", "x")])).await;
    site.assert_refused(&refused, 403, "csrf.origin");
}
