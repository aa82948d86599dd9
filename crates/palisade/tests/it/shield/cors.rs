//! Pages of other origins: what they may ask, and what they may read.

use http::{Method, StatusCode};
use palisade_model::Environment;
use palisade_policy::Policy;

use crate::support::{Answer, Reply, Site, Upstream};

const LISTED: &str = "https://client.example";

/// Two routes with the shield's rules, and one with its own.
fn policy(app: &Upstream) -> String {
    format!(
        "[shield.cors]\norigins = [\"{LISTED}\", \"http://localhost:3000\"]\nmethods = [\"GET\", \"PUT\"]\n\
         headers = [\"content-type\", \"x-csrf-token\"]\nexpose = [\"x-request-id\"]\ncredentials = true\n\
         max_age = \"5m\"\n\
         [[route]]\npath = \"/open/{{*rest}}\"\nto = \"upstream:app\"\ncsrf = \"off\"\n\
         allow = {{ read = \"public\", write = \"public\" }}\n\
         [[route]]\npath = \"/mine/{{*rest}}\"\nto = \"upstream:app\"\nallow = \"user\"\n\
         [[route]]\npath = \"/own\"\nto = \"upstream:app\"\nallow = {{ read = \"public\" }}\n\
         cors = {{ origins = [\"https://other.example\"] }}\n\
         [upstream.app]\nurl = \"http://{}\"\n",
        app.address
    )
}

/// An application that would share everything with everybody.
async fn generous() -> Upstream {
    Upstream::start(|_| {
        Reply::Bytes(
            b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\n\
              Access-Control-Allow-Private-Network: true\r\nContent-Length: 2\r\n\r\nok"
                .to_vec(),
        )
    })
    .await
}

fn shared(answer: &Answer) -> Vec<(&str, &str)> {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .filter(|(name, _)| name.starts_with("access-control-"))
        .collect();
    headers.sort_unstable();
    headers
}

fn varies(answer: &Answer) -> bool {
    let lines = answer.headers.get_all("vary").iter();
    lines.flat_map(|line| line.to_str().unwrap().split(',')).any(|name| name.trim() == "Origin")
}

async fn preflight(site: &Site, path: &str, origin: &str, method: &str, headers: &str) -> Answer {
    let fields = [
        ("origin", origin),
        ("access-control-request-method", method),
        ("access-control-request-headers", headers),
    ];
    site.client().send(Method::OPTIONS, path, &fields, "").await
}

// proves: CORS-1
#[tokio::test]
async fn preflights_are_answered_at_the_gate_by_the_rules_of_the_route() {
    let app = generous().await;
    let site = Site::start(&policy(&app)).await;
    for path in ["/open/x", "/mine/x"] {
        let answer = preflight(&site, path, LISTED, "PUT", "Content-Type, X-CSRF-Token").await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::NO_CONTENT, 0));
        assert_eq!(
            shared(&answer),
            [
                ("access-control-allow-credentials", "true"),
                ("access-control-allow-headers", "content-type, x-csrf-token"),
                ("access-control-allow-methods", "GET, PUT"),
                ("access-control-allow-origin", LISTED),
                ("access-control-expose-headers", "x-request-id"),
                ("access-control-max-age", "300"),
            ]
        );
        assert!(varies(&answer));
        assert!(site.events_of(answer.header("x-request-id").unwrap()).is_empty(), "nothing was refused");
    }
    let own = preflight(&site, "/own", "https://other.example", "GET", "").await;
    assert_eq!(own.status, StatusCode::NO_CONTENT);
    assert_eq!(own.header("access-control-allow-credentials"), None);

    for (path, origin, method, headers) in [
        ("/open/x", "https://evil.example", "GET", ""),
        ("/open/x", "https://client.example.evil.example", "GET", ""),
        ("/open/x", "https://client.example:444", "GET", ""),
        ("/open/x", "http://client.example", "GET", ""),
        ("/open/x", "https://CLIENT.example", "GET", ""),
        ("/open/x", "http://localhost", "GET", ""),
        ("/open/x", "null", "GET", ""),
        ("/open/x", "*", "GET", ""),
        ("/open/x", "https://other.example", "GET", ""),
        ("/own", LISTED, "GET", ""),
    ] {
        let answer = preflight(&site, path, origin, method, headers).await;
        site.assert_refused(&answer, 403, "shield.cors");
        assert_eq!(shared(&answer), [], "{path} {origin}");
    }
    for (method, headers) in [("DELETE", ""), ("PUT", "x-other"), ("PUT", "content-type, x-other")] {
        site.assert_refused(&preflight(&site, "/open/x", LISTED, method, headers).await, 403, "shield.cors");
    }
    let nothing = preflight(&site, "/nowhere", LISTED, "GET", "").await;
    site.assert_refused(&nothing, 404, "edge.route");
    assert!(app.received().is_empty(), "no preflight reaches the application");
}

// proves: CORS-1, CORS-2
#[tokio::test]
async fn only_a_listed_origin_may_read_answers_and_refusals_too() {
    let app = generous().await;
    let site = Site::start(&policy(&app)).await;
    for (path, status) in [("/open/x", 200), ("/mine/x", 401)] {
        for origin in [LISTED, "http://localhost:3000"] {
            let answer = site.client().send(Method::GET, path, &[("origin", origin)], "").await;
            assert_eq!(answer.status.as_u16(), status);
            assert_eq!(
                shared(&answer),
                [
                    ("access-control-allow-credentials", "true"),
                    ("access-control-allow-origin", origin),
                    ("access-control-expose-headers", "x-request-id"),
                ]
            );
            assert!(varies(&answer));
        }
        for origins in [
            &["https://evil.example"][..],
            &["null"],
            &["https://client.example.evil.example"],
            &["https://client.example/"],
            &["HTTPS://client.example"],
            &["https://other.example"],
            &[],
        ] {
            let fields: Vec<_> = origins.iter().map(|origin| ("origin", *origin)).collect();
            let answer = site.client().send(Method::GET, path, &fields, "").await;
            assert_eq!(shared(&answer), [], "{path} {origins:?}");
            assert!(varies(&answer), "a shared cache must know that listed origins get another answer");
        }
        let twice = [("origin", LISTED), ("origin", "https://evil.example")];
        let answer = site.client().send(Method::GET, path, &twice, "").await;
        site.assert_refused(&answer, 400, "edge.ambiguous");
        assert_eq!(shared(&answer), []);
    }
    let elsewhere = site.client().send(Method::GET, "/own", &[("origin", LISTED)], "").await;
    assert_eq!((elsewhere.status, shared(&elsewhere)), (StatusCode::OK, vec![]));
}

// proves: CORS-1
#[tokio::test]
async fn without_rules_nothing_is_shared_whatever_the_application_says() {
    let app = generous().await;
    let site = Site::open_to_all(&app).await;
    let answer = site.client().send(Method::GET, "/", &[("origin", LISTED)], "").await;
    assert_eq!((answer.status, shared(&answer)), (StatusCode::OK, vec![]));
    site.assert_refused(&preflight(&site, "/", LISTED, "GET", "").await, 403, "shield.cors");
    assert_eq!(app.received().len(), 1);
}

// proves: CORS-2
#[test]
fn a_policy_that_shares_credentials_with_anybody_does_not_start() {
    let start = |environment: &str, origin: &str| {
        let text = format!(
            "[app]\nenvironment = \"{environment}\"\nbase_url = \"https://app.example\"\n[shield.cors]\n\
             origins = [\"{origin}\"]\ncredentials = true\n"
        );
        let key = [("SECRET_KEY", "0123456789abcdef0123456789abcdef")].into_iter().collect::<Environment>();
        let text = format!("{text}[identify]\nsecret_key = \"env:SECRET_KEY\"\n");
        Policy::from_toml("palisade.toml", &text, &key).map(|_| ()).map_err(|faults| faults.render(false))
    };
    for (environment, origin) in [
        ("development", "*"),
        ("development", "null"),
        ("production", "*"),
        ("production", "null"),
        ("production", "http://client.example"),
        ("production", "https://localhost"),
        ("production", "https://127.0.0.1:8443"),
    ] {
        let said = start(environment, origin).expect_err(origin);
        assert!(said.contains("palisade.toml:5"), "{environment} {origin}: {said}");
    }
    start("production", LISTED).unwrap();
    start("development", "http://localhost:3000").unwrap();
}
