//! What lasts longer than its request ends with the credential that opened it.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use palisade_model::audit::Origin;
use palisade_model::id::UserId;
use palisade_model::{Secret, Timestamp, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{PASSWORD, Reply, Site, Upstream};

/// A second or two, and what a busy machine adds.
const SOON: Duration = Duration::from_secs(4);

/// An application whose answer never ends: at `/events` it says something each 200 ms, at `/silent` once, at `/flood`
/// all the time.
async fn endless() -> Upstream {
    Upstream::start(|request| {
        let path = request.path().to_owned();
        Reply::script(move |mut stream| async move {
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
            let mut more = stream.write_all(format!("{head}8\r\ndata: 1\n\r\n").as_bytes()).await.is_ok();
            let flood = vec![b'x'; 0x8000];
            while more {
                more = match path.as_str() {
                    "/flood" => {
                        stream.write_all(b"8000\r\n").await.is_ok()
                            && stream.write_all(&flood).await.is_ok()
                            && stream.write_all(b"\r\n").await.is_ok()
                    }
                    // Reading tells when Palisade hangs up.
                    "/silent" => stream.read(&mut [0]).await.is_ok_and(|count| count > 0),
                    _ => {
                        tokio::time::sleep(Duration::from_millis(200)).await;
                        stream.write_all(b"8\r\ndata: 2\n\r\n").await.is_ok()
                    }
                };
            }
        })
    })
    .await
}

fn policy(application: &Upstream, more: &str) -> String {
    format!(
        "[[route]]\npath = \"/{{*rest}}\"\nto = \"upstream:app\"\nallow = \"user\"\n\
         [upstream.app]\nurl = \"http://{}\"\n{more}",
        application.address
    )
}

/// Opens a stream, and gives the connection once its first event came.
async fn open(site: &Site, path: &str, field: &str) -> TcpStream {
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{field}\r\n\r\n", site.address);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("data: 1") {
        assert!(stream.read_buf(&mut seen).await.unwrap() > 0, "{}", String::from_utf8_lossy(&seen));
    }
    stream
}

/// How long it is until the connection ends; it must not end as if the answer were whole.
async fn end_of(mut stream: TcpStream) -> Duration {
    let start = Instant::now();
    let (mut piece, mut tail) = (vec![0; 1 << 16], Vec::new());
    let reading = async {
        while let Ok(count @ 1..) = stream.read(&mut piece).await {
            tail.extend_from_slice(&piece[..count]);
            tail.drain(..tail.len().saturating_sub(16));
        }
    };
    tokio::time::timeout(Duration::from_secs(15), reading).await.expect("the answer ends");
    assert!(!tail.ends_with(b"0\r\n\r\n"), "an answer that was cut must not look whole");
    start.elapsed()
}

fn ended_events(site: &Site) -> usize {
    site.events().iter().filter(|event| event["event"] == "answer_ended").count()
}

// proves: ID-8
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_still_runs_ends_with_its_session() {
    let app = endless().await;
    let site = Site::start(&policy(&app, "")).await;
    let bystander = site.signed_in("bob", "user").await;
    let mut other = open(&site, "/events", &format!("Cookie: {}", bystander.cookies())).await;
    for path in ["/events", "/silent", "/flood"] {
        let client = site.signed_in(&format!("ada-{}", &path[1..]), "user").await;
        let stream = open(&site, path, &format!("Cookie: {}", client.cookies())).await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let (_, cookie) =
            client.cookies().split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let access = &site.running.access;
        let principal = access.session(&cookie).await.unwrap().unwrap();
        access.sign_out(&principal, &Origin::default()).await.unwrap();
        let took = end_of(stream).await;
        assert!(took < SOON, "{path}: {took:?}");
    }
    assert_eq!(ended_events(&site), 3, "each leaves one line: {:?}", site.events());
    assert!(site.events().iter().all(|event| event["event"] != "answer_broken"));
    // Somebody else's goes on.
    let mut piece = [0; 64];
    assert!(other.read(&mut piece).await.unwrap() > 0);
    let more = tokio::time::timeout(Duration::from_secs(2), other.read(&mut piece)).await;
    assert!(more.unwrap().unwrap() > 0);
}

// proves: ID-8, ACC-1
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_still_runs_ends_when_its_reader_is_disabled_or_loses_the_role() {
    let app = endless().await;
    let site = Site::start(&policy(&app, "")).await;
    for disable in [true, false] {
        let name = if disable { "ada" } else { "eve" };
        let (token, user) = token(&site, name).await;
        let stream = open(&site, "/events", &format!("Authorization: Bearer {token}")).await;
        let access = &site.running.access;
        if disable {
            access.disable(user, None, &Origin::default()).await.unwrap();
        } else {
            access.set_roles(user, &[], None, &Origin::default()).await.unwrap();
            assert_eq!(access.bearer(&token).await.unwrap().user(), user, "the token itself goes on");
        }
        let took = end_of(stream).await;
        assert!(took < SOON, "{name}: {took:?}");
    }
}

// proves: ID-9
#[tokio::test(flavor = "multi_thread")]
async fn what_an_access_token_opened_ends_when_its_time_is_up() {
    let app = endless().await;
    let (world, clock) = World::still(Timestamp::from_secs(1_800_000_000));
    let site = Site::start_in(world, &policy(&app, "[identify.tokens]\naccess = \"15m\"\n")).await;
    let (token, _) = token(&site, "ada").await;
    let mut stream = open(&site, "/events", &format!("Authorization: Bearer {token}")).await;
    clock.advance(Duration::from_secs(15 * 60 - 1));
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let mut piece = [0; 4096];
    for _ in 0..5 {
        assert!(stream.read(&mut piece).await.unwrap() > 0, "its time is not up yet");
    }
    clock.advance(Duration::from_secs(1));
    let took = end_of(stream).await;
    assert!(took < SOON, "{took:?}");
    assert_eq!(ended_events(&site), 1);
    let bearer = [("authorization", &*format!("Bearer {token}"))];
    let refused = site.client().send(Method::GET, "/silent", &bearer, "").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
}

/// An access token of a new user.
async fn token(site: &Site, name: &str) -> (String, UserId) {
    site.signed_in(name, "user").await;
    let access = &site.running.access;
    let tokens = access.sign_in_tokens(name, &Secret::new(PASSWORD), &Origin::default()).await.unwrap();
    let tokens = tokens.tokens().unwrap();
    let user = access.bearer(&tokens.access).await.unwrap().user();
    (tokens.access, user)
}
