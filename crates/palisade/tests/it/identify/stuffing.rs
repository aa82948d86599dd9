//! Lists of stolen passwords from many networks; the switches for tests and for administrators, in the real program.

use std::process::Command;

use http::{Method, StatusCode};
use serde_json::json;

use super::second::{Program, rows, with_app};
use super::{HTML, encoded, open};
use crate::support::server::Server;
use crate::support::{Answer, Client, PASSWORD, Site, Upstream};

const PROXY: (&str, &str) = ("PALISADE_EDGE__TRUSTED_PROXIES", "127.0.0.0/8");
const WRONG: &str = "not-the-password-7";

async fn attempt(site: &Site, address: &str, login: &str, password: &str) -> Answer {
    let body = json!({"login": login, "password": password});
    Program::from(site, address).post("/api/v1/auth/login", &body).await
}

async fn proxied() -> Site {
    Site::start_with(&[PROXY], &open(&Upstream::plain().await, "1000/minute")).await
}

// proves: LIMIT-3, LIMIT-8
#[tokio::test]
async fn a_list_of_passwords_stops_at_each_network_and_each_account_and_never_at_its_owner() {
    let site = proxied().await;
    for name in ["eva", "otto"] {
        let _ = site.signed_in(name, "user").await;
    }
    let mut eva = Program::from(&site, "203.0.113.7");
    eva.session("eva").await;

    // One customer's whole IPv6 network has five attempts, whatever the names and the addresses in it.
    for n in 0..5 {
        let refused = attempt(&site, &format!("2001:db8:0:1:{n:x}::{n}"), &format!("name{n}"), WRONG).await;
        site.assert_refused(&refused, 401, "identify.sign_in");
    }
    for inside in ["2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff"] {
        site.assert_refused(&attempt(&site, inside, "otto", PASSWORD).await, 429, "identify.lockout");
    }
    assert_eq!(
        attempt(&site, "2001:db8:0:2::1", "otto", PASSWORD).await.status,
        StatusCode::OK,
        "a neighbour"
    );

    // Sixty networks with a password each: the account hears of ten.
    for n in 0..60 {
        let refused = attempt(&site, &format!("2001:db8:1:{n:x}::1"), "eva", WRONG).await;
        site.assert_refused(&refused, 401, "identify.sign_in");
    }
    assert_eq!(rows(&site, "lockout.began").await, 2, "one network, one account");
    let right = attempt(&site, "2001:db8:2::1", "eva", PASSWORD).await;
    site.assert_refused(&right, 401, "identify.sign_in");
    // Nobody else is locked, and the owner's own device is not: to sign in, to prove who they are, from anywhere.
    assert_eq!(attempt(&site, "2001:db8:2::2", "otto", PASSWORD).await.status, StatusCode::OK);
    let device = eva.client.cookies();
    let device = device.split("; ").find_map(|pair| pair.strip_prefix("palisade_device=")).unwrap();
    let mut own = Program::from(&site, "2001:db8:0:1::9");
    own.client.put_cookie("palisade_device", device);
    own.session("eva").await;
    own.done("/api/v1/auth/confirm", &json!({"password": PASSWORD})).await;
    let mut thief = Program::from(&site, "198.51.100.9");
    thief.client.put_cookie("palisade_device", &format!("{}A", &device[..device.len() - 1]));
    let body = json!({"login": "eva", "password": PASSWORD});
    let refused = thief.post("/api/v1/auth/login", &body).await;
    assert!(refused.status == StatusCode::UNAUTHORIZED || device.ends_with('A'), "{}", refused.text());
}

// proves: LIMIT-1, LIMIT-3, ID-4, ID-16, ID-17
#[tokio::test]
async fn tickets_links_and_keys_are_guessed_a_few_times_a_minute_by_each_address() {
    let site = Site::start_with(&[PROXY], &open(&Upstream::plain().await, "5/minute")).await;
    let _ = site.signed_in("eva", "user").await;
    let mut eva = Program::from(&site, "203.0.113.7");
    eva.session("eva").await;
    let (_, codes) = with_app(&mut eva, palisade_model::World::real().now()).await;
    let guess = "A".repeat(43);
    for (n, path, body) in [
        (1, "/api/v1/auth/second", json!({"ticket": guess, "code": codes[0]})),
        (2, "/api/v1/auth/reset-password", json!({"token": guess, "password": "granite lantern oboe 58 B!"})),
        (3, "/api/v1/auth/passkey", json!({"ceremony": guess, "credential": "{}"})),
    ] {
        let mut heard = 0;
        let mut guesser = Program::from(&site, &format!("198.51.100.{n}"));
        for _ in 0..20 {
            let refused = guesser.post(path, &body).await;
            assert!(refused.status.is_client_error(), "{path}: {}", refused.text());
            heard += u32::from(refused.status != StatusCode::TOO_MANY_REQUESTS);
        }
        assert!(heard <= 5, "{path}: {heard} were heard");
        let other = Program::from(&site, &format!("198.51.101.{n}")).post(path, &body).await;
        assert_ne!(other.status, StatusCode::TOO_MANY_REQUESTS, "{path}: nobody else waits");
    }
    let mut statuses = Vec::new();
    for n in 0..20 {
        let key = format!("Bearer pal_key_{}", format!("{n:02}").repeat(24));
        let headers = [("authorization", key.as_str()), ("x-forwarded-for", "198.51.100.4")];
        statuses.push(site.client().send(Method::GET, "/api/v1/auth/me", &headers, "").await.status.as_u16());
    }
    assert!(statuses.iter().all(|status| [401, 429].contains(status)), "{statuses:?}");
    assert_eq!(rows(&site, "session.signed_in").await, 2, "those that set the scene");
}

const GOOGLE: &str =
    "[identify.oidc.google]\nclient_id = \"mtc\"\ndangerous_test_user = \"tester@example.com\"\n";

/// The program itself: in testing everybody is the fixed user and nobody else is asked; production does not start.
// proves: ID-7
#[tokio::test]
async fn the_switch_for_tests_works_in_testing_alone_and_the_line_is_named() {
    let issuer = Upstream::plain().await;
    let with_issuer = format!("{GOOGLE}issuer = \"http://{}\"\n", issuer.address);
    let server = Server::start_with(&[("PALISADE_APP__ENVIRONMENT", "testing")], &with_issuer);
    let mut person = Client::new(server.address);
    let away = person.get("/auth/oidc/google?next=/account").await;
    let callback =
        away.header("location").unwrap().strip_prefix(&format!("http://{}", server.address)).unwrap();
    let back = person.get(callback).await;
    assert!(back.text().contains("content=\"0; url=/account\""), "{}", back.text());
    assert_eq!(person.get("/api/v1/auth/me").await.json()["email"], "tester@example.com");
    assert!(issuer.received().is_empty(), "somebody was asked");

    let policy = std::fs::read_to_string(server.folder.path().join("palisade.toml")).unwrap();
    let line = policy.lines().position(|line| line.starts_with("dangerous_test_user")).unwrap() + 1;
    for environment in ["production", "development"] {
        for command in ["serve", "check"] {
            let said = Command::new(env!("CARGO_BIN_EXE_palisade"))
                .arg(command)
                .env_clear()
                .env("PALISADE_APP__ENVIRONMENT", environment)
                .env("SECRET_KEY", "0123456789abcdef0123456789abcdef")
                .current_dir(server.folder.path())
                .output()
                .unwrap();
            let text =
                format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
            assert!(!said.status.success(), "{command} in {environment}: {text}");
            assert!(text.contains("P050") && text.contains(&format!("palisade.toml:{line}:")), "{text}");
        }
    }
}

/// By the names that Semptify's environment has, in the program itself.
// proves: LIMIT-6
#[tokio::test]
async fn administrators_have_a_window_of_their_own_in_the_real_program() {
    let window = [("ADMIN_RATE_MAX", "3"), ("ADMIN_RATE_WINDOW", "3")];
    let server = Server::start_with(&window, "");
    let mut admin = server.sign_in(&server.link).await;
    let path = "/api/v1/admin/users";
    for left in ["2", "1", "0"] {
        let answer = admin.get(path).await;
        assert_eq!((answer.status, answer.header("x-ratelimit-remaining")), (StatusCode::OK, Some(left)));
        assert_eq!(answer.header("x-ratelimit-limit"), Some("3"));
    }
    let refused = admin.get(path).await;
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (StatusCode::TOO_MANY_REQUESTS, &json!("shield.limit"))
    );
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3).contains(&wait), "{wait}");
    let unlock = admin.send(Method::POST, "/api/v1/admin/unlock", &[], "").await;
    assert_eq!(unlock.status, StatusCode::TOO_MANY_REQUESTS, "one window for all of it");
    for _ in 0..10 {
        assert_eq!(
            admin.send(Method::GET, "/account", &[HTML], "").await.status,
            StatusCode::OK,
            "the rest goes on"
        );
    }
    let login = format!("/auth/login?{}", encoded(&[("next", "/x")]));
    assert_eq!(Client::new(server.address).get(&login).await.status, StatusCode::OK);
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    assert_eq!(admin.get(path).await.status, StatusCode::OK, "the window slides on");
}
