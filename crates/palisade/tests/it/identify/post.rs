//! Letters on their way to a real mail server: STARTTLS and an account, refusals, silence, and a server that is away.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use palisade_access::NewUser;
use palisade_model::audit::Origin;
use palisade_model::{ManualClock, Secret, World};

use crate::identify::{open, post};
use crate::support::process::{Program, mail};
use crate::support::{PASSWORD, Site, Upstream};

/// A certificate for 127.0.0.1 that nobody but this test believes.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.join("mail.pem"), folder.join("mail.key"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-out"])
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    (certificate, key)
}

/// A site whose letters go there, with one user.
async fn site(world: World, port: u16, more: &str) -> Site {
    let rest = open(&Upstream::plain().await, "1000/minute");
    let policy = format!("{rest}\n[mail]\nserver = \"smtp://127.0.0.1:{port}\"\n{more}\n");
    let site = Site::start_in(world, &policy).await;
    let new = NewUser {
        name: "eva".to_owned(),
        email: Some("eva@example.com".to_owned()),
        email_verified: true,
        password: Some(Secret::new(PASSWORD)),
        ..NewUser::default()
    };
    site.running.access.create_user(new, None, &Origin::default()).await.unwrap();
    site
}

async fn forgot(site: &Site) {
    let begun = Instant::now();
    let answer = post(site, &mut site.client(), "/auth/forgot-password", &[("login", "eva")]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(begun.elapsed() < Duration::from_secs(5), "somebody waits for the mail server");
}

async fn within(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..150 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it never came to this: {what}");
}

fn arrived(folder: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.')).collect()
}

async fn condition(site: &Site) -> String {
    site.client().get("/readyz").await.json()["components"]["mail"].as_str().unwrap().to_owned()
}

async fn waiting(site: &Site) -> u64 {
    site.running.access.mail_outlook().await.unwrap().waiting
}

fn a_free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

// proves: ID-4
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_goes_over_tls_and_by_our_account() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path());
    let inbox = tempfile::tempdir().unwrap();
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let server = mail(
        inbox.path(),
        &["--certificate", certificate, "--key", key, "--account", "palisade:s3cret-of-the-post"],
    );
    let password = folder.path().join("password");
    std::fs::write(&password, "s3cret-of-the-post\n").unwrap();
    let more = format!(
        "ca_file = \"{certificate}\"\nusername = \"palisade\"\npassword = \"file:{}\"",
        password.display()
    );
    let site = site(World::real(), server.port, &more).await;
    forgot(&site).await;
    within("a letter arrives", async || !arrived(inbox.path()).is_empty()).await;
    let letter = arrived(inbox.path()).remove(0);
    assert!(letter.ends_with("000-tls-known.eml"), "{}", letter.display());
    let text = std::fs::read_to_string(letter).unwrap();
    assert!(text.contains("To: eva@example.com") && text.contains("/auth/reset-password/"), "{text}");
    within("the outbox is empty", async || waiting(&site).await == 0).await;
    assert_eq!(condition(&site).await, "ready");
}

// proves: ID-4
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_another_name_vouches_for_gets_no_letter() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (expected, _) = certificate(ours.path());
    let (certificate, key) = certificate(theirs.path());
    let inbox = tempfile::tempdir().unwrap();
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let server = mail(inbox.path(), &["--certificate", certificate, "--key", key]);
    let site = site(World::real(), server.port, &format!("ca_file = \"{}\"", expected.display())).await;
    forgot(&site).await;
    within("mail is failing", async || condition(&site).await == "degraded").await;
    assert!(arrived(inbox.path()).is_empty());
    assert_eq!(waiting(&site).await, 1, "the letter is kept");
}

// proves: ID-4
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_waits_for_a_server_that_is_away_and_goes_out_once() {
    let clock = Arc::new(ManualClock::at(World::real().now()));
    let world = World { clock: clock.clone(), ..World::real() };
    let port = a_free_port();
    let site = site(world, port, "").await;
    forgot(&site).await;
    within("mail is failing", async || condition_at(&site, &clock).await == "degraded").await;
    assert_eq!(waiting(&site).await, 1);
    let inbox = tempfile::tempdir().unwrap();
    let server: Program = mail(inbox.path(), &["--port", &port.to_string()]);
    assert_eq!(SocketAddr::from(([127, 0, 0, 1], server.port)).port(), port);
    clock.advance(Duration::from_secs(60));
    within("the letter arrives", async || !arrived(inbox.path()).is_empty()).await;
    within("mail is well again", async || condition_at(&site, &clock).await == "ready").await;
    clock.advance(Duration::from_secs(7200));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!((arrived(inbox.path()).len(), waiting(&site).await), (1, 0), "sent twice");
}

/// Reports are good for half a second, which has to pass on the test's clock too.
async fn condition_at(site: &Site, clock: &ManualClock) -> String {
    clock.advance(Duration::from_secs(1));
    condition(site).await
}

// proves: ID-4
#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_now_is_kept_and_what_is_refused_for_good_is_given_up() {
    for (mode, kept, mail_is) in [("later", 1, "degraded"), ("never", 0, "ready")] {
        let inbox = tempfile::tempdir().unwrap();
        let server = mail(inbox.path(), &["--mode", mode]);
        let site = site(World::real(), server.port, "").await;
        forgot(&site).await;
        within(mode, async || waiting(&site).await == kept && condition(&site).await == mail_is).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!((waiting(&site).await, condition(&site).await.as_str()), (kept, mail_is), "{mode}");
        assert!(arrived(inbox.path()).is_empty());
    }
}

// proves: ID-4
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_holds_nobody_up() {
    let inbox = tempfile::tempdir().unwrap();
    let server = mail(inbox.path(), &["--mode", "hang"]);
    let site = site(World::real(), server.port, "").await;
    for _ in 0..3 {
        forgot(&site).await;
    }
    assert_eq!(waiting(&site).await, 3, "nothing is lost");
    let begun = Instant::now();
    site.running.shutdown().await;
    assert!(begun.elapsed() < Duration::from_secs(15), "the end waits for the mail server");
}
