//! The second step after a provider, and what the owner of an account reads of it in a real mailbox.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use palisade_access::NewUser;
use palisade_model::audit::Origin;
use palisade_model::{Clock as _, ManualClock, Secret, Timestamp};
use serde_json::{Value, json};

use super::{Person, SECRET, World, goes_on_to};
use crate::identify::second::{Program, with_app};
use crate::support::process::{self, mail};
use crate::support::{PASSWORD, Site};

fn now() -> Timestamp {
    palisade_model::World::real().now()
}

fn cookie<'a>(answer: &'a crate::support::Answer, name: &str) -> Option<&'a str> {
    let mut lines = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap());
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

// proves: ID-6, ID-17
#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_from_a_provider_takes_the_second_step_too() {
    let world = World::start("default_roles = [\"user\"]\n").await;
    world.account(json!({"sub": "ada-1", "email": "ada@example.com", "email_verified": true})).await;
    let mut ada = world.person();
    ada.sign_in("/auth/oidc/company").await;
    let (_, codes) = with_app(&mut Program::with(&world.site, ada.here.clone()).await, now()).await;

    let mut again = world.person();
    let answer = again.sign_in("/auth/oidc/company?next=/account/keys").await;
    assert_eq!(goes_on_to(&answer), "/auth/second?next=%2Faccount%2Fkeys");
    let ticket = cookie(&answer, "palisade_ticket").unwrap();
    assert!(ticket.contains("HttpOnly") && ticket.contains("SameSite=Strict"), "{ticket}");
    assert_eq!((cookie(&answer, "palisade_session"), again.me().await), (None, Value::Null));
    // The same answer once more, and a way around the page: nothing.
    for path in ["/account", "/account/keys", "/auth/confirm"] {
        assert_eq!(again.here.get(path).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let page = again.here.get("/auth/second?next=%2Faccount%2Fkeys").await;
    assert!(page.status == StatusCode::OK && page.text().contains("One more step"), "{}", page.text());
    let wrong = again.post("/auth/second", &[("code", "000000"), ("next", "/account/keys")]).await;
    assert_eq!((wrong.status, again.me().await), (StatusCode::UNAUTHORIZED, Value::Null));
    let done = again.post("/auth/second", &[("code", &codes[0]), ("next", "/account/keys")]).await;
    assert_eq!(done.header("location"), Some("/account/keys"), "{}", done.text());
    assert_eq!(
        (again.me().await["name"].clone(), cookie(&done, "palisade_ticket").is_some()),
        (json!("ada"), true)
    );

    // Where to go on is judged before it is kept, whatever the way.
    let mut stray = world.person();
    let answer = stray.sign_in("/auth/oidc/company?next=//evil.example").await;
    assert_eq!(goes_on_to(&answer), "/auth/second?next=%2Faccount");
}

/// A mailbox that a real server fills.
struct Mailbox<'a>(&'a Path, usize);

impl Mailbox<'_> {
    /// The next letter, which has that subject and leads to the account once in each of its forms.
    async fn next(&mut self, subject: &str, home: &str) -> String {
        self.1 += 1;
        let letters = self.after(self.1).await;
        assert_eq!(letters.len(), self.1, "{subject}: {letters:#?}");
        let letter = letters.last().unwrap();
        assert!(letter.contains(&format!("Subject: {subject}")), "{subject}: {letter}");
        assert!(letter.contains("To: ada@example.com"), "{letter}");
        assert_eq!(letter.matches(&format!("{home}/account/security")).count(), 2, "{letter}");
        assert!(!letter.to_lowercase().contains("second factor"), "{letter}");
        letter.clone()
    }

    async fn none(&self, why: &str) {
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(self.after(self.1).await.len(), self.1, "{why}");
    }

    async fn after(&self, number: usize) -> Vec<String> {
        for _ in 0..200 {
            let mut paths: Vec<_> = std::fs::read_dir(self.0)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|end| end == "eml"))
                .collect();
            if paths.len() >= number {
                paths.sort();
                return paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("letter {number} does not arrive");
    }
}

/// A site with a provider and a mail server, whose one user has had their account for a while.
async fn settled(port: u16) -> World {
    let provider = process::oidc();
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(now().as_secs() - 3600)));
    let world = palisade_model::World { clock: clock.clone(), ..palisade_model::World::real() };
    let policy = format!(
        "[shield.limits]\nlogin = \"1000/minute\"\n[mail]\nserver = \"smtp://127.0.0.1:{port}\"\n\
         [identify.oidc.company]\nissuer = \"{}\"\nclient_id = \"palisade\"\n\
         client_secret = \"env:COMPANY_SECRET\"\nlabel = \"The Company\"\n",
        provider.issuer()
    );
    let site = Site::start_in_with(world, &[("COMPANY_SECRET", SECRET)], &policy).await;
    let new = NewUser {
        name: "ada".to_owned(),
        email: Some("ada@example.com".to_owned()),
        email_verified: true,
        roles: Some(vec!["user".to_owned()]),
        password: Some(Secret::new(PASSWORD)),
        ..NewUser::default()
    };
    site.running.access.create_user(new, None, &Origin::default()).await.unwrap();
    clock.advance(Duration::from_secs(u64::try_from(now().as_secs() - clock.now().as_secs()).unwrap()));
    let world = World { site, provider };
    world.begin(json!({})).await;
    world.account(json!({"sub": "ada-1", "email": "ada@example.com", "email_verified": true})).await;
    world
}

// proves: ID-4, ID-6, ID-16, ID-17
#[tokio::test(flavor = "multi_thread")]
async fn the_owner_reads_of_everything_that_changes_how_somebody_gets_in() {
    let inbox = tempfile::tempdir().unwrap();
    let server = mail(inbox.path(), &[]);
    let world = settled(server.port).await;
    let home = format!("http://{}", world.site.address);
    let mut mailbox = Mailbox(inbox.path(), 0);

    let mut ada: Person = world.person();
    ada.by_password("ada").await;
    mailbox.next("New sign-in to Test", &home).await;
    assert_eq!(goes_on_to(&ada.link().await), "/account/security?done=linked");
    let linked = mailbox.next("An account was linked at Test", &home).await;
    assert!(linked.contains("The Company"), "{linked}");

    let mut elsewhere = world.person();
    elsewhere.sign_in("/auth/oidc/company").await;
    assert_eq!(elsewhere.me().await["name"], "ada");
    mailbox.next("New sign-in to Test", &home).await;
    assert_eq!(elsewhere.post("/auth/logout", &[]).await.status, StatusCode::SEE_OTHER);
    elsewhere.sign_in("/auth/oidc/company").await;
    assert_eq!(elsewhere.me().await["name"], "ada");
    mailbox.none("the device is known by now").await;

    let new = "granite lantern oboe 58 B!";
    let fields = [("old_password", PASSWORD), ("new_password", new)];
    assert_eq!(ada.post("/account/password", &fields).await.status, StatusCode::SEE_OTHER);
    mailbox.next("Your password was changed at Test", &home).await;
    let fields = [("name", "robot"), ("scopes", "read")];
    assert_eq!(ada.post("/auth/confirm", &[("password", new)]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(ada.post("/account/keys", &fields).await.status, StatusCode::OK);
    let made = mailbox.next("A key was made at Test", &home).await;
    assert!(made.contains("robot") && !made.contains("pal_"), "{made}");

    let mut program = Program::with(&world.site, ada.here.clone()).await;
    let (_, codes) = with_app(&mut program, now()).await;
    let added = mailbox.next("Two-step sign-in was changed at Test", &home).await;
    assert!(added.contains("A second step was added") && added.contains("an authenticator app"), "{added}");
    program.done("/api/v1/auth/confirm", &json!({"code": codes[0]})).await;
    let used = mailbox.next("A recovery code was used at Test", &home).await;
    assert!(used.contains("Codes left: 9"), "{used}");
    program.done("/account/factors/app/remove", &json!({})).await;
    let removed = mailbox.next("Two-step sign-in was changed at Test", &home).await;
    assert!(removed.contains("A second step was removed"), "{removed}");

    ada.here = program.client.clone();
    let issuer = world.provider.issuer();
    let fields = [("issuer", issuer.as_str()), ("subject", "ada-1")];
    assert_eq!(ada.post("/account/identities/unlink", &fields).await.status, StatusCode::SEE_OTHER);
    mailbox.next("An account was unlinked at Test", &home).await;
    mailbox.none("nothing else was to tell").await;
}
