//! No audit, no change; and a trail that was changed afterwards shows it.

use std::path::Path;
use std::process::Command;

use http::{Method, StatusCode};

use super::guarded;
use crate::identify::{FORM, encoded, open};
use crate::support::{PASSWORD, Site, Upstream, public};

// proves: AUD-1
#[tokio::test]
async fn a_change_that_cannot_be_recorded_is_not_made() {
    let app = Upstream::plain().await;
    let site = Site::start(&public(app.address)).await;
    assert_eq!(site.client().send(Method::POST, "/orders", &[], "x").await.status, StatusCode::OK);
    site.running.store.clone().close().await;
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let refused = site.client().send(method, "/orders", &[], "x").await;
        site.assert_refused(&refused, 503, "audit.unavailable");
    }
    assert_eq!(app.received().len(), 1, "no audit, no change");
    assert_eq!(site.client().get("/orders").await.status, StatusCode::OK, "reading goes on");
}

// proves: AUD-1, ID-2
#[tokio::test]
async fn without_a_store_nothing_of_an_account_changes_either() {
    let app = Upstream::plain().await;
    let site = Site::start(&open(&app, "1000/minute")).await;
    let mut ada = site.signed_in("ada", "user").await;
    let own = format!("http://{}", site.address);
    let token = ada.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
    let headers = [("content-type", FORM), ("origin", own.as_str())];
    site.running.store.clone().close().await;
    let new = "an0ther-Harbour-crane&9";
    for (path, fields) in [
        (
            "/account/password",
            &[("csrf_token", token.as_str()), ("old_password", PASSWORD), ("new_password", new)][..],
        ),
        ("/account/sessions/end", &[("csrf_token", &token), ("session", "others")]),
        ("/auth/logout", &[("csrf_token", &token)]),
        ("/auth/login", &[("login", "ada"), ("password", PASSWORD)]),
        ("/auth/register", &[("name", "eva"), ("password", PASSWORD)]),
    ] {
        let refused = ada.clone().send(Method::POST, path, &headers, &encoded(fields)).await;
        let code = refused.json()["code"].as_str().unwrap().to_owned();
        site.assert_refused(&refused, 503, &code);
        assert!(
            !format!("{:?}", refused.headers.get_all("set-cookie")).contains("palisade_session="),
            "{path}"
        );
    }
    let site = site.restart().await;
    assert!(site.running.store.user_by_login("eva").await.unwrap().is_none());
    let me = ada.at(site.address).get("/api/v1/auth/me").await;
    assert_eq!((me.status, &me.json()["name"]), (StatusCode::OK, &"ada".into()), "the session is as it was");
    let sign_in = |password| {
        let fields = encoded(&[("login", "ada"), ("password", password)]);
        let (mut client, own) = (site.client(), format!("http://{}", site.address));
        async move {
            client
                .send(Method::POST, "/auth/login", &[("content-type", FORM), ("origin", &own)], &fields)
                .await
                .status
        }
    };
    assert_eq!(sign_in(PASSWORD).await, StatusCode::SEE_OTHER);
    assert_eq!(sign_in(new).await, StatusCode::UNAUTHORIZED);
}

fn verify(folder: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
    let output = command.env_clear().current_dir(folder).args(["audit", "verify"]).output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr),
    )
}

/// Puts `new` in the place of `old`, wherever it stands in the file; says how often.
fn overwrite(file: &Path, old: &str, new: &str) -> usize {
    assert_eq!(old.len(), new.len());
    let mut bytes = std::fs::read(file).unwrap();
    let places: Vec<usize> =
        (0..=bytes.len() - old.len()).filter(|at| bytes[*at..].starts_with(old.as_bytes())).collect();
    for at in &places {
        bytes[*at..*at + old.len()].copy_from_slice(new.as_bytes());
    }
    std::fs::write(file, bytes).unwrap();
    places.len()
}

// proves: AUD-2
#[tokio::test]
async fn whoever_rewrites_what_was_recorded_is_found_out() {
    let app = Upstream::plain().await;
    let site = Site::start(&guarded(&app)).await;
    let mut admin = site.signed_in("ada", "admin").await;
    let own = format!("http://{}", site.address);
    let headers = [("origin", own.as_str()), ("user-agent", "browser/7")];
    let deleted = admin.send(Method::DELETE, "/orders/4711", &headers, "").await;
    assert_eq!(deleted.status, StatusCode::OK);
    let id = deleted.header("x-request-id").unwrap().to_owned();
    let Site { running, folder, .. } = site;
    running.shutdown().await;
    let database = folder.path().join("palisade.db");
    assert!(!folder.path().join("palisade.db-wal").exists(), "all is in the one file");
    let policy =
        "[store]\ndatabase = \"sqlite:palisade.db\"\ndata_dir = \".\"\n[authorize.roles]\nadmin = {}\n";
    std::fs::write(folder.path().join("palisade.toml"), policy).unwrap();
    let (code, text) = verify(folder.path());
    assert_eq!(code, Some(0), "{text}");

    let whole = std::fs::read(&database).unwrap();
    let other: String = id.chars().rev().collect();
    for (old, new) in [
        ("request.changed", "request.refused"),
        ("/orders/4711", "/orders/4712"),
        ("browser/7", "browser/8"),
        ("\"127.0.0.1\"", "\"127.0.0.9\""),
        ("\"DELETE\"", "\"CREATE\""),
        (id.as_str(), other.as_str()),
    ] {
        std::fs::write(&database, &whole).unwrap();
        assert!(overwrite(&database, old, new) > 0, "{old} is recorded");
        let (code, text) = verify(folder.path());
        assert_eq!(code, Some(1), "{old}: {text}");
        assert!(text.contains("broken") && text.contains("row "), "{text}");
    }
    std::fs::write(&database, &whole).unwrap();
    assert_eq!(verify(folder.path()).0, Some(0), "as it was, it is whole");
}
