//! Letters and what their links do: reset, confirmed registration, another address; and the attacks on each.

use std::path::PathBuf;
use std::time::Duration;

use http::{Method, StatusCode};
use palisade_access::NewUser;
use palisade_model::Secret;
use palisade_model::audit::Origin;
use palisade_store::{AuditQuery, AuditRow};

use super::{FORM, HTML, encoded, open, post};
use crate::support::browser::Browser;
use crate::support::{Answer, Client, PASSWORD, Site, Upstream};

const NEW: &str = "granite lantern oboe 58 B!";

/// Letters go to the site's folder, addresses are confirmed first, and nobody is slowed down.
pub async fn site() -> Site {
    let policy = open(&Upstream::plain().await, "1000/minute");
    Site::start(&policy.replace("open = true\n", "open = true\nverify = true\n")).await
}

pub async fn member(site: &Site, name: &str, email_verified: bool) {
    let new = NewUser {
        name: name.to_owned(),
        email: Some(format!("{name}@example.com")),
        email_verified,
        roles: Some(vec!["user".to_owned()]),
        password: Some(Secret::new(PASSWORD)),
        ..NewUser::default()
    };
    site.running.access.create_user(new, None, &Origin::default()).await.unwrap();
}

fn folder(site: &Site) -> PathBuf {
    site.folder.path().join("mail")
}

/// The letters so far, oldest first.
fn letters(site: &Site) -> Vec<String> {
    let mut paths: Vec<_> = std::fs::read_dir(folder(site))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "eml"))
        .collect();
    // Their names begin with their time.
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// Waits until there are so many letters, and a little longer, in case there are more.
pub async fn arrived(site: &Site, number: usize) -> Vec<String> {
    for _ in 0..100 {
        if letters(site).len() >= number {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_millis(150)).await;
    let letters = letters(site);
    assert_eq!(letters.len(), number, "{letters:#?}");
    letters
}

/// The path of the link in a letter, which is there once in each of its forms.
pub fn link(site: &Site, letter: &str) -> String {
    let home = format!("http://{}/", site.address);
    assert_eq!(letter.matches(&home).count(), 2, "once in the text and once in the HTML: {letter}");
    let rest = &letter[letter.find(&home).unwrap() + home.len() - 1..];
    rest.split_whitespace().next().unwrap().to_owned()
}

async fn forgot(site: &Site, login: &str) -> Answer {
    post(site, &mut site.client(), "/auth/forgot-password", &[("login", login)]).await
}

async fn rows(site: &Site) -> Vec<AuditRow> {
    site.running.store.audit_rows(&AuditQuery::default()).await.unwrap()
}

async fn signs_in(site: &Site, login: &str, password: &str) -> bool {
    let mut client = site.client();
    let done = post(site, &mut client, "/auth/login", &[("login", login), ("password", password)]).await;
    done.status == StatusCode::SEE_OTHER
}

fn settled(answer: &Answer) -> (StatusCode, usize, Vec<String>, String) {
    let names = answer.headers.keys().map(ToString::to_string).collect();
    let (head, tail) = answer.text().split_once("nonce=\"").unwrap();
    let text = format!("{head}{}", tail.split_once('"').unwrap().1);
    (answer.status, answer.body.len(), names, text)
}

// proves: ID-4
#[tokio::test]
async fn a_forgotten_password_is_set_by_mail_and_everything_else_ends() {
    let site = site().await;
    member(&site, "eva", true).await;
    let mut before = site.client();
    post(&site, &mut before, "/auth/login", &[("login", "eva"), ("password", PASSWORD)]).await;
    let json = [("content-type", "application/json")];
    let body = format!(r#"{{"login":"eva","password":"{PASSWORD}"}}"#);
    let tokens = site.client().send(Method::POST, "/api/v1/auth/login", &json, &body).await.json();

    assert_eq!(forgot(&site, "EVA@example.com").await.status, StatusCode::OK);
    let letter = arrived(&site, 1).await.remove(0);
    for header in [
        "To: eva@example.com\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "Subject: Set a new password for Test\r\n",
    ] {
        assert!(letter.contains(header), "{header} in {letter}");
    }
    let path = link(&site, &letter);
    assert!(path.starts_with("/auth/reset-password/"), "{path}");

    // Programs that read mail look at links: that uses nothing up.
    for _ in 0..3 {
        let page = site.client().send(Method::GET, &path, &[HTML], "").await;
        assert_eq!((page.status, page.header("referrer-policy")), (StatusCode::OK, Some("strict-origin")));
        assert_eq!(page.header("cache-control"), Some("no-store"));
    }
    let mut client = site.client();
    let weak = post(&site, &mut client, &path, &[("password", "weak")]).await;
    assert_eq!(weak.status, StatusCode::UNPROCESSABLE_ENTITY);
    let done = post(&site, &mut client, &path, &[("password", NEW)]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    assert_eq!(client.get("/api/v1/auth/me").await.json()["name"], "eva");

    assert_eq!(before.get("/api/v1/auth/me").await.status, StatusCode::UNAUTHORIZED, "a session went on");
    let refresh = format!(r#"{{"refresh_token":{}}}"#, tokens["refresh_token"]);
    let refreshed = site.client().send(Method::POST, "/api/v1/auth/refresh", &json, &refresh).await;
    assert_eq!(refreshed.status, StatusCode::UNAUTHORIZED, "a refresh token went on");
    assert!(!signs_in(&site, "eva", PASSWORD).await && signs_in(&site, "eva", NEW).await);
    let again = post(&site, &mut site.client(), &path, &[("password", PASSWORD)]).await;
    assert_eq!(again.status, StatusCode::GONE);
    assert!(signs_in(&site, "eva", NEW).await, "a used link set a password");
    let notice = arrived(&site, 2).await.remove(1);
    assert!(
        notice.contains("Your password was changed") && !notice.contains("/auth/reset-password"),
        "{notice}"
    );
}

// proves: ID-4
#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_who_use_a_link_at_once_one_sets_the_password() {
    let site = std::sync::Arc::new(site().await);
    member(&site, "eva", true).await;
    forgot(&site, "eva").await;
    let path = link(&site, &arrived(&site, 1).await[0]);
    let token = path.rsplit('/').next().unwrap().to_owned();
    let tries: Vec<_> = (0..50)
        .map(|n| {
            let (site, token) = (site.clone(), token.clone());
            tokio::spawn(async move {
                let body = format!(r#"{{"token":"{token}","password":"granite lantern oboe {n} B!"}}"#);
                let headers = [("content-type", "application/json")];
                let answer =
                    site.client().send(Method::POST, "/api/v1/auth/reset-password", &headers, &body).await;
                answer.status
            })
        })
        .collect();
    let mut done = 0;
    for one in tries {
        match one.await.unwrap() {
            StatusCode::NO_CONTENT => done += 1,
            StatusCode::GONE | StatusCode::SERVICE_UNAVAILABLE => {}
            other => panic!("{other}"),
        }
    }
    assert_eq!(done, 1);
    let rows = rows(&site).await;
    assert_eq!(rows.iter().filter(|row| row.action == "user.password_changed").count(), 1);
    assert_eq!(rows.iter().filter(|row| row.action == "link.used").count(), 1);
}

// proves: ID-4
#[tokio::test]
async fn links_lead_to_the_policys_address_whatever_host_a_request_claims() {
    let site = site().await;
    member(&site, "eva", true).await;
    let own = format!("http://{}", site.address);
    for (name, value) in [
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example"),
        ("x-host", "evil.example"),
        ("x-original-url", "http://evil.example/"),
    ] {
        let headers = [("content-type", FORM), ("origin", own.as_str()), HTML, (name, value)];
        let body = encoded(&[("login", "eva")]);
        site.client().send(Method::POST, "/auth/forgot-password", &headers, &body).await;
    }
    let headers = [("content-type", FORM), ("host", "evil.example"), HTML];
    let refused = site
        .client()
        .send(Method::POST, "/auth/forgot-password", &headers, &encoded(&[("login", "eva")]))
        .await;
    assert_eq!(refused.status, StatusCode::MISDIRECTED_REQUEST);
    for letter in arrived(&site, 3).await {
        assert!(!letter.contains("evil"), "{letter}");
        link(&site, &letter);
    }
}

// Three letters an hour reach a mailbox through us, and the answer stays what it is.
// proves: ID-4
#[tokio::test]
async fn asking_tells_nothing_of_who_exists_and_fills_no_mailbox() {
    let site = site().await;
    member(&site, "eva", true).await;
    member(&site, "otto", true).await;
    let otto = site.running.store.user_by_login("otto").await.unwrap().unwrap();
    site.running.access.disable(otto.id, None, &Origin::default()).await.unwrap();
    let before = rows(&site).await.len();
    let asked = [
        "eva",
        "eva@example.com",
        "EVA",
        "eva",
        "nobody",
        "otto",
        "nobody@example.com",
        "eva'--",
        "\u{202e}",
    ];
    let mut answers = Vec::new();
    for login in asked {
        let answer = forgot(&site, login).await;
        assert!(!answer.text().contains("eva"), "what was typed came back");
        answers.push(settled(&answer));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
    assert_eq!(answers[0].0, StatusCode::OK);
    let letters = arrived(&site, 3).await;
    assert!(letters.iter().all(|letter| letter.contains("To: eva@example.com")));
    let rows = rows(&site).await;
    assert_eq!(rows.len(), before + asked.len(), "one row for each");
    assert!(rows[before..].iter().all(|row| row.action == "user.reset_requested" && row.user.is_none()));

    let huge = forgot(&site, &"a".repeat(1 << 20)).await;
    assert_eq!(huge.status, StatusCode::PAYLOAD_TOO_LARGE);
    let injected = forgot(&site, "eva@example.com\r\nBcc: mallory@example.com").await;
    assert_eq!(settled(&injected), answers[0]);
    arrived(&site, 3).await;
}

async fn register(site: &Site, name: &str, email: &str, password: &str) -> Answer {
    let fields = [("name", name), ("email", email), ("password", password)];
    post(site, &mut site.client(), "/auth/register", &fields).await
}

// proves: ID-1, ID-4
#[tokio::test]
async fn registering_tells_nothing_of_who_exists_and_makes_nobody_before_the_address_is_confirmed() {
    let site = site().await;
    member(&site, "eva", true).await;
    let free = register(&site, "otto", "otto@example.com", PASSWORD).await;
    let taken_address = register(&site, "olga", "EVA@example.com", PASSWORD).await;
    let taken_name = register(&site, "eva", "other@example.com", PASSWORD).await;
    assert_eq!(free.status, StatusCode::OK);
    assert_eq!(settled(&free), settled(&taken_address));
    assert_eq!(settled(&free), settled(&taken_name));
    assert!(
        site.running.store.user_by_login("otto").await.unwrap().is_none(),
        "made before it was confirmed"
    );
    let letters = arrived(&site, 3).await;
    assert!(letters[1].contains("You already have an account") && letters[1].contains("To: EVA@example.com"));
    let path = link(&site, &letters[0]);
    assert!(path.starts_with("/auth/confirm/"), "{path}");

    // Whoever reads the mail and did not register makes nothing of it.
    let stranger = post(&site, &mut site.client(), &path, &[("name", "otto"), ("password", NEW)]).await;
    assert_eq!(stranger.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(site.running.store.user_by_login("otto").await.unwrap().is_none());
    let mut client = site.client();
    let done = post(&site, &mut client, &path, &[("name", "otto"), ("password", PASSWORD)]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    assert_eq!(client.get("/api/v1/auth/me").await.json()["name"], "otto");
    let otto = site.running.store.user_by_login("otto@example.com").await.unwrap().unwrap();
    assert!(otto.email_verified_at.is_some());
    let again = post(&site, &mut site.client(), &path, &[("name", "otto2"), ("password", PASSWORD)]).await;
    assert_eq!(again.status, StatusCode::GONE);

    // The name was taken all along: the mailbox's owner chooses another.
    let path = link(&site, &letters[2]);
    let taken = post(&site, &mut site.client(), &path, &[("name", "eva"), ("password", PASSWORD)]).await;
    assert_eq!(taken.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", taken.text());
    let done = post(&site, &mut site.client(), &path, &[("name", "eve"), ("password", PASSWORD)]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
}

/// The token in the account page's forms.
async fn csrf(client: &mut Client) -> String {
    let page = client.send(Method::GET, "/account", &[HTML], "").await;
    let (_, rest) = page.text().split_once(r#"name="csrf_token" value=""#).expect("a token in the page");
    rest.split_once('"').unwrap().0.to_owned()
}

async fn signed_in(site: &Site, login: &str) -> Client {
    let mut client = site.client();
    post(site, &mut client, "/auth/login", &[("login", login), ("password", PASSWORD)]).await;
    client
}

// proves: ID-4, ID-8
#[tokio::test]
async fn an_address_changes_when_its_mailbox_answers_and_the_former_one_can_have_it_back() {
    let site = site().await;
    member(&site, "eva", true).await;
    member(&site, "mallory", true).await;
    let (mut here, mut there) = (signed_in(&site, "eva").await, signed_in(&site, "eva").await);
    let token = csrf(&mut here).await;
    let asked =
        post(&site, &mut here, "/account/email", &[("email", "new@example.com"), ("csrf_token", &token)])
            .await;
    assert_eq!(asked.status, StatusCode::OK, "{}", asked.text());
    let path = link(&site, &arrived(&site, 1).await[0]);
    assert_eq!(there.get("/api/v1/auth/me").await.json()["email"], "eva@example.com", "changed too early");

    // Another's link is nothing to whoever is signed in as somebody else.
    let mut mallory = signed_in(&site, "mallory").await;
    let stolen = csrf(&mut mallory).await;
    let refused = post(&site, &mut mallory, &path, &[("csrf_token", &stolen)]).await;
    assert_eq!(refused.status, StatusCode::GONE);

    let done = post(&site, &mut here, &path, &[("csrf_token", &token)]).await;
    assert_eq!(done.header("location"), Some("/account?done=email"), "{}", done.text());
    assert_eq!(here.get("/api/v1/auth/me").await.json()["email"], "new@example.com");
    assert_eq!(
        there.get("/api/v1/auth/me").await.status,
        StatusCode::UNAUTHORIZED,
        "another session went on"
    );
    assert!(
        signs_in(&site, "new@example.com", PASSWORD).await
            && !signs_in(&site, "eva@example.com", PASSWORD).await
    );

    let notice = arrived(&site, 2).await.remove(1);
    assert!(notice.contains("To: eva@example.com") && !notice.contains("new@example.com"), "{notice}");
    let undo = link(&site, &notice);
    // Whoever took the account changes the password too: that does not help them.
    let token = csrf(&mut here).await;
    let fields = [("old_password", PASSWORD), ("new_password", NEW), ("csrf_token", &token)];
    assert_eq!(post(&site, &mut here, "/account/password", &fields).await.status, StatusCode::SEE_OTHER);
    let back = post(&site, &mut site.client(), &undo, &[("password", "velvet anchor piano 77 C?")]).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER, "{:?}", site.events().last());
    assert!(signs_in(&site, "eva@example.com", "velvet anchor piano 77 C?").await);
    assert!(!signs_in(&site, "new@example.com", NEW).await);
    assert_eq!(
        here.get("/api/v1/auth/me").await.status,
        StatusCode::UNAUTHORIZED,
        "the thief's session went on"
    );
}

// proves: EDGE-8, ID-4
#[tokio::test]
async fn old_paths_work_and_say_that_they_go() {
    let site = site().await;
    member(&site, "eva", true).await;
    let json = [("content-type", "application/json")];
    let right = format!(r#"{{"email":"eva@example.com","password":"{PASSWORD}"}}"#);
    let sign_up = format!(r#"{{"username":"otto","email":"otto@example.com","password":"{PASSWORD}"}}"#);
    for (old, new, body, status) in [
        ("/auth/api_login", "/api/v1/auth/login", right.as_str(), 200),
        ("/api/login", "/api/v1/auth/login", &right, 200),
        ("/auth/api_signup", "/api/v1/auth/register", &sign_up, 202),
        ("/api/signup", "/api/v1/auth/register", &sign_up, 202),
        ("/auth/api_forgot_password", "/api/v1/auth/forgot-password", r#"{"email":"eva"}"#, 202),
        ("/api/forgot_password", "/api/v1/auth/forgot-password", r#"{"email":"eva"}"#, 202),
    ] {
        let answer = site.client().send(Method::POST, old, &json, body).await;
        assert_eq!(answer.status.as_u16(), status, "{old}: {}", answer.text());
        assert_eq!(answer.header("deprecation"), Some("@1795305600"), "{old}");
        assert_eq!(answer.header("sunset"), Some("Fri, 31 Dec 2027 00:00:00 GMT"), "{old}");
        assert_eq!(answer.header("link"), Some(format!("<{new}>; rel=\"successor-version\"").as_str()));
    }
    // The names of old belong to the old paths alone.
    let strict = site.client().send(Method::POST, "/api/v1/auth/login", &json, &right).await;
    assert_eq!(strict.status, StatusCode::UNPROCESSABLE_ENTITY);
}

// proves: ID-4
#[tokio::test]
async fn where_no_mail_is_sent_people_are_told_whom_to_ask() {
    let policy = open(&Upstream::plain().await, "1000/minute") + "\n[mail]\nserver = \"off\"\n";
    let site = Site::start(&policy).await;
    member(&site, "eva", true).await;
    let page = site.client().send(Method::GET, "/auth/forgot-password", &[HTML], "").await;
    assert!(
        page.text().contains("Ask an administrator") && !page.text().contains("<form"),
        "{}",
        page.text()
    );
    let json = [("content-type", "application/json")];
    let answer =
        site.client().send(Method::POST, "/api/v1/auth/forgot-password", &json, r#"{"login":"eva"}"#).await;
    site.assert_refused(&answer, 403, "identify.mail_off");
    assert!(!folder(&site).exists());
    assert_eq!(site.client().get("/readyz").await.json()["components"].get("mail"), None);
}

// proves: ID-4
#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_forgot_the_password_gets_in_again_in_chromium() {
    let site = site().await;
    member(&site, "eva", true).await;
    let home = format!("http://{}", site.address);
    let browser = Browser::start().await;
    browser.open(&format!("{home}/auth/login")).await;
    browser.press("a[href='/auth/forgot-password']").await;
    browser.picture("mail-1-forgot").await;
    assert_eq!(browser.accessibility_faults().await, Vec::<String>::new());
    browser.fill("login", "eva@example.com").await;
    browser.press("button[type=submit]").await;
    assert!(browser.text().await.contains("Check your mail"), "{}", browser.text().await);
    browser.picture("mail-2-sent").await;
    assert_eq!(browser.accessibility_faults().await, Vec::<String>::new());

    let letter = arrived(&site, 1).await.remove(0);
    let (_, html) = letter.split_once("Content-Type: text/html").unwrap();
    let html = &html[html.find("<!doctype").unwrap()..html.find("</html>").unwrap() + 7];
    let file = site.folder.path().join("letter.html");
    std::fs::write(&file, html).unwrap();
    browser.open(&format!("file://{}", file.display())).await;
    browser.picture("mail-3-letter").await;
    assert_eq!(browser.accessibility_faults().await, Vec::<String>::new());

    browser.open(&format!("{home}{}", link(&site, &letter))).await;
    browser.picture("mail-4-reset").await;
    assert_eq!(browser.accessibility_faults().await, Vec::<String>::new());
    browser.fill("password", NEW).await;
    browser.press("button[type=submit]").await;
    browser.open(&format!("{home}/account")).await;
    assert!(browser.text().await.contains("eva@example.com"), "{}", browser.text().await);
    browser.picture("mail-5-account").await;
    assert_eq!(browser.accessibility_faults().await, Vec::<String>::new());
    browser.close().await;
}
