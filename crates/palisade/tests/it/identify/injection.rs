//! Whatever is typed, a letter goes to one recipient, with our headers alone, and leads to this site: a real mail server
//! tells whom it was told.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{Method, StatusCode};
use palisade_access::NewUser;
use palisade_model::Secret;
use palisade_model::audit::Origin;
use serde_json::{Value, json};

use super::{FORM, HTML, encoded, post};
use crate::support::process::{Program, mail};
use crate::support::{Answer, Client, PASSWORD, Site, Upstream, public};

/// What stands in the head of a letter, and nothing else.
const HEADERS: [&str; 8] =
    ["auto-submitted", "content-type", "date", "from", "message-id", "mime-version", "subject", "to"];

/// Whoever gets a letter that was not for them.
const MALLORY: &str = "mallory@evil.example";

struct Office {
    site: Site,
    inbox: tempfile::TempDir,
    _server: Program,
}

/// A letter as the server got it.
struct Got {
    recipients: Vec<String>,
    text: String,
}

impl Office {
    async fn open() -> Self {
        let inbox = tempfile::tempdir().unwrap();
        let server = mail(inbox.path(), &[]);
        let policy = format!(
            "[identify.sign_up]\nopen = true\nverify = true\n[identify.lockout]\nenabled = false\n\
             [identify.passwords]\nmemory = \"64KiB\"\npasses = 1\n[shield.limits]\nlogin = \"100000/minute\"\n\
             default = \"100000/minute\"\n[mail]\nserver = \"smtp://127.0.0.1:{}\"\n{}",
            server.port,
            public(Upstream::plain().await.address)
        );
        let site = Site::start(&policy).await;
        for name in ["eva", "otto"] {
            let new = NewUser {
                name: name.to_owned(),
                email: Some(format!("{name}@example.com")),
                email_verified: true,
                roles: Some(vec!["user".to_owned()]),
                password: Some(Secret::new(PASSWORD)),
                ..NewUser::default()
            };
            site.running.access.create_user(new, None, &Origin::default()).await.unwrap();
        }
        Self { site, inbox, _server: server }
    }

    async fn signed_in(&self, login: &str) -> (Client, String) {
        let mut client = self.site.client();
        post(&self.site, &mut client, "/auth/login", &[("login", login), ("password", PASSWORD)]).await;
        let csrf = client.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
        (client, csrf)
    }

    async fn json(&self, path: &str, body: &Value) -> Answer {
        self.site
            .client()
            .send(Method::POST, path, &[("content-type", "application/json")], &body.to_string())
            .await
    }

    /// Everything that was queued has arrived.
    async fn letters(&self) -> Vec<Got> {
        for _ in 0..200 {
            if self.site.running.access.mail_outlook().await.unwrap().waiting == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(
            self.site.running.access.mail_outlook().await.unwrap().waiting,
            0,
            "a letter cannot be sent"
        );
        let paths = std::fs::read_dir(self.inbox.path()).unwrap().map(|entry| entry.unwrap().path());
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        let mut paths: Vec<PathBuf> = paths.filter(|path| !name(path).starts_with('.')).collect();
        paths.sort();
        paths
            .iter()
            .map(|path| {
                let envelope = path.with_file_name(format!(".{}.envelope", name(path)));
                let envelope = std::fs::read_to_string(envelope).unwrap();
                Got {
                    recipients: envelope.lines().skip(1).map(str::to_owned).collect(),
                    text: String::from_utf8(std::fs::read(path).unwrap()).unwrap(),
                }
            })
            .collect()
    }

    /// Each letter is one of ours, to one of these.
    async fn all_are_proper(&self, recipients: &[&str]) -> usize {
        let letters = self.letters().await;
        let home = format!("http://{}/", self.site.address);
        for letter in &letters {
            let [to] = letter.recipients.as_slice() else { panic!("{:?}", letter.recipients) };
            assert!(recipients.contains(&to.as_str()), "to {to}: {}", letter.text);
            let (head, body) = letter.text.split_once("\r\n\r\n").unwrap();
            let lines: Vec<&str> = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t'])).collect();
            let names: Vec<String> =
                lines.iter().map(|line| line.split(':').next().unwrap().to_ascii_lowercase()).collect();
            assert_eq!(names.len(), HEADERS.len(), "{head}");
            assert_eq!(
                names.iter().map(String::as_str).collect::<BTreeSet<_>>(),
                HEADERS.into_iter().collect()
            );
            assert!(lines.contains(&format!("To: {to}").as_str()), "{head}");
            assert!(
                !head.contains("evil") && !head.chars().any(|c| c.is_control() && !"\r\n\t".contains(c)),
                "{head}"
            );
            for line in body.lines() {
                let line = line.to_ascii_lowercase();
                assert!(
                    !["bcc:", "cc:", "to:", "subject:"].iter().any(|name| line.starts_with(name)),
                    "{body}"
                );
            }
            // Every address that a mail program makes a link of leads here.
            for (at, _) in letter.text.match_indices("http") {
                let rest = &letter.text[at..];
                let is_link = rest.starts_with("http://") || rest.starts_with("https://");
                assert!(!is_link || rest.starts_with(&home), "{}", &rest[..rest.len().min(80)]);
            }
            assert!(
                !letter.text.contains("<script") && !letter.text.contains("evil.example/"),
                "{}",
                letter.text
            );
        }
        letters.len()
    }
}

/// Addresses that a careless program would make two recipients or a header of.
fn bent() -> Vec<String> {
    let mut all: Vec<String> =
        ["\r\n", "\n", "\r", "\0", "\u{85}", "\u{2028}", "\u{2029}", "\u{b}", "\u{c}", "\r\n\r\n"]
            .iter()
            .flat_map(|end| {
                [
                    format!("eva@example.com{end}Bcc: {MALLORY}"),
                    format!("eva{end}@example.com"),
                    format!("Bcc: {MALLORY}{end}eva@example.com"),
                    format!("eva@example.com{end} {MALLORY}"),
                ]
            })
            .collect();
    all.extend(
        [
            "eva@example.com,mallory@evil.example",
            "eva@example.com;mallory@evil.example",
            "eva@example.com mallory@evil.example",
            "eva@example.com\u{ff0c}mallory@evil.example",
            "mallory@evil.example,eva@example.com",
            "<mallory@evil.example>eva@example.com",
            "eva@example.com<mallory@evil.example>",
            "eva@example.com>,<mallory@evil.example",
            "eva@example.com> RCPT TO:<mallory@evil.example",
            "Eva <mallory@evil.example>",
            "\"eva@example.com\" <mallory@evil.example>",
            "\"mallory@evil.example,\"@example.com",
            "eva(mallory@evil.example)@example.com",
            "eva@example.com(@evil.example)",
            "@evil.example:eva@example.com",
            "eva%mallory@evil.example@example.com",
            "eva@evil.example@example.com",
            "eva@example.com\u{ff20}evil.example",
            "=?utf-8?q?eva=0d=0aBcc:_mallory=40evil.example?=",
            "=?utf-8?b?ZXZhQGV4YW1wbGUuY29t?= <mallory@evil.example>",
            "group:eva@example.com,mallory@evil.example;",
            "=?utf-8?q?eva?=@example.com",
            "=?utf-8?q?mallory=40evil.example=3e=20?=@example.com",
            "=?x?q?mallory=40evil.example=3e=00?foo@example.com",
            "mallory%evil.example@example.com",
            "evil.example!mallory@example.com",
            "eva@example.com\t",
            "eva@[127.0.0.1]",
            "eva@example.com/evil",
        ]
        .map(str::to_owned),
    );
    all
}

// proves: ID-4, HEAD-1
#[tokio::test(flavor = "multi_thread")]
async fn no_address_becomes_two_recipients_or_a_header_on_any_way() {
    let office = Office::open().await;
    let (mut eva, csrf) = office.signed_in("eva").await;
    for (n, address) in bent().iter().enumerate() {
        let body = json!({ "name": format!("new{n}"), "email": address, "password": PASSWORD });
        let made = office.json("/api/v1/auth/register", &body).await;
        let forgot = office.json("/api/v1/auth/forgot-password", &json!({ "login": address })).await;
        assert_eq!(forgot.status, StatusCode::ACCEPTED, "{address:?}");
        let asked =
            post(&office.site, &mut eva, "/account/email", &[("email", address), ("csrf_token", &csrf)])
                .await;
        // Blanks around it are the only thing that is forgiven.
        let forgiven = address.trim() == "eva@example.com";
        if !forgiven {
            assert_eq!(made.status, StatusCode::UNPROCESSABLE_ENTITY, "{address:?}: {}", made.text());
            assert!(matches!(asked.status.as_u16(), 403 | 422), "{address:?}: {}", asked.status);
        }
        assert!(!made.headers.contains_key("bcc"), "{address:?}");
    }
    office.all_are_proper(&["eva@example.com"]).await;
}

/// Odd but right addresses are one mailbox each, and get their letter.
// proves: ID-4
#[tokio::test(flavor = "multi_thread")]
async fn an_odd_address_that_is_one_gets_its_one_letter() {
    let office = Office::open().await;
    let odd = ["-oqfile@example.com", "a'or'1=1@example.com", "{a|b}@example.com", "a+b@example.com"];
    for (n, address) in odd.iter().enumerate() {
        let body = json!({ "name": format!("new{n}"), "email": address, "password": PASSWORD });
        let made = office.json("/api/v1/auth/register", &body).await;
        assert_eq!(made.status, StatusCode::ACCEPTED, "{address}: {}", made.text());
    }
    assert_eq!(office.all_are_proper(&odd).await, odd.len());
}

/// Names, names of keys, the browser's own name, `next`: people and applications choose them, and they stand in the text
/// alone, if anywhere.
// proves: ID-4, HEAD-1
#[tokio::test(flavor = "multi_thread")]
async fn what_people_call_things_stays_out_of_the_head() {
    let office = Office::open().await;
    let ends = ["\r\n", "\n", "\r", "\0", "\u{85}", "\u{2028}"];
    for (n, end) in ends.iter().enumerate() {
        for name in [format!("new{n}{end}Bcc: {MALLORY}"), format!("{end}new{n}"), format!("new{n}{end}")] {
            let body = json!({ "name": name, "email": format!("n{n}@example.com"), "password": PASSWORD });
            let made = office.json("/api/v1/auth/register", &body).await;
            let forgiven = name.trim() == format!("new{n}");
            assert!(forgiven || made.status == StatusCode::UNPROCESSABLE_ENTITY, "{name:?}: {}", made.status);
        }
    }
    let fields = [
        ("name", "olga"),
        ("email", "olga@example.com"),
        ("password", PASSWORD),
        ("next", "//evil.example/\r\nBcc: mallory@evil.example"),
    ];
    let own = format!("http://{}", office.site.address);
    let agent = "=?utf-8?q?=0d=0aBcc:_mallory=40evil.example?= <script>http://evil.example/</script>";
    let headers = [("content-type", FORM), ("origin", own.as_str()), HTML, ("user-agent", agent)];
    let made = office.site.client().send(Method::POST, "/auth/register", &headers, &encoded(&fields)).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    let forgot = encoded(&[("login", "eva")]);
    office.site.client().send(Method::POST, "/auth/forgot-password", &headers, &forgot).await;

    let (mut eva, csrf) = office.signed_in("eva").await;
    for end in ["", "\r\n", "\n", "\0", "\u{2028}"] {
        let name = format!("report{end}Bcc: {MALLORY} <script>http://evil.example/</script>");
        let body = json!({ "name": name, "scopes": "read" }).to_string();
        let headers =
            [("content-type", "application/json"), ("origin", own.as_str()), ("x-csrf-token", csrf.as_str())];
        let made = eva.send(Method::POST, "/api/v1/auth/keys", &headers, &body).await;
        assert!(made.status.as_u16() < 500, "{end:?}: {}", made.text());
        if !end.is_empty() {
            assert_eq!(made.status, StatusCode::UNPROCESSABLE_ENTITY, "{end:?}: {}", made.text());
        }
    }
    let all: Vec<String> = (0..ends.len()).map(|n| format!("n{n}@example.com")).collect();
    let mut recipients: Vec<&str> = all.iter().map(String::as_str).collect();
    recipients.extend(["eva@example.com", "olga@example.com"]);
    assert!(office.all_are_proper(&recipients).await >= 2);
}

/// Whatever host a request claims on whichever way, the link leads to `base_url`.
// proves: ID-4
#[tokio::test(flavor = "multi_thread")]
async fn no_claimed_host_gets_into_a_letter() {
    let office = Office::open().await;
    let (eva, csrf) = office.signed_in("eva").await;
    let own = format!("http://{}", office.site.address);
    for (n, (name, value)) in [
        ("host", "evil.example"),
        ("host", "evil.example:80"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-server", "evil.example"),
        ("x-forwarded-prefix", "//evil.example"),
        ("x-original-host", "evil.example"),
        ("x-host", "evil.example"),
        ("x-http-host-override", "evil.example"),
        ("x-rewrite-url", "http://evil.example/"),
        ("forwarded", "host=evil.example;proto=https"),
        ("referer", "http://evil.example/auth/forgot-password"),
        ("via", "1.1 evil.example"),
    ]
    .into_iter()
    .enumerate()
    {
        let headers =
            [("content-type", FORM), ("origin", own.as_str()), HTML, (name, value), ("x-csrf-token", &csrf)];
        let email = format!("new{n}@example.com");
        for (path, body) in [
            ("/auth/forgot-password", encoded(&[("login", "otto")])),
            (
                "/auth/register",
                encoded(&[("name", &format!("new{n}")), ("email", &email), ("password", PASSWORD)]),
            ),
            ("/account/email", encoded(&[("email", &format!("eva{n}@example.com"))])),
        ] {
            let answer = eva.clone().send(Method::POST, path, &headers, &body).await;
            let wanted = if name == "host" { 421 } else { 200 };
            assert_eq!(answer.status.as_u16(), wanted, "{name} {path}: {}", answer.text());
        }
    }
    let mut to: Vec<String> = (0..13).map(|n| format!("new{n}@example.com")).collect();
    to.extend((0..13).map(|n| format!("eva{n}@example.com")));
    to.push("otto@example.com".into());
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    assert!(office.all_are_proper(&to).await > 13);
}
