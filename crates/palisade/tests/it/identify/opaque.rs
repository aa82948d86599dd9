//! API keys, visitors' tokens and breakglass, through the whole program.

use std::time::Duration;

use http::{Method, StatusCode};
use palisade_model::audit::Origin;
use serde_json::json;

use super::{HTML, post};
use crate::support::{Answer, Client, Site, Upstream};

async fn send(client: &mut Client, method: Method, path: &str, own: &str, body: &str) -> Answer {
    let token = client.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap_or("").to_owned();
    let headers = [("content-type", "application/json"), ("origin", own), ("x-csrf-token", token.as_str())];
    client.send(method, path, &headers, body).await
}

pub fn policy(upstream: &Upstream, more: &str) -> String {
    format!(
        "[identify.guests]\nopen = true\ndangerous_query = [\"user_token\"]\n{more}\n\
         [shield.limits]\nlogin = \"1000/minute\"\ndefault = \"10000/minute\"\n\
         [[route]]\npath = \"/{{*rest}}\"\nto = \"upstream:app\"\nallow = {{ read = \"signed-in\", write = \"signed-in\" }}\n\
         csrf = \"origin\"\n\n[upstream.app]\nurl = \"http://{}\"\n",
        upstream.address
    )
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

// proves: ID-16, CSRF-4
#[tokio::test]
async fn a_user_makes_a_key_that_a_program_uses_until_it_is_ended() {
    let upstream = Upstream::plain().await;
    let site = Site::start(&policy(&upstream, "")).await;
    let own = format!("http://{}", site.address);
    let mut ann = site.signed_in("ann", "user").await;
    let wish = json!({ "name": "report", "scopes": "read:/orders", "expires": "30d" }).to_string();
    let made = send(&mut ann, Method::POST, "/api/v1/auth/keys", &own, &wish).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let (token, id) = (
        made.json()["token"].as_str().unwrap().to_owned(),
        made.json()["key"]["id"].as_str().unwrap().to_owned(),
    );
    let header = bearer(&token);
    let auth = [("authorization", header.as_str())];
    let mut program = site.client();
    assert_eq!(program.send(Method::GET, "/orders/7", &auth, "").await.status, StatusCode::OK);
    site.assert_refused(&program.send(Method::POST, "/orders/7", &auth, "").await, 403, "authorize.scope");
    site.assert_refused(&program.send(Method::GET, "/other", &auth, "").await, 403, "authorize.scope");
    // A key makes no key.
    let headers = [("content-type", "application/json"), ("authorization", header.as_str())];
    let again = program.send(Method::POST, "/api/v1/auth/keys", &headers, &wish).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    let list = ann.get("/api/v1/auth/keys").await;
    assert!(list.text().contains(&id) && !list.text().contains(&token[8..]), "{}", list.text());
    // Somebody else's reads like one that is not there.
    let mut eve = site.signed_in("eve", "user").await;
    let path = format!("/api/v1/auth/keys/{id}");
    assert_eq!(send(&mut eve, Method::DELETE, &path, &own, "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(send(&mut ann, Method::DELETE, &path, &own, "").await.status, StatusCode::NO_CONTENT);
    let after = program.send(Method::GET, "/orders/7", &auth, "").await;
    site.assert_refused(&after, 401, "identify.credential");
    let page = ann.send(Method::GET, "/account/keys", &[HTML], "").await;
    assert!(page.text().contains("You have none."), "{}", page.text());
}

// proves: ID-16, AUD-1, AUD-4
#[tokio::test]
async fn a_rotation_is_told_and_an_administrator_lets_a_key_count_no_more_and_again() {
    let upstream = Upstream::plain().await;
    let site = Site::start(&policy(&upstream, "")).await;
    let own = format!("http://{}", site.address);
    let (mut ann, mut ada) = (site.signed_in("ann", "user").await, site.signed_in("ada", "admin").await);
    let wish = json!({ "name": "report", "scopes": "read" }).to_string();
    let made = send(&mut ann, Method::POST, "/api/v1/auth/keys", &own, &wish).await.json();
    let (former, id) = (made["token"].as_str().unwrap(), made["key"]["id"].as_str().unwrap());
    let path = format!("/api/v1/auth/keys/{id}/rotate");
    let rotated = send(&mut ann, Method::POST, &path, &own, "{\"overlap\":\"0s\"}").await;
    assert_eq!(rotated.status, StatusCode::CREATED, "{}", rotated.text());
    let (token, next) = (rotated.json()["token"].clone(), rotated.json()["key"]["id"].clone());
    let events: Vec<_> =
        site.events().into_iter().filter(|event| event["event"] == "token_rotation").collect();
    assert_eq!(events.len(), 1);
    let told = &events[0]["payload"];
    assert_eq!((&told["key"], &told["successor"]), (&json!(id), &next));
    assert_eq!(
        (told["request_id"].as_str(), &told["user"]),
        (rotated.header("x-request-id"), &made["key"]["user"])
    );
    let (text, token) = (format!("{events:?}"), token.as_str().unwrap());
    assert!(!text.contains(&token[8..]) && !text.contains(&former[8..]));
    // One that comes to nothing is told of as a refusal alone.
    let again = send(&mut ann, Method::POST, &path, &own, "{}").await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    assert_eq!(site.events().iter().filter(|event| event["event"] == "token_rotation").count(), 1);

    let mut program = site.client();
    let header = bearer(token);
    let mut counts = async || {
        let auth = [("authorization", header.as_str())];
        program.send(Method::GET, "/orders/7", &auth, "").await.status == StatusCode::OK
    };
    let of = |what: &str| format!("/api/v1/admin/keys/{}/{what}", next.as_str().unwrap());
    assert!(counts().await);
    assert_eq!(send(&mut ada, Method::POST, &of("disable"), &own, "").await.status, StatusCode::NO_CONTENT);
    assert!(!counts().await);
    for (client, name) in [(&mut ann, "its owner"), (&mut site.client(), "nobody")] {
        let refused = send(client, Method::POST, &of("enable"), &own, "").await;
        assert!(refused.status.is_client_error(), "{name}: {}", refused.status);
    }
    assert!(!counts().await, "somebody without the right let it count again");
    assert_eq!(send(&mut ada, Method::POST, &of("enable"), &own, "").await.status, StatusCode::NO_CONTENT);
    assert!(counts().await);
    for wrong in [
        of("enable").replace(next.as_str().unwrap(), "no-id"),
        of("enable").replace(next.as_str().unwrap(), "00000000-0000-7000-8000-000000000000"),
    ] {
        assert_eq!(send(&mut ada, Method::POST, &wrong, &own, "").await.status, StatusCode::NOT_FOUND);
    }
    let trail = site
        .running
        .store
        .audit_rows(&palisade_store::AuditQuery { limit: 1000, ..Default::default() })
        .await
        .unwrap();
    let done: Vec<_> = trail
        .iter()
        .filter(|row| row.entity_id == next && row.user.is_some())
        .map(|row| row.action.as_str())
        .collect();
    assert_eq!(done, ["api_key.disabled", "api_key.enabled"]);
}

// proves: ID-14, AUD-5
#[tokio::test]
async fn a_visitor_comes_back_by_their_link_and_the_token_is_written_nowhere() {
    let upstream = Upstream::plain().await;
    let site = Site::start(&policy(&upstream, "")).await;
    let mut visitor = site.client();
    let page = visitor.send(Method::GET, "/register", &[HTML], "").await;
    assert_eq!(page.status, StatusCode::OK);
    let given = post(&site, &mut visitor, "/register", &[]).await;
    assert_eq!((given.status, given.header("cache-control")), (StatusCode::OK, Some("no-store")));
    let at = given.text().find("pal_usr_").unwrap();
    let token = given.text()[at..at + 57].to_owned();
    assert!(given.text().contains(&format!("/account?user_token={token}")), "{}", given.text());

    let mut back = site.client();
    let onward = back.send(Method::GET, &format!("/account?user_token={token}"), &[HTML], "").await;
    assert_eq!((onward.status, onward.header("location")), (StatusCode::SEE_OTHER, Some("/account")));
    assert_eq!(onward.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(back.send(Method::GET, "/account", &[HTML], "").await.status, StatusCode::OK);
    assert_eq!(back.get("/anything").await.status, StatusCode::OK);
    // Whoever holds the link proved nothing: no password is set with it.
    let csrf = back.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
    let own = format!("http://{}", site.address);
    let headers = [("content-type", super::FORM), ("origin", own.as_str()), ("x-csrf-token", csrf.as_str())];
    let set = super::encoded(&[("new_password", "granite lantern oboe 58 B!")]);
    let refused = back.send(Method::POST, "/account/password", &headers, &set).await;
    site.assert_refused(&refused, 403, "authorize.role");
    // Nor are they sent from page to page for a proof that they cannot give.
    for (path, words) in [
        ("/account/factors", "there is no sign-in to add a second step to"),
        ("/account/security", "there is no password and no account elsewhere"),
        ("/account/keys", "user token"),
        ("/auth/confirm", "you cannot do this with it"),
    ] {
        let page = back.send(Method::GET, path, &[HTML], "").await;
        let (_, main) = page.text().split_once("<main").unwrap();
        assert!(main.contains(words), "{path}: {main}");
        let asks = [
            "action=\"/account/factors",
            "action=\"/account/keys\"",
            "action=\"/auth/confirm",
            "\"/auth/confirm",
        ];
        assert!(!asks.iter().any(|form| main.contains(form)), "{path}: {main}");
    }

    let folder = site.folder.path().to_owned();
    site.running.shutdown().await;
    let mut searched = 0;
    let mut open = vec![folder];
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let secret = &token.as_bytes()[8..];
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{}", path.display());
            searched += 1;
        }
    }
    assert!(searched > 1, "nothing was searched");
}

// proves: ID-13, OBS-1
#[tokio::test]
async fn of_two_hundred_at_once_one_breaks_the_glass_and_the_end_is_reported() {
    let upstream = Upstream::plain().await;
    let site = Site::start(&policy(&upstream, "")).await;
    let own = format!("http://{}", site.address);
    let wait = Duration::from_secs(600);
    let made =
        site.running.access.issue_breakglass("the provider is down", wait, &Origin::default()).await.unwrap();
    let token = made.token.expose().to_owned();
    let tries = (0..200).map(|_| {
        let (mut client, token) = (site.client(), token.clone());
        tokio::spawn(async move {
            let headers = [("x-admin-token", token.as_str())];
            let answer = client.send(Method::GET, "/emergency", &headers, "").await;
            (answer.status, client)
        })
    });
    let tries: Vec<_> = tries.collect();
    let mut inside = Vec::new();
    for each in tries {
        match each.await.unwrap() {
            (StatusCode::OK, client) => inside.push(client),
            (status, _) => assert_eq!(status, StatusCode::UNAUTHORIZED),
        }
    }
    assert_eq!(inside.len(), 1, "the token was used more than once");
    let client = &mut inside[0];
    let account = client.send(Method::GET, "/account", &[HTML], "").await;
    assert!(account.text().contains("Breakglass session"), "{}", account.text());
    assert!(account.text().contains("It ends by itself at "), "{}", account.text());
    let keys = client.send(Method::GET, "/account/keys", &[HTML], "").await;
    assert!(keys.text().contains("You have none."), "it is no key of theirs: {}", keys.text());
    let wish = json!({ "name": "mine", "scopes": "write" }).to_string();
    let key = send(client, Method::POST, "/api/v1/auth/keys", &own, &wish).await;
    site.assert_refused(&key, 403, "authorize.boxed");
    assert_eq!(send(client, Method::POST, "/change/it", &own, "{}").await.status, StatusCode::OK);
    assert_eq!(
        send(client, Method::POST, "/api/v1/auth/logout", &own, "").await.status,
        StatusCode::NO_CONTENT
    );
    let named = |name: &str| -> Vec<serde_json::Value> {
        site.events().into_iter().filter(|event| event["event"] == name).collect()
    };
    for _ in 0..100 {
        if !named("breakglass_closed").is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let closed = named("breakglass_closed");
    assert_eq!((closed.len(), named("breakglass_used").len()), (1, 1));
    let changes = closed[0]["payload"]["changes"].as_array().unwrap();
    assert!(changes.iter().any(|row| row["action"] == "request.changed"), "{changes:?}");
    assert_eq!(client.get("/emergency").await.status, StatusCode::UNAUTHORIZED);
}

// proves: ID-13, OBS-5
#[tokio::test]
async fn each_refused_token_is_told_what_to_do_instead() {
    let upstream = Upstream::plain().await;
    let site = Site::start(&policy(&upstream, "")).await;
    let form = [("token", "pal_no_such_token")];
    let page = super::post(&site, &mut site.client(), "/auth/breakglass", &form).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(page.text().contains("issue another on the host"), "{}", page.text());
    let wrong = [("authorization", "Bearer wrong")];
    let answer = site.client().send(Method::GET, "/api/v1/auth/me", &wrong, "").await;
    site.assert_refused(&answer, 401, "identify.credential");
    assert!(answer.text().contains("The token is wrong, used or run out."), "{}", answer.text());
    let mut ann = site.signed_in("ann", "user").await;
    let json = [("content-type", "application/json")];
    let answer = ann.send(Method::POST, "/api/v1/auth/login", &json, "{}").await;
    site.assert_refused(&answer, 403, "csrf.origin");
    assert!(answer.text().contains("needs the header Origin"), "{}", answer.text());
}

// proves: ID-14
#[tokio::test]
async fn a_visitor_has_a_page_that_says_what_this_is_and_ends_it_for_good() {
    let site = Site::start(&policy(&Upstream::plain().await, "")).await;
    let json = [("accept", "application/json"), ("origin", &*format!("http://{}", site.address))];
    let made = site.client().send(Method::POST, "/register", &json, "").await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let link = made.json()["link"].as_str().unwrap().to_owned();
    let token = made.json()["token"].as_str().unwrap().to_owned();
    let path = link.strip_prefix(&format!("http://{}", site.address)).unwrap().to_owned();
    let mut visitor = site.client();
    let done = visitor.send(Method::GET, &path, &[HTML], "").await;
    assert_eq!((done.status, done.header("location")), (StatusCode::SEE_OTHER, Some("/account")));
    let page = visitor.send(Method::GET, "/account", &[HTML], "").await;
    for words in ["Your visit", "Coming back", "Counts until", "End my token", "/account?user_token="] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
    assert!(!page.text().contains(&token) && !page.text().contains("E-mail"), "{}", page.text());

    // Nobody ends it from elsewhere, nor by a form without the session's token.
    let bare = post(&site, &mut visitor, "/account/visit/end", &[]).await;
    assert_eq!(bare.status, StatusCode::FORBIDDEN);
    let csrf = visitor.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
    let field = site.running.policy.csrf.field.clone();
    let mut other = site.client();
    other.send(Method::GET, &path, &[HTML], "").await;
    let done = post(&site, &mut visitor, "/account/visit/end", &[(&field, &csrf)]).await;
    assert_eq!(done.header("location"), Some("/auth/login?done=visit-ended"), "{done:?}");
    assert_eq!(other.get("/api/v1/auth/me").await.status, StatusCode::UNAUTHORIZED, "elsewhere too");
    let again = site.client().send(Method::GET, "/work", &[("x-user-token", &token)], "").await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);

    // Whoever has an account has no visit to end.
    let mut ann = site.signed_in("ann", "user").await;
    let csrf = ann.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
    let refused = post(&site, &mut ann, "/account/visit/end", &[(&field, &csrf)]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(ann.get("/api/v1/auth/me").await.status, StatusCode::OK);
}
