//! The command line beside a running server: two processes, one store.

use std::process::{Command, Stdio};
use std::time::Duration;

use http::StatusCode;

use crate::support::server::Server;
use crate::support::{Client, PASSWORD};

// proves: ID-1, ID-5, ID-8, AUD-1, AUD-5
#[tokio::test(flavor = "multi_thread")]
async fn the_server_sees_what_the_command_line_changes_within_a_second() {
    let server = Server::start();
    let mut admin = server.sign_in(&server.link).await;
    let session = admin.cookies();
    let me = admin.get("/api/v1/auth/me").await;
    assert_eq!(me.json()["roles"], serde_json::json!(["admin", "user"]), "{}", me.text());

    let (code, text) = server.run(&["user", "add", "eva", "--role", "user"]);
    assert_eq!(code, Some(0), "{text}");
    let link = text.lines().find(|line| line.starts_with("http://")).unwrap().to_owned();
    let mut eva = server.sign_in(&link).await;
    assert_eq!(eva.get("/api/v1/auth/me").await.status, StatusCode::OK);

    assert_eq!(server.run(&["user", "disable", "eva"]).0, Some(0));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(eva.get("/api/v1/auth/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(admin.get("/api/v1/auth/me").await.status, StatusCode::OK, "nobody else is signed out");
    assert_eq!(server.run(&["user", "set-roles", "admin", "user"]).0, Some(0));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = admin.cookies();
    assert_eq!(admin.get("/api/v1/auth/me").await.json()["roles"], serde_json::json!(["user"]));
    assert_ne!(admin.cookies(), before, "rights changed: another id");

    assert_eq!(server.run(&["audit", "verify"]).0, Some(0), "the chain holds with two writers");
    let secrets = [&server.link, &link].map(|link| link.rsplit_once('/').unwrap().1.to_owned());
    let (code, written) = server.stop();
    assert_eq!(code, Some(0));
    assert!(written.contains("/auth/link/{token}"), "requests were logged, by their route");
    for secret in secrets.iter().map(String::as_str).chain([PASSWORD, session.rsplit_once('=').unwrap().1]) {
        assert!(!written.contains(secret), "a secret was written down");
    }
}

// proves: ID-5
#[tokio::test(flavor = "multi_thread")]
async fn once_somebody_can_sign_in_no_link_is_printed_any_more() {
    let mut server = Server::start();
    let again = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
        command.arg("serve").env_clear().current_dir(server.folder.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    server.sign_in(&server.link).await;

    // The address is taken: it says so, and ends.
    let output = again().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("cannot listen on") && output.stdout.is_empty(), "{said}");
    assert!(said.contains("(edge.listen)") && said.contains("end what listens there"), "{said}");

    let mut second = again();
    assert_eq!(server.end(), Some(0));
    let hash = "$argon2id$v=19$m=64,t=1,p=2$eFFSM29NNzVlWnJrWjEwZnJoTTF5dA$16TZe7khAENhVptz6FIxEHHQ6zCiphCaAbWkZ6jEniY";
    second.env("AUTH_USERS", format!("admin:{hash}"));
    let second = second.spawn().unwrap();
    for _ in 0..100 {
        if std::net::TcpStream::connect(server.address).is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Command::new("kill").args(["-TERM", &second.id().to_string()]).status().unwrap();
    let output = second.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("/auth/link/"));
    let told =
        said.lines().filter(|line| line.contains("AUTH_USERS names a user who is there already")).count();
    assert!(told == 1 && said.contains("admin") && !said.contains(hash), "{said}");
}

// A crash gives nobody their attempts back.
// proves: LIMIT-1
#[tokio::test(flavor = "multi_thread")]
async fn what_was_counted_survives_a_kill() {
    let server = Server::start_with(&[], "[shield.limits]\ndefault = \"20/day\"\n");
    let statuses = async |server: &Server, count: usize| {
        let mut client = Client::new(server.address);
        let mut statuses = Vec::new();
        for _ in 0..count {
            statuses.push(client.get("/nothing").await.status.as_u16());
        }
        statuses
    };
    assert_eq!(statuses(&server, 12).await, [404; 12]);
    // What is older than a second was written down; what is younger may be lost.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    statuses(&server, 3).await;
    let server = server.killed();
    let after = statuses(&server, 25).await;
    let let_in = after.iter().filter(|status| **status == 404).count();
    assert!((5..=8).contains(&let_in), "12 to 15 were counted before: {after:?}");
    assert_eq!(after[24], 429);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let server = server.killed();
    assert_eq!(statuses(&server, 1).await, [429], "a full window stays full");
}

// proves: LIMIT-3, LIMIT-8
#[tokio::test(flavor = "multi_thread")]
async fn a_lockout_survives_kill_9_and_the_command_line_lifts_it_at_once() {
    let mut server = Server::start_with(&[], "[shield.limits]\nlogin = \"1000/minute\"\n");
    server.sign_in(&server.link).await;
    for n in 0..5 {
        assert_eq!(server.sign_in_as("admin", "wrong").await, StatusCode::UNAUTHORIZED, "{n}");
        if n == 2 {
            server.fall_and_rise();
        }
    }
    assert_eq!(server.sign_in_as("admin", PASSWORD).await, StatusCode::TOO_MANY_REQUESTS);
    server.fall_and_rise();
    assert_eq!(server.sign_in_as("admin", PASSWORD).await, StatusCode::TOO_MANY_REQUESTS);

    for wrong in [&["unlock"][..], &["unlock", "--all", "--user", "admin"], &["unlock", "--address", "here"]]
    {
        assert_eq!(server.run(wrong).0, Some(2), "{wrong:?}");
    }
    assert_eq!(server.run(&["unlock", "--user", "nobody"]).0, Some(2));
    assert_eq!(server.sign_in_as("admin", PASSWORD).await, StatusCode::TOO_MANY_REQUESTS);
    let (code, text) = server.run(&["unlock", "--address", "127.0.0.1"]);
    assert_eq!(code, Some(0));
    assert_eq!(text, "Nothing is counted against 127.0.0.1/32 any more, and no lockout holds.\n");
    assert_eq!(server.sign_in_as("admin", PASSWORD).await, StatusCode::OK);
    let (code, text) = server.run(&["unlock", "--address", "127.0.0.0/24"]);
    assert_eq!((code, text.as_str()), (Some(0), "Nothing was counted against 127.0.0.0/24.\n"));
    assert_eq!(server.run(&["audit", "verify"]).0, Some(0));
    assert_eq!(server.end(), Some(0));
}
