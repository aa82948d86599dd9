//! Keys and sessions from the command line, beside a running server.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::server::Server;
use crate::support::{Client, PASSWORD};

/// What other processes change is known within a second; a busy machine gets more.
pub async fn soon(mut holds: impl AsyncFnMut() -> bool) -> bool {
    for _ in 0..100 {
        if holds().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

async fn tokens(server: &Server) -> Value {
    let body = json!({ "login": "admin", "password": PASSWORD }).to_string();
    let headers = [("content-type", "application/json")];
    let mut client = Client::new(server.address);
    let done = client.send(Method::POST, "/api/v1/auth/login", &headers, &body).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text());
    done.json()
}

async fn me(server: &Server, tokens: &Value) -> StatusCode {
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    Client::new(server.address).send(Method::GET, "/api/v1/auth/me", &headers, "").await.status
}

fn kid(tokens: &Value) -> String {
    let header = tokens["access_token"].as_str().unwrap().split('.').next().unwrap();
    let header = data_encoding::BASE64URL_NOPAD.decode(header.as_bytes()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}

fn keys(server: &Server) -> Vec<Value> {
    let (code, text) = server.run(&["keys", "list", "--format", "json"]);
    assert_eq!(code, Some(0), "{text}");
    let keys: Vec<Value> = serde_json::from_str(&text).unwrap();
    keys.into_iter().filter(|key| key["purpose"] == "tokens").collect()
}

// proves: ID-11
#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_while_the_server_runs() {
    let server = Server::start_with(
        &[],
        "[identify.tokens]\npublish_ahead = \"2s\"\n[shield.limits]\nlogin = \"1000/minute\"\n",
    );
    server.sign_in(&server.link).await;
    let old = tokens(&server).await;
    let (code, text) = server.run(&["keys", "rotate", "--overlap", "1h"]);
    assert_eq!(code, Some(0), "{text}");
    let listed = keys(&server);
    let states: Vec<&str> = listed.iter().map(|key| key["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["published, signs later", "signs"], "{listed:?}");
    let new_kid = listed[0]["kid"].as_str().unwrap().to_owned();
    assert!(text.contains(&new_kid));

    let mut stranger = Client::new(server.address);
    let published = soon(async || {
        let answer = stranger.get("/.well-known/jwks.json").await;
        assert_eq!(answer.header("cache-control"), Some("public, max-age=2"), "no longer than the lead");
        answer.text().contains(&new_kid)
    });
    assert!(published.await, "published before it signs");
    assert!(soon(async || kid(&tokens(&server).await) == new_kid).await, "then it signs");
    assert_eq!(me(&server, &old).await, StatusCode::OK, "nobody is signed out");

    let (code, text) = server.run(&["keys", "retire", &kid(&old)]);
    assert_eq!(code, Some(0), "{text}");
    assert!(soon(async || me(&server, &old).await == StatusCode::UNAUTHORIZED).await);
    assert_eq!(server.run(&["keys", "retire", &new_kid]).0, Some(2), "it signs alone");

    let before = tokens(&server).await;
    assert_eq!(server.run(&["keys", "rotate", "--at-once"]).0, Some(0));
    assert!(soon(async || me(&server, &before).await == StatusCode::UNAUTHORIZED).await);
    assert_eq!(server.run(&["keys", "rotate", "--overlap", "1m"]).0, Some(2), "shorter than a token's life");
    assert_eq!(server.run(&["keys", "rotate", "--overlap", "soon"]).0, Some(2));
    assert_eq!(server.run(&["audit", "verify"]).0, Some(0));
}

// proves: ID-8, INC-2
#[tokio::test(flavor = "multi_thread")]
async fn everything_that_lets_in_ends_by_one_command() {
    let server = Server::start_with(&[], "[shield.limits]\nlogin = \"1000/minute\"\n");
    let mut admin = server.sign_in(&server.link).await;
    let session = |server: &Server| server.run(&["user", "sessions", "admin"]);
    assert!(session(&server).1.contains("last seen"));
    for command in
        [&["user", "end-sessions", "admin"][..], &["revoke", "--user", "admin"], &["revoke", "--all"]]
    {
        let held = tokens(&server).await;
        assert_eq!(me(&server, &held).await, StatusCode::OK, "{command:?}");
        let (code, text) = server.run(command);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("1 token families"), "{text}");
        assert!(soon(async || me(&server, &held).await == StatusCode::UNAUTHORIZED).await, "{command:?}");
    }
    assert_eq!(admin.get("/api/v1/auth/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(session(&server).1, "No session is live.\n");
    assert_eq!(server.run(&["revoke"]).0, Some(2), "whose has to be said");
    assert_eq!(server.run(&["revoke", "--all", "--user", "admin"]).0, Some(2));
    assert_eq!(server.run(&["revoke", "--user", "nobody"]).0, Some(2));
    assert_eq!(
        server.run(&["revoke", "--tenant", "north"]),
        (Some(0), "Ended: 0 sessions, 0 token families, 0 API tokens, 0 one-time links.\n".into())
    );
}
