//! Nothing that is secret is ever written down: not in the log at its most talkative, not in the events, not in
//! the store.

use http::Method;
use palisade_policy::section::audit::Audit;

use crate::support::{Reply, Site, Upstream, public, raw};

/// What must not be found afterwards, and where it goes in.
const PASSWORD: &str = "Kr4n-secret-harbour-7f3a!";
const WRONG: &str = "Wr0ng-secret-harbour-91bc!";
const BEARER: &str = "marked.bearer-5d2e.token";
const COOKIE: &str = "marked-cookie-1c8f-0000000000000000000000000";
const QUERY: &str = "marked-query-token-44aa";
const LINK: &str = "marked-link-token-0123456789012345678901234";
const EMAIL: &str = "zz9.person@mailbox.example";
const RESET: &str = "R3set-secret-harbour-5c1d!";
const BODY: &str = "marked-body-card-4111111111111111";
const UPSTREAM: &str = "marked-upstream-set-cookie-e0f1";

// proves: AUD-5, AUD-6
#[tokio::test]
async fn no_secret_is_found_in_anything_that_was_written() {
    let app = Upstream::start(|request| match request.path() {
        "/broken" => Reply::Close(format!("HTTP/9 {UPSTREAM}\r\n\r\n").into_bytes()),
        _ => Reply::Bytes(
            format!("HTTP/1.1 500 Oops\r\nSet-Cookie: s={UPSTREAM}\r\nContent-Length: 0\r\n\r\n")
                .into_bytes(),
        ),
    })
    .await;
    let policy = public(app.address) + "[identify.sign_up]\nopen = true\nroles = [\"user\"]\n";
    let site = Site::start(&policy).await;
    let log_file = site.folder.path().join("app.log");
    let audit = Audit {
        log_file: Some(log_file.clone()),
        log_json: true,
        log_level: "trace".to_owned(),
        ..site.running.policy.audit.clone()
    };
    let log = palisade::logging::init(&audit, palisade_model::World::real().clock).unwrap();

    let mut client = site.client();
    let json = [("content-type", "application/json")];
    let post =
        async |client: &mut crate::support::Client, path: &str, fields: &[(&str, &str)], body: String| {
            client.send(Method::POST, path, fields, &body).await.status.as_u16()
        };
    let account = format!(r#"{{"name":"marta","email":"{EMAIL}","password":"{PASSWORD}"}}"#);
    assert_eq!(post(&mut client, "/api/v1/auth/register", &json, account).await, 201);
    let wrong = format!(r#"{{"login":"marta","password":"{WRONG}"}}"#);
    assert_eq!(post(&mut client, "/api/v1/auth/login", &json, wrong).await, 401);
    let right = format!(r#"{{"login":"{EMAIL}","password":"{PASSWORD}"}}"#);
    let tokens = client.send(Method::POST, "/api/v1/auth/login", &json, &right).await;
    assert_eq!(tokens.status.as_u16(), 200, "{}", tokens.text());
    let refresh = tokens.json()["refresh_token"].as_str().unwrap().to_owned();
    let access = tokens.json()["access_token"].as_str().unwrap().to_owned();
    let signature = access.rsplit('.').next().unwrap();
    let bearer = format!("Bearer {access}");
    assert_eq!(
        client.send(Method::GET, "/api/v1/auth/me", &[("authorization", &bearer)], "").await.status,
        200
    );

    let forged = format!("Bearer {BEARER}");
    client.send(Method::GET, "/x", &[("authorization", &forged)], "").await;
    client.put_cookie(&site.running.policy.identify.sessions.cookie, COOKIE);
    client.get(&format!("/x?token={QUERY}&password={QUERY}")).await;
    client.get(&format!("/auth/link/{LINK}")).await;
    client.get("/broken").await;
    client.send(Method::POST, "/x", &[("content-type", "text/plain")], BODY).await;
    raw(
        site.address,
        &format!(
            "GET /x HTTP/1.1\r\nHost: {}\r\nCookie: a={COOKIE}\r\nCookie: b={COOKIE}\r\n\r\n",
            site.address
        ),
    )
    .await;

    let mailed = reset_by_mail(&site).await;

    let folder = site.folder;
    site.running.shutdown().await;
    drop(log);
    let logged = std::fs::read_to_string(&log_file).unwrap();
    assert!(logged.lines().count() > 5, "the log was on:\n{logged}");
    for line in logged.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
        assert!(line["ts"].is_string() && line["level"].is_string() && line["message"].is_string(), "{line}");
    }
    let secrets = [
        PASSWORD,
        WRONG,
        BEARER,
        COOKIE,
        QUERY,
        LINK,
        BODY,
        UPSTREAM,
        refresh.as_str(),
        signature,
        RESET,
        mailed.as_str(),
    ];
    // The folder of letters stands for the recipient's own mailbox.
    for path in files(folder.path()).into_iter().filter(|path| !path.starts_with(folder.path().join("mail")))
    {
        let bytes = std::fs::read(&path).unwrap();
        for secret in secrets {
            assert!(!holds(&bytes, secret), "{secret} in {}", path.display());
        }
        let is_log = path.extension().is_some_and(|end| end == "log");
        assert!(!(is_log && holds(&bytes, EMAIL)), "the e-mail stands in {}", path.display());
    }
}

/// A link by mail, looked at, told of by a careless page, and used; its token.
async fn reset_by_mail(site: &Site) -> String {
    let mut client = site.client();
    let json = [("content-type", "application/json")];
    let asked = format!(r#"{{"login":"{EMAIL}"}}"#);
    let answer = client.send(Method::POST, "/api/v1/auth/forgot-password", &json, &asked).await;
    assert_eq!(answer.status, 202);
    let token = mailed_token(site.folder.path()).await;
    let page = format!("/auth/reset-password/{token}");
    assert_eq!(client.get(&page).await.status, 200);
    let referer = format!("http://{}{page}", site.address);
    client.send(Method::GET, "/x", &[("referer", &referer)], "").await;
    let used = format!(r#"{{"token":"{token}","password":"{RESET}"}}"#);
    let answer = client.send(Method::POST, "/api/v1/auth/reset-password", &json, &used).await;
    assert_eq!(answer.status, 204);
    token
}

/// The token of the one letter, once it is there.
async fn mailed_token(folder: &std::path::Path) -> String {
    for _ in 0..100 {
        let letters = files(&folder.join("mail"));
        if let Some(letter) = letters.iter().find(|path| path.extension().is_some_and(|end| end == "eml")) {
            let text = std::fs::read_to_string(letter).unwrap();
            let (_, rest) = text.split_once("/auth/reset-password/").unwrap();
            return rest.split_whitespace().next().unwrap().to_owned();
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("no letter came");
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    crate::support::upstream::find(bytes, text.as_bytes()).is_some()
}
