//! Forged requests and honest forms, through the whole program.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::support::{Client, Reply, Site, Upstream};

const MULTIPART: (&str, &str) = ("content-type", "multipart/form-data; boundary=b");

async fn site(upstream: &Upstream, sections: &str) -> Site {
    Site::start(&format!(
        "[[route]]\npath = \"/{{*rest}}\"\nto = \"upstream:app\"\nbody = \"16MiB\"\n\
         allow = {{ read = \"user\", write = \"user\" }}\n\
         [[route]]\npath = \"/socket\"\nto = \"upstream:app\"\nupgrade = true\nmethods = [\"GET\"]\n\
         allow = {{ read = \"user\" }}\n{sections}\n[upstream.app]\nurl = \"http://{}\"\n",
        upstream.address
    ))
    .await
}

/// A page with a form, sent in two pieces with a pause between them; anything else is answered shortly.
async fn application() -> Upstream {
    Upstream::start(|request| {
        if !request.line().starts_with("GET ") {
            return Reply::ok("done");
        }
        Reply::script(|mut stream| async move {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\
                        Transfer-Encoding: chunked\r\n\r\n";
            let _ = stream.write_all(head.as_bytes()).await;
            for piece in ["<h1>Up</h1><form method=post", ">x", ""] {
                let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
                let _ = stream.write_all(chunk.as_bytes()).await;
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        })
    })
    .await
}

async fn token(client: &mut Client) -> String {
    let page = client.get("/").await;
    let (_, rest) = page.text().split_once("name=\"csrf_token\" value=\"").expect("the form has a field");
    rest.split('"').next().unwrap().to_owned()
}

fn part(name: &str, value: &str) -> String {
    format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

// proves: CSRF-3
#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_rewritten_as_it_comes_and_is_never_kept() {
    let upstream = application().await;
    let site = site(&upstream, "").await;
    let mut ada = site.signed_in("ada", "user").await;
    let accepts = [("accept-encoding", "gzip, zstd"), ("accept", "text/html"), ("if-none-match", "\"1\"")];
    let response = ada.open(Method::GET, "/", &accepts, Empty::<Bytes>::new()).await;
    assert_eq!(response.headers()["cache-control"], "private, no-store");
    assert!(!response.headers().contains_key("content-length"));
    let mut body = response.into_body();
    let first = tokio::time::timeout(Duration::from_millis(250), body.frame()).await;
    let first = first.expect("the first piece waits for the second").unwrap().unwrap().into_data().unwrap();
    assert!(first.starts_with(b"<h1>Up</h1>"), "{first:?}");
    let rest = body.collect().await.unwrap().to_bytes();
    assert!(rest.ends_with(b"\">x"), "{rest:?}");
    let asked = upstream.only();
    assert_eq!((asked.header("accept-encoding"), asked.header("if-none-match")), (Some("gzip"), None));
}

// proves: CSRF-1
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_streams_on_without_the_token_and_one_that_hides_it_is_refused() {
    let upstream = application().await;
    let site = site(&upstream, "").await;
    let own = format!("http://{}", site.address);
    let mut ada = site.signed_in("ada", "user").await;
    let token = part("csrf_token", &token(&mut ada).await);
    let rest = [part("file", &"x".repeat(4 << 20)), "--b--\r\n".into()].concat();
    let answer =
        ada.send(Method::POST, "/up", &[MULTIPART, ("origin", &own)], &(token.clone() + &rest)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let received = upstream.received().pop().unwrap();
    assert_eq!(received.header("content-length").unwrap(), rest.len().to_string());
    assert!(received.body == rest.as_bytes(), "the upload was changed");

    let hits = upstream.received().len();
    let late = [part("file", &"x".repeat(1 << 20)), token, "--b--\r\n".into()].concat();
    let answer = ada.send(Method::POST, "/up", &[MULTIPART, ("origin", &own)], &late).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (StatusCode::FORBIDDEN, Some("csrf.token")));
    assert_eq!(upstream.received().len(), hits);
    let events = site.events();
    let line = events.iter().find(|event| event["payload"]["code"] == "csrf.token").unwrap();
    assert_eq!(line["payload"]["why"], "no token at the beginning of the body, nor in a header");
}

// proves: CSRF-2
#[tokio::test(flavor = "multi_thread")]
async fn a_script_finds_the_token_in_the_cookie_and_the_application_never_does() {
    let upstream = Upstream::plain().await;
    let site = site(&upstream, "[csrf]\ncookie = \"csrf_token\"").await;
    let own = format!("http://{}", site.address);
    let mut ada = site.signed_in("ada", "user").await;
    ada.get("/").await;
    let jar = ada.cookies();
    let cookie =
        jar.split("; ").find_map(|pair| pair.strip_prefix("csrf_token=")).expect("no cookie").to_owned();
    let sent = ada.send(Method::DELETE, "/x", &[("origin", &own), ("x-csrf-token", &cookie)], "").await;
    assert_eq!(sent.status, StatusCode::OK);
    let received = upstream.received().pop().unwrap();
    assert!(!received.head.contains(&cookie), "{}", received.head);
    let mut eve = site.signed_in("eve", "user").await;
    eve.put_cookie("csrf_token", &cookie);
    let tossed = eve.send(Method::DELETE, "/x", &[("origin", &own), ("x-csrf-token", &cookie)], "").await;
    assert_eq!((tossed.status, upstream.received().len()), (StatusCode::FORBIDDEN, 2));
}

// proves: CSRF-1
#[tokio::test(flavor = "multi_thread")]
async fn another_site_opens_no_websocket_in_somebodys_name() {
    let upstream = Upstream::plain().await;
    let site = site(&upstream, "").await;
    let cookies = site.signed_in("ada", "user").await.cookies();
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1"] {
        let mut request = format!("ws://{}/socket", site.address).into_client_request().unwrap();
        request.headers_mut().insert("cookie", cookies.parse().unwrap());
        request.headers_mut().insert("origin", origin.parse().unwrap());
        let Err(Error::Http(refused)) = tokio_tungstenite::connect_async(request).await else {
            panic!("{origin} opened a WebSocket");
        };
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{origin}");
    }
    assert!(upstream.received().is_empty());
}
