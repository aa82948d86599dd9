//! An unmodified Express application behind Palisade: a WebSocket echo and server-sent events.

use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::support::process::{self, Program};
use crate::support::{Client, Site};

fn policy(app: &Program) -> String {
    format!(
        "[[route]]\npath = \"/echo\"\nto = \"upstream:app\"\nupgrade = true\nmethods = [\"GET\"]\n\
         allow = {{ read = \"user\" }}\n\n\
         [[route]]\npath = \"/{{*rest}}\"\nto = \"upstream:app\"\n\
         allow = {{ read = \"user\", write = \"user\" }}\n\n\
         [upstream.app]\nurl = \"{}\"\nidentity = \"x-forwarded\"\n",
        app.url()
    )
}

type Handshake = Result<
    (tokio_tungstenite::WebSocketStream<TcpStream>, tungstenite::handshake::client::Response),
    tungstenite::Error,
>;

async fn dial(site: &Site, client: &Client, origin: &str) -> Handshake {
    let mut request = format!("ws://{}/echo", site.address).into_client_request().unwrap();
    request.headers_mut().insert("origin", origin.parse().unwrap());
    let cookies = client.cookies();
    if !cookies.is_empty() {
        request.headers_mut().insert("cookie", cookies.parse().unwrap());
    }
    let stream = TcpStream::connect(site.address).await.unwrap();
    tokio_tungstenite::client_async(request, stream).await
}

fn refused_with(handshake: Handshake) -> StatusCode {
    match handshake {
        Err(tungstenite::Error::Http(response)) => StatusCode::from_u16(response.status().as_u16()).unwrap(),
        Err(other) => panic!("not an HTTP answer: {other}"),
        Ok(_) => panic!("the socket was opened"),
    }
}

// proves: CSRF-1, ACC-1
#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_echoes_for_its_user_and_for_no_foreign_page() {
    let app = process::express();
    let site = Site::start(&policy(&app)).await;
    let mut ada = site.signed_in("ada", "user").await;
    let own = format!("http://{}", site.address);

    assert_eq!(refused_with(dial(&site, &site.client(), &own).await), StatusCode::UNAUTHORIZED);
    assert_eq!(refused_with(dial(&site, &ada, "http://evil.example").await), StatusCode::FORBIDDEN);
    assert_eq!(ada.get("/seen").await.json()["sockets"], 0, "no refused socket reached the application");

    let (mut socket, _) = dial(&site, &ada, &own).await.unwrap();
    for text in ["hello", "", &"x".repeat(100_000)] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
    }
    socket.send(Message::binary(vec![0, 255, 13, 10])).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::binary(vec![0, 255, 13, 10]));
    socket.close(None).await.unwrap();
    assert_eq!(ada.get("/seen").await.json()["sockets"], 1);
}

// proves: EDGE-5
#[tokio::test(flavor = "multi_thread")]
async fn server_sent_events_arrive_one_by_one() {
    let app = process::express();
    let site = Site::start(&policy(&app)).await;
    let mut ada = site.signed_in("ada", "user").await;
    let begun = Instant::now();
    let response = ada.open(Method::GET, "/events", &[("accept", "text/event-stream")], Empty::new()).await;
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = response.into_body();
    let mut arrivals = Vec::new();
    let mut text = String::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.unwrap().into_data() {
            text.push_str(std::str::from_utf8(&data).unwrap());
            arrivals.push(begun.elapsed());
        }
    }
    assert_eq!(text.matches("data: tick").count(), 3, "{text}");
    // the application sends one every 300 ms; a buffering proxy would show all at the end
    let spread = *arrivals.last().unwrap() - *arrivals.first().unwrap();
    assert!(arrivals.len() >= 3 && spread > Duration::from_millis(400), "{arrivals:?}");
}

// proves: CSRF-3, AUD-5
#[tokio::test(flavor = "multi_thread")]
async fn an_express_form_gets_its_field_and_the_application_its_user() {
    let app = process::express();
    let site = Site::start(&policy(&app)).await;
    let mut ada = site.signed_in("ada", "user").await;
    let page = ada.get("/").await;
    let (_, rest) = page.text().split_once("name=\"csrf_token\" value=\"").expect("the form has a token");
    let token = rest.split('"').next().unwrap();
    let own = format!("http://{}", site.address);
    let headers = [("content-type", "application/json"), ("origin", own.as_str()), ("x-csrf-token", token)];
    let posted = ada.send(Method::POST, "/notices", &headers, "{\"text\":\"Lunch\"}").await;
    assert_eq!(posted.status, StatusCode::CREATED, "{}", posted.text());
    let told = ada.get("/whoami").await.json();
    assert_eq!(told["x-forwarded-user"], "ada", "{told}");
    assert!(!told.to_string().contains(&ada.cookies()), "the session cookie stays with Palisade: {told}");
}
