//! A person with passkeys and codes in a real Chromium, whose authenticator is the driver's virtual one.

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use fantoccini::Locator;
use http::Method;
use serde_json::json;

use crate::support::browser::{Browser, Command};
use crate::support::{PASSWORD, Reply, Site, Upstream, public};

/// Puts an authenticator with a fingerprint reader into the browser.
pub async fn plug_in(browser: &Browser) {
    let authenticator = json!({
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": true,
        "hasUserVerification": true,
        "isUserVerified": true,
        "isUserConsenting": true,
    });
    browser.page.issue_cmd(Command("webauthn/authenticator", authenticator)).await.unwrap();
}

/// What an authenticator application shows for the key on the page, `steps` from now.
pub fn code(key: &str, steps: i64) -> String {
    let secret = BASE32_NOPAD.decode(key.replace(' ', "").as_bytes()).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let step = i64::try_from(now / 30).unwrap() + steps;
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &secret), &step.to_be_bytes());
    let at = usize::from(tag.as_ref()[19] & 0xf);
    let number = u32::from_be_bytes(tag.as_ref()[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

async fn sign_in(browser: &Browser, home: &str) {
    browser.open(&format!("{home}/auth/login")).await;
    browser.picture("23-sign-in-with-passkey").await;
    assert_eq!(browser.accessibility_faults().await, Vec::<String>::new());
    browser.fill("login", "ada").await;
    browser.fill("password", PASSWORD).await;
    browser.press("form[action='/auth/login'] button").await;
}

async fn sign_out(browser: &Browser, home: &str) {
    browser.open(&format!("{home}/account")).await;
    browser.press("form[action='/auth/logout'] button").await;
}

async fn by_application(browser: &Browser, home: &str, recovery: &str) {
    browser.open(&format!("{home}/account/factors")).await;
    browser.press("form[action='/account/factors/app'] button").await;
    browser.picture("26-app-setup").await;
    assert_eq!(browser.accessibility_faults().await, Vec::<String>::new());
    let key = browser.page.find(Locator::Css("main code")).await.unwrap().text().await.unwrap();
    browser.fill("code", "000000").await;
    browser.press("form button").await;
    assert!(browser.text().await.contains("Write the code that the app shows now"));
    let again = browser.page.find(Locator::Css("main code")).await.unwrap().text().await.unwrap();
    assert_eq!(again, key, "the same key after a slip");
    browser.fill("code", &code(&key, 0)).await;
    browser.press("form button").await;
    assert!(browser.text().await.contains("It was added"), "{}", browser.text().await);
    browser.open(&format!("{home}/auth/confirm?next=%2Faccount")).await;
    browser.picture("27-confirm").await;
    assert_eq!(browser.accessibility_faults().await, Vec::<String>::new());
    browser.fill("code", &code(&key, 1)).await;
    browser.press("form:not([data-passkey]) button").await;
    assert_eq!(browser.path().await, "/account");
    browser.open(&format!("{home}/auth/confirm?next=%2Faccount")).await;
    browser.fill("code", recovery).await;
    browser.press("form:not([data-passkey]) button").await;
    assert_eq!(browser.path().await, "/account", "a recovery code does as well");
}

// proves: ID-17
#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_by_passkey_and_by_code_in_chromium() {
    let upstream = Upstream::start(|_| Reply::ok("hello")).await;
    let policy = format!("{}\n[shield.limits]\nlogin = \"100/minute\"\n", public(upstream.address));
    let site = Site::start_named("localhost", &policy).await;
    drop(site.signed_in("ada", "user").await);
    let home = format!("http://localhost:{}", site.address.port());
    let browser = Browser::start().await;
    browser.open(&home).await;

    // Without an authenticator the page is as whole as ever.
    sign_in(&browser, &home).await;
    browser.open(&format!("{home}/account/factors")).await;
    assert_eq!(browser.accessibility_faults().await, Vec::<String>::new());
    browser.picture("20-factors-none").await;

    plug_in(&browser).await;
    browser.open(&format!("{home}/account/factors")).await;
    browser.fill("name", "My laptop").await;
    browser.press("form[data-passkey=create] button").await;
    let text = browser.text().await;
    assert!(text.contains("Recovery codes") && text.contains("They are not shown again"), "{text}");
    assert_eq!(browser.page.find_all(Locator::Css(".codes li")).await.unwrap().len(), 10);
    browser.picture("21-recovery-codes").await;
    assert_eq!(browser.accessibility_faults().await, Vec::<String>::new());
    let recovery = browser.page.find(Locator::Css(".codes code")).await.unwrap().text().await.unwrap();
    browser.open(&format!("{home}/account/factors")).await;
    assert!(browser.text().await.contains("My laptop"));
    browser.picture("22-factors-passkey").await;
    assert_eq!(browser.accessibility_faults().await, Vec::<String>::new());
    sign_out(&browser, &home).await;

    // The passkey is offered in the field for the name; the authenticator consents by itself.
    browser.open(&format!("{home}/auth/login")).await;
    for _ in 0..100 {
        if browser.path().await != "/auth/login" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    if browser.path().await == "/auth/login" {
        browser.press("form[data-passkey=get] button").await;
    }
    assert_eq!(browser.path().await, "/", "signed in by the passkey alone");
    sign_out(&browser, &home).await;

    // As the second factor. The offer on the sign-in page would be quicker: the form is sent from elsewhere.
    let mut client = site.client();
    let form = format!("login=ada&password={}", PASSWORD.replace('&', "%26"));
    let origin = format!("http://localhost:{}", site.address.port());
    let host = format!("localhost:{}", site.address.port());
    let headers = [
        ("host", host.as_str()),
        ("origin", origin.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let half = client.send(Method::POST, "/auth/login", &headers, &form).await;
    assert_eq!(half.header("location"), Some("/auth/second?next=%2F"), "{half:?}");
    let cookie = half.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let ticket =
        client.cookies().split("palisade_ticket=").nth(1).unwrap().split(';').next().unwrap().to_owned();
    browser.page.delete_all_cookies().await.unwrap();
    let plant = format!("document.cookie = 'palisade_ticket={ticket}; path=/'");
    browser.page.execute(&plant, vec![]).await.unwrap();
    browser.open(&format!("{home}/auth/second?next=%2Fonward")).await;
    browser.picture("24-second-step").await;
    assert_eq!(browser.accessibility_faults().await, Vec::<String>::new());
    browser.fill("code", "000000").await;
    browser.press("form:not([data-passkey]) button").await;
    assert!(browser.text().await.contains("The code is wrong"), "{}", browser.text().await);
    browser.picture("25-second-step-wrong").await;
    assert_eq!(browser.accessibility_faults().await, Vec::<String>::new());
    browser.press("form[data-passkey=get] button").await;
    assert_eq!(browser.path().await, "/onward", "signed in by both: {}", browser.text().await);

    by_application(&browser, &home, &recovery).await;
    browser.close().await;
}
