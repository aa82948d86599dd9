//! A person with a real Chromium, before the unmodified Flask application.

use std::net::SocketAddr;

use axum::response::Html;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::support::browser::Browser;
use crate::support::{PASSWORD, Site, process};

/// A foreign site (another host for the browser) whose page submits a form to the application by itself.
async fn evil_site(victim: SocketAddr) -> String {
    let page = format!(
        "<!doctype html><title>Kittens</title><form id=f method=post action=\"http://{victim}/parts\">\
         <input name=name value=Forged></form><script>document.getElementById('f').submit()</script>"
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new().route("/", get(move || async move { Html(page) }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://localhost:{}/", address.port())
}

// proves: ID-1, CSRF-1, CSRF-3, LIMIT-2, OBS-5
#[tokio::test(flavor = "multi_thread")]
async fn a_person_uses_the_application_in_chromium() {
    let app = process::flask();
    let policy = format!(
        "[[route]]\npath = \"/{{*rest}}\"\nto = \"upstream:app\"\nallow = {{ read = \"user\", write = \"user\" }}\n\n\
         [[route]]\npath = \"/api/parts\"\nto = \"upstream:app\"\nallow = {{ read = \"user\" }}\nlimits = [\"tight\"]\n\n\
         [identify.sign_up]\nopen = true\n\n[shield.limits]\ntight = {{ limit = \"3/hour\", by = \"user\" }}\n\n\
         [upstream.app]\nurl = \"{}\"\nidentity = \"remote\"\n",
        app.url()
    );
    let site = Site::start(&policy).await;
    let home = format!("http://{}", site.address);
    let browser = Browser::start().await;

    browser.open(&home).await;
    assert_eq!(browser.path().await, "/auth/login", "a stranger is asked to sign in");
    browser.picture("1-sign-in").await;
    assert_eq!(browser.accessibility_faults().await, Vec::<String>::new());

    browser.open(&format!("{home}/auth/register")).await;
    browser.fill("name", "ada").await;
    browser.fill("email", "ada@example.com").await;
    browser.fill("password", "short").await;
    browser.press("button[type=submit]").await;
    assert!(
        browser.text().await.contains("Write at least 8 characters"),
        "a weak password is explained: {}",
        browser.text().await
    );
    browser.picture("2-register-refused").await;
    assert_eq!(browser.accessibility_faults().await, Vec::<String>::new());
    browser.fill("password", PASSWORD).await;
    browser.press("button[type=submit]").await;

    browser.open(&home).await;
    assert!(browser.text().await.contains("Hello, ada."), "{}", browser.text().await);
    browser.fill("name", "Washer").await;
    browser.press("#add button").await;
    assert!(browser.text().await.contains("Washer was added."), "{}", browser.text().await);
    browser.picture("3-form-submitted").await;

    browser.open(&evil_site(site.address).await).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    browser.picture("4-forged").await;
    browser.open(&home).await;
    assert!(!browser.text().await.contains("Forged"), "the forged form reached the application");

    for _ in 0..3 {
        browser.open(&format!("{home}/api/parts")).await;
    }
    assert!(browser.text().await.contains("Washer"));
    browser.open(&format!("{home}/api/parts")).await;
    assert!(browser.text().await.contains("Too many requests"), "{}", browser.text().await);
    browser.picture("5-limited").await;
    assert_eq!(browser.accessibility_faults().await, Vec::<String>::new());

    browser.open(&format!("{home}/account")).await;
    browser.picture("6-account").await;
    assert_eq!(browser.accessibility_faults().await, Vec::<String>::new());
    browser.press("form[action='/auth/logout'] button").await;
    browser.open(&home).await;
    assert_eq!(browser.path().await, "/auth/login", "signed out");
    browser.picture("7-signed-out").await;
    browser.close().await;
}
