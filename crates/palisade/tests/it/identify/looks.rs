//! Every page and letter as people see them: by day and by night, on wide and narrow screens, before an accessibility
//! checker. The pictures are kept below `target/screens/look-*`, for people to look at.

use std::time::Duration;

use fantoccini::Locator;
use palisade_access::NewUser;
use palisade_model::Secret;
use palisade_model::audit::Origin;

use super::passkeys::{code, plug_in};
use crate::support::browser::Browser;
use crate::support::{PASSWORD, Site, Upstream};

/// As long as names and addresses get in practice, and without a place to break.
const NAME: &str = "wilhelmina-alexandrina-von-hohenzollern-sigmaringen";
const EMAIL: &str =
    "wilhelmina.alexandrina.von.hohenzollern-sigmaringen@department.of.long.names.example.com";

/// Somebody at a browser, and what was found so far.
struct Visitor {
    site: Site,
    browser: Browser,
    home: String,
    faults: Vec<String>,
    _upstream: Upstream,
}

impl Visitor {
    async fn start(policy: &str) -> Self {
        Self::start_as(policy, &[]).await
    }

    async fn start_as(policy: &str, more: &[(&str, &str)]) -> Self {
        let upstream = Upstream::plain().await;
        let policy = format!(
            "{policy}\n[identify.oidc.google]\nissuer = \"http://127.0.0.1:9\"\nclient_id = \"palisade\"\n\
             client_secret = \"env:LOOKS_SECRET\"\nlabel = \"Google\"\n\
             [identify.guests]\nopen = true\ndangerous_query = [\"user_token\"]\n\
             [[route]]\npath = \"/\"\nto = \"upstream:app\"\nallow = {{ read = \"public\" }}\n\
             [[route]]\npath = \"/admin\"\nto = \"upstream:app\"\nallow = {{ read = \"admin\" }}\n\
             [[route]]\npath = \"/seldom\"\nto = \"upstream:app\"\nallow = {{ read = \"public\" }}\nlimits = [\"seldom\"]\n\
             [[route]]\npath = \"/down\"\nto = \"upstream:down\"\nallow = {{ read = \"public\" }}\n\
             [shield.limits]\nlogin = \"1000/minute\"\ndefault = \"10000/minute\"\n\
             seldom = {{ limit = \"1/hour\", by = \"address\" }}\n\
             [upstream.app]\nurl = \"http://{}\"\n[upstream.down]\nurl = \"http://127.0.0.1:9\"\n",
            upstream.address
        );
        let environment = [&[("LOOKS_SECRET", "known-to-both-0123456789abcdef")], more].concat();
        let site = Site::start_named_with("localhost", &environment, &policy).await;
        let home = format!("http://localhost:{}", site.address.port());
        Self { site, browser: Browser::start().await, home, faults: Vec::new(), _upstream: upstream }
    }

    async fn member(&self) {
        let new = NewUser {
            name: NAME.to_owned(),
            email: Some(EMAIL.to_owned()),
            email_verified: true,
            roles: Some(vec!["user".to_owned()]),
            password: Some(Secret::new(PASSWORD)),
            ..NewUser::default()
        };
        self.site.running.access.create_user(new, None, &Origin::default()).await.unwrap();
    }

    async fn open(&self, path: &str) {
        self.browser.open(&format!("{}{path}", self.home)).await;
    }

    /// The page that is shown has these words, and looks as it should.
    async fn look(&mut self, name: &str, words: &str) {
        let text = self.browser.text().await;
        assert!(text.contains(words), "{name}: no {words:?} in {text}");
        self.faults.extend(self.browser.look(&format!("look-{name}")).await);
    }

    async fn sign_in(&self, password: &str) {
        self.open("/auth/login").await;
        self.browser.fill("login", NAME).await;
        self.browser.fill("password", password).await;
        self.browser.press("form[action='/auth/login'] button").await;
    }

    /// The letters so far, oldest first, as a mail program shows them.
    fn letters(&self) -> Vec<String> {
        let mut paths: Vec<_> = std::fs::read_dir(self.site.folder.path().join("mail"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "eml"))
            .collect();
        paths.sort();
        paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }

    /// The path of the link in the newest letter, once there is one that leads there.
    async fn link(&self, to: &str) -> String {
        let start = format!("{}{to}", self.home);
        for _ in 0..100 {
            let letters = self.letters();
            if let Some((_, rest)) = letters.iter().rev().find_map(|letter| letter.split_once(&start)) {
                return format!("{to}{}", rest.split_whitespace().next().unwrap());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no letter leads to {to}");
    }

    async fn done(self) {
        self.browser.close().await;
        assert_eq!(self.faults, Vec::<String>::new());
    }
}

// proves: ID-1, ID-4, ID-6, ID-14
#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_see_looks_right() {
    let mut visitor = Visitor::start("[identify.sign_up]\nopen = true\nverify = true").await;
    visitor.member().await;
    visitor.open("/account").await;
    visitor.look("sign-in", "Continue with Google").await;
    visitor.sign_in("not-my-password").await;
    visitor.look("sign-in-wrong", "The name or the password is wrong.").await;
    visitor.open("/auth/register").await;
    visitor.look("register", "Create an account").await;
    visitor.browser.fill("name", "ada").await;
    visitor.browser.fill("email", "ada@example.com").await;
    visitor.browser.fill("password", "short").await;
    visitor.browser.press("main button").await;
    visitor.look("register-refused", "Write at least").await;
    visitor.browser.fill("password", PASSWORD).await;
    visitor.browser.press("main button").await;
    visitor.look("register-sent", "Check your mail").await;
    let link = visitor.link("/auth/confirm/").await;
    visitor.open(&link).await;
    visitor.look("register-confirm", "Confirm your address").await;

    visitor.open("/auth/forgot-password").await;
    visitor.look("forgot", "Forgot your password?").await;
    visitor.browser.fill("login", NAME).await;
    visitor.browser.press("main button").await;
    visitor.look("forgot-sent", "Check your mail").await;
    let link = visitor.link("/auth/reset-password/").await;
    visitor.open(&link).await;
    visitor.look("reset", "Set your password").await;
    visitor.open("/auth/reset-password/0123456789abcdef0123456789abcdef").await;
    visitor.look("link-invalid", "Link not valid").await;
    visitor.open("/auth/oidc/google").await;
    visitor.look("provider-down", "The other site does not answer").await;

    visitor.open("/register").await;
    visitor.look("guest", "Get a token").await;
    visitor.browser.press("main button").await;
    visitor.look("guest-made", "Your token").await;
    visitor.browser.press("main a.token").await;
    visitor.look("visit", "Coming back").await;
    visitor.browser.press("form[action='/account/visit/end'] button").await;
    visitor.look("visit-ended", "Your token was ended.").await;
    visitor.open("/auth/breakglass").await;
    visitor.look("breakglass", "For emergencies").await;

    visitor.open("/nothing").await;
    visitor.look("refused-404", "There is nothing at this address.").await;
    visitor.open("/down").await;
    visitor.look("refused-502", "Bad gateway").await;
    visitor.open("/seldom").await;
    visitor.open("/seldom").await;
    visitor.look("refused-429", "Too many requests").await;

    for _ in 0..30 {
        visitor.sign_in("not-my-password").await;
        if visitor.browser.text().await.contains("Too many failed attempts") {
            break;
        }
    }
    visitor.look("sign-in-locked", "Try again in").await;
    visitor.done().await;
}

// proves: ID-4, ID-8, ID-13, ID-16, ID-17
#[tokio::test(flavor = "multi_thread")]
async fn an_account_and_its_letters_look_right() {
    let mut visitor = Visitor::start("").await;
    visitor.member().await;
    // A session on another device.
    let (mut other, origin) = (visitor.site.client(), visitor.home.clone());
    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("login", NAME), ("password", PASSWORD)])
        .finish();
    let host = origin.trim_start_matches("http://").to_owned();
    let headers = [
        ("host", host.as_str()),
        ("origin", origin.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
        (
            "user-agent",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1",
        ),
    ];
    other.send(http::Method::POST, "/auth/login", &headers, &form).await;

    visitor.sign_in(PASSWORD).await;
    visitor.open("/account").await;
    visitor.browser.press("form[action='/auth/logout'] button").await;
    visitor.look("signed-out", "You are signed out.").await;

    visitor.sign_in(PASSWORD).await;
    visitor.open("/account").await;
    visitor.look("account", EMAIL).await;
    visitor.browser.emulate(800, &[("forced-colors", "active")]).await;
    visitor.browser.whole_picture("look-account-forced-colors").await;
    visitor.browser.fill("email", "not an address@").await;
    visitor
        .browser
        .page
        .execute("document.querySelector('main form').noValidate = true", vec![])
        .await
        .unwrap();
    visitor.browser.press("main button").await;
    visitor.look("account-refused", "Error:").await;
    visitor.browser.fill("email", "new@example.com").await;
    visitor.browser.press("main button").await;
    visitor.look("account-sent", "Check your mail").await;
    let link = visitor.link("/account/email/").await;
    visitor.open(&link).await;
    visitor.look("account-address", "new@example.com").await;

    visitor.open("/account/security").await;
    visitor.look("security", "Link Google").await;
    visitor.browser.fill("old_password", "wrong").await;
    visitor.browser.fill("new_password", "short").await;
    visitor.browser.press("main button").await;
    visitor.look("security-refused", "Error:").await;
    visitor.open("/account/sessions").await;
    visitor.look("sessions", "End all other sessions").await;
    visitor.open("/account/keys").await;
    visitor.look("keys", "You have none.").await;
    visitor.browser.fill("name", "Nightly report").await;
    visitor.browser.press("form[action='/account/keys'] button").await;
    visitor.look("keys-made", "Copy it now").await;

    plug_in(&visitor.browser).await;
    visitor.open("/account/factors").await;
    visitor.look("factors", "Two-step sign-in").await;
    visitor.browser.press("form[action='/account/factors/app'] button").await;
    visitor.look("app", "Scan this").await;
    let key = visitor.browser.page.find(Locator::Css("main code")).await.unwrap().text().await.unwrap();
    visitor.browser.fill("code", &code(&key, 0)).await;
    visitor.browser.press("main button").await;
    visitor.look("codes", "They are not shown again").await;
    visitor.browser.print("look-codes-print").await;
    visitor.open("/account/factors").await;
    visitor.browser.fill("name", "My laptop").await;
    visitor.browser.press("form[data-passkey=create] button").await;
    visitor.look("factors-all", "My laptop").await;
    visitor.open("/auth/confirm").await;
    visitor.look("confirm", "Confirm that it is you").await;
    visitor.open("/admin").await;
    visitor.look("refused-403", "You are not allowed").await;
    // The authenticator would consent to signing in again by itself.
    visitor.browser.page.delete_all_cookies().await.unwrap();

    let access = &visitor.site.running.access;
    let made =
        access.issue_breakglass("to look at it", Duration::from_secs(600), &Origin::default()).await.unwrap();
    visitor.open("/auth/breakglass").await;
    visitor.browser.fill("token", made.token.expose()).await;
    visitor.browser.press("main button").await;
    visitor.open("/account/keys").await;
    visitor.look("breakglass-inside", "Breakglass session").await;

    for (number, letter) in visitor.letters().iter().enumerate() {
        let (_, html) = letter.split_once("Content-Type: text/html").unwrap();
        let html = &html[html.find("<!doctype").unwrap()..html.find("</html>").unwrap() + 7];
        let file = visitor.site.folder.path().join("letter.html");
        std::fs::write(&file, html).unwrap();
        visitor.browser.open(&format!("file://{}", file.display())).await;
        visitor.look(&format!("letter-{number}"), "Test").await;
    }
    visitor.done().await;
}

// A yellow that nobody could read on white, and a logo of its own.
// proves: ID-1, HEAD-1
#[tokio::test(flavor = "multi_thread")]
async fn pages_and_letters_in_an_applications_own_colours_look_right() {
    let folder = tempfile::tempdir().unwrap();
    let logo = folder.path().join("logo.svg");
    std::fs::write(
        &logo,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 120 40\"><rect width=\"120\" height=\"40\" rx=\"8\" \
         fill=\"#ffcc00\"/><circle cx=\"20\" cy=\"20\" r=\"12\" fill=\"#222\"/><path d=\"M40 12h68v4h-68zM40 24h48v4h-48z\" \
         fill=\"#222\"/></svg>",
    )
    .unwrap();
    let policy = "[identify.sign_up]\nopen = true\nverify = true";
    let mut visitor = Visitor::start_as(
        policy,
        &[("PALISADE_APP__ACCENT", "#ffcc00"), ("PALISADE_APP__LOGO", logo.to_str().unwrap())],
    )
    .await;
    visitor.member().await;
    visitor.open("/auth/login").await;
    visitor.look("accent-sign-in", "Continue with Google").await;
    visitor.open("/auth/register").await;
    visitor.browser.fill("name", "ada").await;
    visitor.browser.fill("email", "ada@example.com").await;
    visitor.browser.fill("password", PASSWORD).await;
    visitor.browser.press("main button").await;
    visitor.look("accent-sent", "Check your mail").await;
    let _ = visitor.link("/auth/confirm/").await;
    visitor.sign_in(PASSWORD).await;
    visitor.open("/account").await;
    visitor.look("accent-account", EMAIL).await;
    visitor.open("/account/sessions").await;
    visitor.look("accent-sessions", "Devices").await;

    // Opened by itself the logo runs nothing.
    let page = visitor
        .site
        .client()
        .send(
            http::Method::GET,
            "/auth/login",
            &[super::HTML, ("host", visitor.home.trim_start_matches("http://"))],
            "",
        )
        .await;
    let path = page
        .text()
        .split_once("class=\"logo\" src=\"")
        .expect("no logo")
        .1
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let host = visitor.home.trim_start_matches("http://").to_owned();
    let shown = visitor.site.client().send(http::Method::GET, &path, &[("host", &host)], "").await;
    assert_eq!(shown.header("content-type"), Some("image/svg+xml"));
    assert_eq!(shown.header("x-content-type-options"), Some("nosniff"));
    let csp = shown.header("content-security-policy").unwrap();
    assert!(csp.contains("default-src 'none'") && csp.contains("sandbox"), "{csp}");

    let letter = visitor.letters().remove(0);
    let (_, html) = letter.split_once("Content-Type: text/html").unwrap();
    let html = &html[html.find("<!doctype").unwrap()..html.find("</html>").unwrap() + 7];
    assert!(!html.contains("#0b6549"), "the usual colour");
    let file = visitor.site.folder.path().join("letter.html");
    std::fs::write(&file, html).unwrap();
    visitor.browser.open(&format!("file://{}", file.display())).await;
    visitor.look("accent-letter", "Test").await;
    visitor.done().await;
}
