//! Applications that are away, slow, broken or dying: the client always gets an honest answer.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Answer, Reply, Site, Upstream, public, raw};

fn assert_problem(site: &Site, answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem = answer.json();
    assert_eq!(problem["code"], code);
    let id = answer.header("x-request-id").unwrap();
    assert_eq!(problem["request_id"], id);
    let events = site.events();
    let of_request = events.iter().filter(|event| event["payload"]["request_id"] == id).count();
    assert_eq!(of_request, 1, "one event line: {events:?}");
}

// proves: OBS-5, AUD-4, EDGE-4
#[tokio::test]
async fn an_application_that_is_away_is_a_502() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let site = Site::start(&public(free)).await;
    let answer = site.client().get("/").await;
    assert_problem(&site, &answer, 502, "service.unreachable");
    assert!(!answer.text().contains(&free.port().to_string()), "says nothing of what is behind");
}

// proves: OBS-5, AUD-4
#[tokio::test]
async fn an_application_that_does_not_speak_http_is_a_502_and_is_asked_once() {
    let app = Upstream::start(|request| match request.path() {
        "/garbage" => Reply::Close(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()),
        "/switch" => Reply::Close(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n".to_vec(),
        ),
        "/lengths" => {
            Reply::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_vec())
        }
        _ => Reply::Close(Vec::new()),
    })
    .await;
    let site = Site::open_to_all(&app).await;
    for path in ["/garbage", "/silent", "/switch", "/lengths"] {
        let answer = site.client().get(path).await;
        assert_problem(&site, &answer, 502, "service.invalid");
        assert_eq!(app.received().iter().filter(|r| r.path() == path).count(), 1, "{path} is not repeated");
    }
}

// proves: EDGE-5
#[tokio::test]
async fn each_route_has_its_own_patience() {
    let app = Upstream::start(|request| {
        let wait = if request.path() == "/slow" { 600 } else { 0 };
        Reply::script(move |mut stream| async move {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        })
    })
    .await;
    let route = |path: &str, timeout: &str| {
        format!(
            "[[route]]\npath = \"{path}\"\nto = \"upstream:app\"\ntimeout = \"{timeout}\"\nallow = {{ read = \"public\" }}\n"
        )
    };
    let policy = route("/slow", "300ms")
        + &route("/quick", "300ms")
        + &format!("[upstream.app]\nurl = \"http://{}\"\n", app.address);
    let site = Site::start(&policy).await;
    let begun = Instant::now();
    let answer = site.client().get("/slow").await;
    assert_problem(&site, &answer, 504, "service.timeout");
    assert!(begun.elapsed() < Duration::from_millis(550), "{:?}", begun.elapsed());
    assert_eq!(site.client().get("/quick").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_long_upload_does_not_run_into_the_time_for_the_answer() {
    let app = Upstream::plain().await;
    let policy = public(app.address).replace("csrf = \"off\"", "csrf = \"off\"\ntimeout = \"300ms\"");
    let site = Site::start(&policy).await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: 6\r\nConnection: close\r\n\r\n",
        site.address
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    for byte in b"abcdef" {
        tokio::time::sleep(Duration::from_millis(150)).await;
        stream.write_all(&[*byte]).await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(app.only().body, b"abcdef");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_broken_off_for_the_client_too() {
    let app = Upstream::start(|request| match request.path() {
        "/counted" => Reply::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec()),
        _ => Reply::Close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n".to_vec()),
    })
    .await;
    let site = Site::open_to_all(&app).await;
    for path in ["/counted", "/chunked"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", site.address);
        let answer = tokio::time::timeout(Duration::from_secs(5), raw(site.address, &request)).await;
        let answer = answer.expect("the connection is closed, not left hanging");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains("half"), "{answer}");
        assert!(!answer.ends_with("0\r\n\r\n"), "never a clean end: {answer}");
    }
    let broken = site.events().iter().filter(|event| event["event"] == "answer_broken").count();
    assert_eq!(broken, 2, "{:?}", site.events());
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_along() {
    let (gone, mut left) = tokio::sync::mpsc::unbounded_channel();
    let app = Upstream::start(move |request| {
        let (gone, streaming) = (gone.clone(), request.path() == "/streaming");
        Reply::script(move |mut stream| async move {
            if streaming {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
                    .await
                    .unwrap();
            }
            let mut byte = [0];
            let ended = matches!(stream.read(&mut byte).await, Ok(0) | Err(_));
            gone.send(ended).unwrap();
        })
    })
    .await;
    let site = Site::open_to_all(&app).await;
    for path in ["/waiting", "/streaming"] {
        let mut stream = TcpStream::connect(site.address).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", site.address);
        stream.write_all(head.as_bytes()).await.unwrap();
        if path == "/streaming" {
            let mut some = [0; 12];
            stream.read_exact(&mut some).await.unwrap();
        } else {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        drop(stream);
        let ended = tokio::time::timeout(Duration::from_secs(3), left.recv()).await;
        assert_eq!(ended.expect("the application hears of it"), Some(true), "{path}");
    }
}

#[tokio::test]
async fn a_connection_that_the_application_closed_while_idle_is_no_error_for_anybody() {
    let app = Upstream::start(|request| match request.path() {
        "/first" => Reply::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()),
        _ => Reply::ok("ok"),
    })
    .await;
    let site = Site::start(&(public(app.address) + "idle = \"1m\"\n")).await;
    let mut client = site.client();
    for round in 0..20 {
        assert_eq!(client.get("/first").await.status, StatusCode::OK);
        tokio::time::sleep(Duration::from_millis(5)).await;
        let second = client.send(Method::POST, "/second", &[], "once").await;
        assert_eq!(second.status, StatusCode::OK, "round {round}");
    }
    let posts = app.received().iter().filter(|request| request.path() == "/second").count();
    assert_eq!(posts, 20, "each was sent once");
}

#[tokio::test]
async fn an_idle_connection_is_closed_before_the_application_would() {
    let app = Upstream::plain().await;
    let site = Site::start(&(public(app.address) + "idle = \"200ms\"\n")).await;
    let mut client = site.client();
    client.get("/").await;
    client.get("/").await;
    assert_eq!(app.connections(), 1);
    tokio::time::sleep(Duration::from_millis(300)).await;
    client.get("/").await;
    assert_eq!(app.connections(), 2);
}

/// An application that closes the connection, after these last words, as a request for a path comes in that it has not
/// seen before; `/warm` and the second time are answered. After `/warm` there is an idle connection, and it closes at the
/// worst moment: the request was sent, and there is no answer.
async fn closing_at_the_worst_moment(last_words: &'static [u8]) -> Upstream {
    let served: Mutex<HashSet<String>> = Mutex::default();
    Upstream::start(move |request| {
        if request.path() == "/warm" || !served.lock().insert(request.path().to_owned()) {
            return Reply::ok("hello");
        }
        Reply::Close(last_words.to_vec())
    })
    .await
}

// proves: OBS-5
#[tokio::test]
async fn what_changes_nothing_survives_a_connection_that_closes_as_it_is_used() {
    let app = closing_at_the_worst_moment(b"").await;
    let site = Site::open_to_all(&app).await;
    for (n, method) in [Method::GET, Method::HEAD, Method::OPTIONS].into_iter().enumerate() {
        assert_eq!(site.client().get("/warm").await.status, StatusCode::OK);
        let path = format!("/read/{n}?q=a%20b");
        let answer = site.client().send(method.clone(), &path, &[("x-mark", "kept")], "").await;
        assert_eq!(answer.status, StatusCode::OK, "{method}: {}", answer.text());
        let received = app.received();
        let both: Vec<_> = received.iter().filter(|request| request.path() == path).collect();
        assert_eq!(both.len(), 2, "{method}: once more, and no more than that");
        assert_eq!(both[0].head, both[1].head, "the same request, byte for byte");
        assert_eq!(both[1].header("x-mark"), Some("kept"));
    }
    assert_eq!(site.events(), Vec::<serde_json::Value>::new());
}

// proves: OBS-5
#[tokio::test]
async fn what_changes_something_is_never_sent_twice() {
    let app = closing_at_the_worst_moment(b"").await;
    let site = Site::open_to_all(&app).await;
    let tries = [
        (Method::POST, ""),
        (Method::POST, "pay=1"),
        (Method::PUT, ""),
        (Method::DELETE, ""),
        (Method::GET, "a body"),
    ];
    for (n, (method, body)) in tries.into_iter().enumerate() {
        assert_eq!(site.client().get("/warm").await.status, StatusCode::OK);
        let connections = app.connections();
        let path = format!("/write/{n}");
        let answer = site.client().send(method.clone(), &path, &[], body).await;
        assert_problem(&site, &answer, 502, "service.invalid");
        let times = app.received().iter().filter(|request| request.path() == path).count();
        assert_eq!(times, 1, "{method} {body}: sent twice");
        assert_eq!(app.connections(), connections, "it went over the connection that was there");
    }
}

#[tokio::test]
async fn an_answer_that_began_or_a_new_connection_that_dies_is_not_asked_again() {
    let began = closing_at_the_worst_moment(b"HTTP/1.1 2").await;
    let informed = closing_at_the_worst_moment(b"HTTP/1.1 103 Early Hints\r\n\r\n").await;
    for app in [&began, &informed] {
        let site = Site::open_to_all(app).await;
        assert_eq!(site.client().get("/warm").await.status, StatusCode::OK);
        let answer = site.client().get("/once").await;
        assert_problem(&site, &answer, 502, "service.invalid");
        assert_eq!(app.received().iter().filter(|request| request.path() == "/once").count(), 1);
    }
    // Two connections, and then it is enough: one that was there, and a new one.
    let dying = Upstream::start(|request| match request.path() {
        "/warm" => Reply::ok("hello"),
        _ => Reply::Close(Vec::new()),
    })
    .await;
    let site = Site::open_to_all(&dying).await;
    assert_eq!(site.client().get("/warm").await.status, StatusCode::OK);
    let answer = site.client().get("/dying").await;
    assert_problem(&site, &answer, 502, "service.invalid");
    assert_eq!(dying.received().iter().filter(|request| request.path() == "/dying").count(), 2);
}
