//! A person with a real Chromium, whom the provider sends back to a site with a strict session cookie.

use serde_json::json;

use super::World;
use crate::support::browser::Browser;

// proves: ID-6, ID-8
#[tokio::test(flavor = "multi_thread")]
async fn a_person_comes_back_signed_in_to_where_they_wanted() {
    // localhost and 127.0.0.1 are two sites.
    let world = World::start("[identify.sessions]\nsame_site = \"strict\"\n").await;
    world.account(json!({"sub": "ada", "email": "ada@example.com", "email_verified": true})).await;
    let home = format!("http://{}", world.site.address);
    let browser = Browser::start().await;
    browser.open(&format!("{home}/account?from=mail")).await;
    assert_eq!(browser.path().await, "/auth/login");
    browser.picture("oidc-1-sign-in").await;
    assert_eq!(browser.accessibility_faults().await, Vec::<String>::new());
    browser.press("a.button").await;
    for _ in 0..100 {
        if browser.path().await == "/account" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let url = browser.page.current_url().await.unwrap();
    assert_eq!((url.path(), url.query()), ("/account", Some("from=mail")), "{}", browser.text().await);
    assert!(browser.text().await.contains("ada@example.com"), "{}", browser.text().await);
    assert_eq!(browser.accessibility_faults().await, Vec::<String>::new());
    browser.open(&format!("{home}/account/security")).await;
    assert!(browser.text().await.contains("Set a password"), "{}", browser.text().await);
    assert_eq!(browser.look("look-security-no-password").await, Vec::<String>::new());
    browser.close().await;
}
