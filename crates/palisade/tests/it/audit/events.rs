//! The events log: one line for each refusal, and for each request that was cut off.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{guarded, of_action};
use crate::support::{Reply, Site, Upstream, public};

/// Waits for the events of this name on this path.
async fn wait_for(site: &Site, name: &str, path: &str) -> Value {
    for _ in 0..60 {
        let events = site.events();
        let mut found =
            events.iter().filter(|event| event["event"] == name && event["payload"]["path"] == path);
        if let Some(event) = found.next() {
            assert!(found.next().is_none(), "once: {events:?}");
            return event.clone();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no {name} for {path}: {:?}", site.events());
}

// proves: AUD-4, AUD-1, EDGE-4
#[tokio::test]
async fn a_refused_change_leaves_one_event_and_nothing_else() {
    let app = Upstream::plain().await;
    let site = Site::start(&guarded(&app)).await;
    let mut user = site.signed_in("ben", "user").await;
    let mut nobody = site.client();
    let own = format!("http://{}", site.address);
    let origin = ("origin", own.as_str());
    let rows = super::trail(&site).await.len();
    for (client, fields, status, code, who) in [
        (&mut user, &[origin][..], 403, "authorize.role", true),
        (&mut nobody, &[origin], 401, "authorize.sign_in", false),
    ] {
        let refused = client.send(Method::DELETE, "/orders/7?token=marked", fields, "").await;
        let event = site.assert_refused(&refused, status, code);
        assert_eq!(event["payload"]["user"].is_string(), who);
        assert_eq!(event["payload"]["path"], "/orders/7", "without its query");
        assert_eq!(event["payload"]["route"], "/{*rest}");
        assert_eq!(event["payload"]["method"], "DELETE");
    }
    assert_eq!(super::trail(&site).await.len(), rows);
    assert!(app.received().is_empty(), "the application never heard of it");
}

// proves: AUD-4
#[tokio::test]
async fn each_line_is_a_time_an_event_and_what_belongs_to_it() {
    let app =
        Upstream::start(|_| Reply::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec())).await;
    let policy = format!(
        "[shield.limits]\nonce = \"1/hour\"\n[csrf]\nmode = \"open\"\n{}\
         [[route]]\npath = \"/once\"\nto = \"upstream:app\"\nallow = \"admin\"\nlimits = [\"once\"]\n\
         [[route]]\npath = \"/mine\"\nto = \"upstream:app\"\nallow = \"user\"\n",
        public(app.address)
    );
    let site = Site::start(&policy).await;
    let started = i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let mut client = site.client();
    client.get("/a%2fb").await;
    client.get("/once").await;
    client.get("/once").await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    client.send(Method::POST, "/auth/login", &form, "login=eva&password=nothing-of-that").await;
    let _ =
        crate::support::raw(site.address, &format!("GET /half HTTP/1.1\r\nHost: {}\r\n\r\n", site.address))
            .await;
    let _ = site.signed_in("ada", "user").await.open(Method::POST, "/mine", &[], Empty::<Bytes>::new()).await;
    wait_for(&site, "answer_broken", "/half").await;
    wait_for(&site, "csrf_tolerated", "/mine").await;

    let text = std::fs::read_to_string(site.folder.path().join("events.log")).unwrap();
    assert!(text.ends_with('\n') && !text.contains("nothing-of-that"));
    let mut names = Vec::new();
    for line in text.lines() {
        assert!(line.starts_with("{\"ts\":"), "{line}");
        let event: Value = serde_json::from_str(line).expect("one JSON object in a line");
        let keys: Vec<_> = event.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys.len(), 3, "{line}");
        for key in ["ts", "event", "payload"] {
            assert!(keys.contains(&key), "{line}");
        }
        let ts = event["ts"].as_f64().unwrap();
        assert!(ts >= started as f64 - 1.0 && ts < started as f64 + 120.0, "seconds since 1970: {line}");
        let payload = event["payload"].as_object().unwrap();
        for key in ["request_id", "stage", "code", "why", "method", "route", "path", "ip"] {
            assert!(payload.contains_key(key), "{key}: {line}");
        }
        assert_eq!(payload.contains_key("status"), event["event"] != "csrf_tolerated", "{line}");
        assert_eq!(payload["ip"], "127.0.0.1");
        let code = payload["code"].as_str().unwrap();
        assert!(code.starts_with(&format!("{}.", payload["stage"].as_str().unwrap())), "{line}");
        names.push(event["event"].as_str().unwrap().to_owned());
    }
    for name in ["request_refused", "rate_limited", "sign_in_failed", "answer_broken", "csrf_tolerated"] {
        assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
    }
}

/// Answers nothing on `/waiting`, and the beginning of an answer elsewhere.
async fn slow() -> Upstream {
    Upstream::start(|request| {
        let begin = match request.path() {
            "/waiting" => None,
            "/events" => Some("Content-Type: text/event-stream\r\n"),
            _ => Some(""),
        };
        Reply::script(move |mut stream| async move {
            if let Some(fields) = begin {
                let head =
                    format!("HTTP/1.1 200 OK\r\n{fields}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
                let _ = stream.write_all(head.as_bytes()).await;
            }
            let _ = stream.read(&mut [0]).await;
        })
    })
    .await
}

// proves: AUD-4, AUD-1
#[tokio::test]
async fn whoever_leaves_before_the_answer_is_whole_is_seen() {
    let app = slow().await;
    let site = Site::open_to_all(&app).await;
    for (path, status) in [("/waiting", 499), ("/half", 200)] {
        let mut stream = TcpStream::connect(site.address).await.unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 1\r\n\r\nx", site.address);
        stream.write_all(head.as_bytes()).await.unwrap();
        if status == 200 {
            stream.read_exact(&mut [0; 64]).await.unwrap();
        }
        while !app.received().iter().any(|request| request.path() == path) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drop(stream);
        let event = wait_for(&site, "request_abandoned", path).await;
        assert_eq!(event["payload"]["code"], "audit.abandoned");
        assert_eq!(event["payload"]["status"], status);
        // The application was asked, and the trail says so.
        let rows = of_action(&site, "request.changed").await;
        let id = event["payload"]["request_id"].as_str();
        assert_eq!(rows.iter().filter(|row| row.request_id.as_deref() == id).count(), 1);
    }
    assert_eq!(site.events().len(), 2, "{:?}", site.events());

    // Over HTTP/2 a stream that is reset is the same.
    let io = TokioIo::new(TcpStream::connect(site.address).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let url = format!("http://{}/two", site.address);
    let answer = sender.send_request(Request::get(url).body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    let mut body = answer.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "abc");
    drop(body);
    wait_for(&site, "request_abandoned", "/two").await;
}

// proves: AUD-4
#[tokio::test]
async fn leaving_what_never_ends_or_was_refused_is_no_event_of_its_own() {
    let app = slow().await;
    let site = Site::open_to_all(&app).await;
    let answer = site.client().open(Method::GET, "/events", &[], Empty::<Bytes>::new()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    drop(answer);
    // Refused, and gone before the answer could be read.
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let head = format!("GET /gone HTTP/1.1\r\nHost: {}\r\nX-HTTP-Method: PUT\r\n\r\n", site.address);
    stream.write_all(head.as_bytes()).await.unwrap();
    drop(stream);
    wait_for(&site, "request_refused", "/gone").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(site.events().len(), 1, "{:?}", site.events());
}

// proves: AUD-4, EDGE-5
#[tokio::test]
async fn an_upload_that_breaks_off_leaves_one_event() {
    let app = Upstream::plain().await;
    let site = Site::open_to_all(&app).await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let head = format!("POST /up HTTP/1.1\r\nHost: {}\r\nContent-Length: 10\r\n\r\nabc", site.address);
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(stream);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let events = site.events();
    assert_eq!(events.len(), 1, "{events:?}");
    let code = events[0]["payload"]["code"].as_str().unwrap();
    assert!(matches!(code, "edge.body_incomplete" | "audit.abandoned"), "{events:?}");
    assert!(app.received().is_empty(), "the application never had it whole");
}
