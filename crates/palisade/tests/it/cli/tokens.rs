//! Tokens and breakglass from the command line, beside a running server; and tokens of another program.

use http::{Method, StatusCode};
use palisade_model::digest::sha256;
use serde_json::{Value, json};

use super::keys::soon;
use crate::support::Client;
use crate::support::server::Server;

const POLICY: &str = "[shield.limits]\nlogin = \"1000/minute\"\n\
    [identify.admin_tokens]\nimported = true\n[identify.guests]\nimported = true\n";

async fn me(server: &Server, header: &str, token: &str) -> StatusCode {
    let token = if header == "authorization" { format!("Bearer {token}") } else { token.to_owned() };
    let headers = [(header, token.as_str())];
    Client::new(server.address).send(Method::GET, "/api/v1/auth/me", &headers, "").await.status
}

fn json_of(server: &Server, arguments: &[&str]) -> Value {
    let (code, text) = server.run(&[arguments, &["--format", "json"]].concat());
    assert_eq!(code, Some(0), "{arguments:?}: {text}");
    serde_json::from_str(&text).unwrap()
}

// proves: ID-12, ID-16, AUD-5
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_listed_stopped_rotated_and_ended_while_the_server_runs() {
    let server = Server::start_with(&[], POLICY);
    server.sign_in(&server.link).await;
    let (code, token) =
        server.run(&["token", "create", "--user", "admin", "--scope", "read", "--name", "report"]);
    let token = token.trim().to_owned();
    assert!(
        code == Some(0) && token.starts_with("pal_key_") && !token.contains('\n'),
        "alone on standard output"
    );
    assert_eq!(me(&server, "authorization", &token).await, StatusCode::OK);
    let list = json_of(&server, &["token", "list", "--user", "admin"]);
    let id = list[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        (&list[0]["name"], &list[0]["user_name"], &list[0]["enabled"]),
        (&json!("report"), &json!("admin"), &json!(true))
    );
    assert!(!list.to_string().contains(&token[8..]));

    assert_eq!(server.run(&["token", "disable", &id]).0, Some(0));
    assert!(soon(async || me(&server, "authorization", &token).await == StatusCode::UNAUTHORIZED).await);
    assert_eq!(server.run(&["token", "enable", &id]).0, Some(0));
    assert!(soon(async || me(&server, "authorization", &token).await == StatusCode::OK).await);
    let next = json_of(&server, &["token", "rotate", &id, "--overlap", "0s"]);
    let (next, next_id) =
        (next["token"].as_str().unwrap().to_owned(), next["id"].as_str().unwrap().to_owned());
    assert!(soon(async || me(&server, "authorization", &token).await == StatusCode::UNAUTHORIZED).await);
    assert_eq!(me(&server, "authorization", &next).await, StatusCode::OK);
    assert_eq!(server.run(&["token", "rotate", &id]).0, Some(2), "rotated already");
    assert_eq!(server.events("token_rotation"), 1);
    assert_eq!(server.run(&["token", "revoke", &next_id]).0, Some(0));
    assert!(soon(async || me(&server, "authorization", &next).await == StatusCode::UNAUTHORIZED).await);
    assert_eq!(server.run(&["token", "enable", &next_id]).0, Some(2), "it is gone for good");

    for wrong in [
        &["token", "create", "--user", "nobody", "--scope", "read"][..],
        &["token", "create", "--user", "admin"],
        &["token", "create", "--user", "admin", "--scope", "everything"],
        &["token", "create", "--user", "admin", "--scope", "read", "--network", "here"],
        &["token", "create", "--user", "admin", "--scope", "read", "--kind", "breakglass"],
        &["token", "disable", "no-id"],
        &["token", "revoke", &next_id],
    ] {
        let (code, text) = server.run(wrong);
        assert_eq!((code, text.as_str()), (Some(2), ""), "{wrong:?}");
    }
    // Whoever is let in again does not bring their tokens back.
    let (_, admin) = server.run(&["token", "create", "--user", "admin", "--kind", "admin"]);
    let admin = admin.trim().to_owned();
    assert_eq!(me(&server, "x-admin-token", &admin).await, StatusCode::OK);
    for command in ["disable", "enable"] {
        assert_eq!(server.run(&["user", command, "admin"]).0, Some(0));
    }
    assert!(soon(async || me(&server, "x-admin-token", &admin).await == StatusCode::UNAUTHORIZED).await);
    assert_eq!(server.run(&["audit", "verify"]).0, Some(0));
    let written = server.files();
    for secret in [&token, &next, &admin] {
        assert!(!written.contains(&secret[8..]), "a token was written down");
    }
}

// proves: ID-13, INC-2
#[tokio::test(flavor = "multi_thread")]
async fn breakglass_is_issued_on_the_host_and_reported_even_if_its_holder_ends_it_as_a_user() {
    let server = Server::start_with(&[], POLICY);
    for wrong in [
        &["breakglass", "issue"][..],
        &["breakglass", "issue", "--reason", ""],
        &["breakglass", "issue", "--reason", "x", "--ttl", "59s"],
        &["breakglass", "issue", "--reason", "x", "--ttl", "25h"],
        &["breakglass", "report", "no-id"],
    ] {
        let (code, text) = server.run(wrong);
        assert_eq!((code, text.as_str()), (Some(2), ""), "{wrong:?}");
    }
    let issued = json_of(&server, &["breakglass", "issue", "--reason", "the provider is down"]);
    let (token, id) = (issued["token"].as_str().unwrap(), issued["id"].as_str().unwrap());
    let mut holder = Client::new(server.address);
    let got = holder.send(Method::GET, "/api/v1/auth/me", &[("x-admin-token", token)], "").await;
    let user = got.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(me(&server, "x-admin-token", token).await, StatusCode::UNAUTHORIZED, "it worked twice");
    assert!(server.run(&["breakglass", "report", id]).1.contains("its session is not over yet"));

    let csrf = holder.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
    let own = format!("http://{}", server.address);
    let headers = [("origin", own.as_str()), ("x-csrf-token", csrf.as_str())];
    let path = format!("/api/v1/admin/users/{user}/sessions");
    let ended = holder.send(Method::DELETE, &path, &headers, "").await;
    assert_eq!((ended.status, &ended.json()["sessions"]), (StatusCode::OK, &json!(1)));
    assert_eq!(holder.get("/api/v1/auth/me").await.status, StatusCode::UNAUTHORIZED);
    let report = || json_of(&server, &["breakglass", "report", id])["rows"].clone();
    let closed = || report().as_array().unwrap().iter().any(|row| row["action"] == "breakglass.closed");
    assert!(soon(async || closed()).await, "no report was made: {}", report());
    assert!(report().to_string().contains("access.revoked"));
    assert!(!server.files().contains(&token[8..]), "the token was written down");
}

// proves: ID-15
#[tokio::test(flavor = "multi_thread")]
async fn semptifys_tokens_open_the_doors_that_they_opened_there() {
    let server = Server::start_with(&[], POLICY);
    server.sign_in(&server.link).await;
    let [admin, stopped, over, visitor] =
        ["an-administrators-own-token", "a-stopped-token", "a-token-of-2023", "a-visitors-own-token"];
    let hash = |token: &str| data_encoding::HEXLOWER.encode(&sha256(&[token.as_bytes()]));
    let admins = json!([
        { "id": "legacy", "hash": hash(admin), "enabled": true },
        { "id": "stopped", "hash": hash(stopped), "enabled": false },
        { "id": "over", "hash": hash(over), "expires_ts": 1_699_123_456 },
        { "id": "glass", "hash": hash("glass"), "breakglass": true },
    ]);
    std::fs::write(server.folder.path().join("admin_tokens.json"), admins.to_string()).unwrap();
    let users = json!({ (hash(visitor)): { "created_ts": 1.5 } }).to_string();
    std::fs::write(server.folder.path().join("users.json"), users).unwrap();
    let import = ["import", "tokens", "admin_tokens.json", "--kind", "admin", "--owner", "admin"];
    let (code, text) = server.run(&import);
    assert_eq!(code, Some(1), "the breakglass token is told of: {text}");
    assert_eq!(server.run(&["import", "tokens", "users.json", "--kind", "user"]).0, Some(0));

    assert_eq!(me(&server, "x-admin-token", admin).await, StatusCode::OK);
    assert_eq!(me(&server, "x-user-token", visitor).await, StatusCode::OK);
    for (header, token) in [
        ("x-admin-token", stopped),
        ("x-admin-token", over),
        ("x-admin-token", "glass"),
        ("x-admin-token", visitor),
        ("x-user-token", admin),
        ("authorization", admin),
        ("authorization", visitor),
        ("x-admin-token", &hash(admin)),
    ] {
        assert_eq!(me(&server, header, token).await, StatusCode::UNAUTHORIZED, "{header} {token}");
    }
    // As whom, and with what rights.
    let whom = async |header: &str, token: &str| {
        let headers = [(header, token)];
        Client::new(server.address).send(Method::GET, "/api/v1/auth/me", &headers, "").await.json()["roles"]
            .clone()
    };
    assert_eq!(whom("x-admin-token", admin).await, json!(["admin", "user"]));
    assert!(!whom("x-user-token", visitor).await.to_string().contains("admin"));
}
