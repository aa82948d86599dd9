//! bcrypt's 72 bytes and NULs, hashes of others, and hashes that would take the machine, over HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use palisade_model::World;
use palisade_store::{AuditQuery, NewPassword};
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, Site, Upstream, public};

const JSON: (&str, &str) = ("content-type", "application/json");

/// 72 bytes, of a password that the rules take.
fn seventy_two() -> String {
    let text = format!("{PASSWORD} / {PASSWORD} / {PASSWORD}");
    text[..72].to_owned()
}

async fn site(more: &str, environment: &[(&str, &str)]) -> Site {
    let policy = format!(
        "[identify.sign_up]\nopen = true\n[identify.lockout]\nenabled = false\n[shield.limits]\nlogin = \"100000/minute\"\n\
         default = \"100000/minute\"\n[identify.passwords]\n{more}\n{}",
        public(Upstream::plain().await.address)
    );
    Site::start_with(environment, &policy).await
}

async fn send(site: &Site, path: &str, body: Value) -> Answer {
    site.client().send(Method::POST, path, &[JSON], &body.to_string()).await
}

async fn register(site: &Site, name: &str, password: &str) -> Answer {
    send(site, "/api/v1/auth/register", json!({ "name": name, "password": password })).await
}

async fn sign_in(site: &Site, login: &str, password: &str) -> StatusCode {
    send(site, "/api/v1/auth/login", json!({ "login": login, "password": password })).await.status
}

async fn hash_of(site: &Site, name: &str) -> String {
    site.running.store.user_by_login(name).await.unwrap().unwrap().password.unwrap()
}

async fn renewals(site: &Site) -> usize {
    let rows = site.running.store.audit_rows(&AuditQuery::default()).await.unwrap();
    rows.iter().filter(|row| row.action == "user.hash_renewed").count()
}

// proves: ID-3
#[tokio::test(flavor = "multi_thread")]
async fn every_byte_counts_under_bcrypt_and_a_nul_is_refused() {
    let site = site("algorithm = \"bcrypt\"", &[]).await;
    let border = &seventy_two()[..71];
    let whole = seventy_two();
    for (name, password, wrong) in [
        ("ann", format!("{whole}a"), vec![whole.clone(), format!("{whole}b"), format!("{whole}ab")]),
        ("bob", whole.clone(), vec![format!("{whole}a"), border.to_owned()]),
        // One letter of two bytes across the border: its first byte alone would be another's too.
        (
            "cyn",
            format!("{border}é"),
            vec![format!("{border}è"), border.to_owned(), format!("{border}\u{c3}")],
        ),
        (
            "dan",
            format!("{border}🔑!"),
            vec![format!("{border}🔒!"), format!("{border}🔑?"), format!("{border}🔑")],
        ),
    ] {
        assert_eq!(register(&site, name, &password).await.status, StatusCode::CREATED, "{name}");
        assert!(hash_of(&site, name).await.starts_with("$bcrypt-sha256$"), "{name}");
        for wrong in wrong {
            assert_eq!(sign_in(&site, name, &wrong).await, StatusCode::UNAUTHORIZED, "{name}: {wrong:?}");
        }
        assert_eq!(sign_in(&site, name, &password).await, StatusCode::OK, "{name}");
    }
    for nul in [format!("{PASSWORD}\0"), format!("\0{PASSWORD}"), format!("{PASSWORD}\0 and more")] {
        let refused = register(&site, "eve", &nul).await;
        assert_eq!(
            (refused.status, refused.json()["errors"][0]["field"].as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, Some("password"))
        );
        assert_eq!(sign_in(&site, "ann", &nul).await, StatusCode::UNAUTHORIZED);
    }
    let with_nul = format!("{whole}a\0");
    assert_eq!(sign_in(&site, "ann", &with_nul).await, StatusCode::UNAUTHORIZED);
    assert!(site.running.store.user_by_login("eve").await.unwrap().is_none());
}

/// `bcrypt.hashpw(("violet kayak umbrella 39 " * 4)[:72], gensalt(4))` by the library: the hash of everything that begins so.
const LONG: &str = "$2b$04$p2Om110lNQ/KLZsorSLqvOlPtLSjOuIhQwh4OCI335G65Z2koFwV6";

/// Whoever has a longer password than bcrypt reads gets in as they did, with any tail; what they typed behind the 72nd
/// byte was never proven, and does not become the password.
// proves: ID-3, ID-5
#[tokio::test(flavor = "multi_thread")]
async fn an_imported_password_of_more_than_72_bytes_stays_what_it_was() {
    let site = site("memory = \"64KiB\"\npasses = 1", &[("AUTH_USERS", &format!("ann:{LONG}"))]).await;
    let right = "violet kayak umbrella 39 ".repeat(4);
    let mistyped = format!("{}umbrela 93", &right[..72]);
    for typed in [&mistyped, &right, &right[..72].to_owned(), &mistyped, &right] {
        assert_eq!(sign_in(&site, "ann", typed).await, StatusCode::OK, "{typed}");
        assert_eq!(hash_of(&site, "ann").await, LONG);
    }
    assert_eq!(sign_in(&site, "ann", &right[..71]).await, StatusCode::UNAUTHORIZED);
    assert_eq!(renewals(&site).await, 0);

    // A new password is hashed whole, and the old hash is gone.
    let mut ann = site.client();
    let own = format!("http://{}", site.address);
    let body = json!({ "login": "ann", "password": right, "session": true });
    let headers = [JSON, ("origin", own.as_str())];
    let done = ann.send(Method::POST, "/api/v1/auth/login", &headers, &body.to_string()).await;
    let csrf = done.json()["csrf_token"].as_str().unwrap().to_owned();
    let new = format!("granite lantern oboe 58 {}", &right[..72]);
    let fields = super::encoded(&[("old_password", &right), ("new_password", &new), ("csrf_token", &csrf)]);
    let headers = [("content-type", super::FORM), ("origin", own.as_str()), super::HTML];
    let changed = ann.send(Method::POST, "/account/password", &headers, &fields).await;
    assert_eq!(changed.status, StatusCode::SEE_OTHER, "{}", changed.text());
    assert!(hash_of(&site, "ann").await.starts_with("$argon2id$"));
    for (password, status) in [(&right, 401), (&mistyped, 401), (&new, 200)] {
        assert_eq!(sign_in(&site, "ann", password).await.as_u16(), status);
    }
}

/// Whoever can write to the store, or brings a hash from elsewhere, could let each sign-in take the machine. What asks for
/// too much is not computed, and its user answers as one whom nobody has.
// proves: ID-1, ID-3
#[tokio::test(flavor = "multi_thread")]
async fn a_planted_hash_is_not_computed_and_its_user_is_nobody() {
    let site = site("memory = \"64KiB\"\npasses = 1\nworkers = 1", &[]).await;
    assert_eq!(register(&site, "ann", PASSWORD).await.status, StatusCode::CREATED);
    let argon2 = "$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let hex64 = "0123456789abcdef".repeat(8);
    for bomb in [
        format!("$argon2id$v=19$m=4294967295,t=1,p=1{argon2}"),
        format!("$argon2id$v=19$m=8,t=4294967295,p=1{argon2}"),
        format!("$argon2id$v=19$m=134217720,t=1,p=16777215{argon2}"),
        format!("scrypt:32768:4294967295:4294967295$salt${hex64}"),
        format!("scrypt:2:4000000:1000$salt${hex64}"),
        format!("pbkdf2:sha512:4294967295$salt${hex64}"),
        "$2b$31$Uz7M6VAWZh3pyKuwg06VCugXrapdmvWHkDoY7/XG2PBDPY8sYJiUy".to_owned(),
        format!("pbkdf2:sha1:1000$salt${}", hex64.repeat(8000)),
        "$argon2id$v=19$m=64,t=1".to_owned(),
        "$".repeat(1 << 20),
        String::new(),
        PASSWORD.to_owned(),
    ] {
        let store = &site.running.store;
        let ann = store.user_by_login("ann").await.unwrap().unwrap();
        let planted = NewPassword { hash: bomb.clone(), at: World::real().now(), keep_history: 0 };
        store.set_password(&ann, &planted, None, None, vec![]).await.unwrap();
        let jobs = || site.running.access.hashing_load().taken;
        let mut told = Vec::new();
        for login in ["ann", "nobody"] {
            let before = jobs();
            let body = json!({ "login": login, "password": PASSWORD });
            let answer =
                tokio::time::timeout(Duration::from_secs(10), send(&site, "/api/v1/auth/login", body));
            let answer = answer.await.unwrap_or_else(|_| panic!("computed: {bomb:.60}"));
            let mut problem = answer.json();
            problem["request_id"] = Value::Null;
            told.push((answer.status, problem, jobs() - before));
        }
        assert_eq!(told[0], told[1], "{bomb:.60}");
        assert_eq!((told[0].0, told[0].2), (StatusCode::UNAUTHORIZED, 1));
        assert_eq!(hash_of(&site, "ann").await, bomb, "renewed");
    }
}

/// Many try to sign in as users whose hashes take much memory each. One of them is verified at a time, and whoever has an
/// ordinary hash does not stand behind them all: it is the order that shows it, however slow the machine.
// proves: ID-3
#[tokio::test(flavor = "multi_thread")]
async fn heavy_hashes_do_not_keep_others_from_signing_in() {
    let heavy = format!("scrypt:65536:8:1$salt${}", "0123456789abcdef".repeat(8));
    let users: Vec<String> = (0..8).map(|n| format!("heavy{n}:{heavy}")).collect();
    let more = "memory = \"64KiB\"\npasses = 1\nworkers = 2\nqueue = 32";
    let site = Arc::new(site(more, &[("AUTH_USERS", &users.join(","))]).await);
    assert_eq!(register(&site, "ann", PASSWORD).await.status, StatusCode::CREATED);
    let ended = Arc::new(AtomicUsize::new(0));
    let attempts: Vec<_> = (0..8)
        .map(|n| {
            let (site, ended) = (site.clone(), ended.clone());
            tokio::spawn(async move {
                let status = sign_in(&site, &format!("heavy{n}"), "not the password").await;
                ended.fetch_add(1, Ordering::SeqCst);
                status
            })
        })
        .collect();
    while site.running.access.hashing_load().inside == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(site.running.access.hashing_load().inside < 3, "they wait in the pool");
    assert_eq!(sign_in(&site, "ann", PASSWORD).await, StatusCode::OK);
    let before = ended.load(Ordering::SeqCst);
    assert!(before < 7, "ann waited for {before} of 8");
    for attempt in attempts {
        assert_eq!(attempt.await.unwrap(), StatusCode::UNAUTHORIZED);
    }
}
