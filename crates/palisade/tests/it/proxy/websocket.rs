//! WebSockets through the gate.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::{Method, Request, StatusCode};
use palisade_model::audit::Origin;
use palisade_model::{Secret, Timestamp, World};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::support::{PASSWORD, Site, Upstream};

/// Sends back what it gets, with the path in front.
async fn echo() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
                while let Some(Ok(message)) = socket.next().await {
                    if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn policy(application: std::net::SocketAddr) -> String {
    format!(
        "[[route]]\npath = \"/socket\"\nto = \"upstream:app\"\nupgrade = true\nmethods = [\"GET\"]\n\
         allow = {{ read = \"user\" }}\n\
         [[route]]\npath = \"/public\"\nto = \"upstream:app\"\nupgrade = true\nallow = {{ read = \"public\" }}\n\
         [[route]]\npath = \"/plain\"\nto = \"upstream:app\"\nallow = {{ read = \"public\" }}\n\
         [upstream.app]\nurl = \"http://{application}\"\n"
    )
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(site: &Site, path: &str, fields: &[(&str, &str)]) -> Result<Socket, StatusCode> {
    let mut request: Request<()> = format!("ws://{}{path}", site.address).into_client_request().unwrap();
    for (name, value) in fields {
        request.headers_mut().insert(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status()),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn messages_go_both_ways() {
    let site = Site::start(&policy(echo().await)).await;
    let client = site.signed_in("ada", "user").await;
    let mut socket = open(&site, "/socket", &[("cookie", &client.cookies())]).await.unwrap();
    let big = Message::binary(vec![0_u8; 300_000]);
    // Bytes that would be no HTTP at all: the guard of the wire lets a WebSocket pass unread.
    for message in [Message::text("hello"), Message::binary(vec![0, 10, 13, 0, 255]), big] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    socket.close(None).await.unwrap();
    assert!(socket.next().await.is_none_or(|end| !end.is_ok_and(|m| m.is_text())));
}

// proves: ACC-1
#[tokio::test]
async fn nobody_unknown_opens_a_socket() {
    let site = Site::start(&policy(echo().await)).await;
    assert_eq!(open(&site, "/socket", &[]).await.unwrap_err(), StatusCode::UNAUTHORIZED);
    assert!(open(&site, "/public", &[]).await.is_ok());
}

// proves: CSRF-1
#[tokio::test]
async fn a_foreign_page_cannot_open_a_socket_with_the_visitors_cookie() {
    let site = Site::start(&policy(echo().await)).await;
    let cookies = site.signed_in("ada", "user").await.cookies();
    let own = format!("http://{}", site.address);
    for foreign in
        ["https://evil.example", "null", "http://127.0.0.1:1", &format!("https://{}", site.address), ""]
    {
        let refused = open(&site, "/socket", &[("cookie", &cookies), ("origin", foreign)]).await;
        assert_eq!(refused.unwrap_err(), StatusCode::FORBIDDEN, "{foreign}");
    }
    assert!(open(&site, "/socket", &[("cookie", &cookies), ("origin", &own)]).await.is_ok());
    // Without the cookie the page has nobody's name to speak in.
    assert!(open(&site, "/public", &[("origin", "https://evil.example")]).await.is_ok());
}

#[tokio::test]
async fn where_the_policy_knows_no_upgrade_the_wish_is_left_behind() {
    let app = Upstream::plain().await;
    let site = Site::start(&policy(app.address)).await;
    let fields = [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")];
    let answer = site.client().send(Method::GET, "/plain", &fields, "").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(app.only().header("upgrade"), None);
    assert_eq!(app.only().header("connection"), None);
    // Only WebSockets: h2c would smuggle requests past the gate.
    let fields =
        [("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "AAMAAABk")];
    let answer = site.client().send(Method::GET, "/public", &fields, "").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(app.received()[1].header("upgrade"), None);
}

// proves: ID-8
#[tokio::test]
async fn a_socket_ends_with_its_session() {
    let site = Site::start(&policy(echo().await)).await;
    let client = site.signed_in("ada", "user").await;
    let mut socket = open(&site, "/socket", &[("cookie", &client.cookies())]).await.unwrap();
    socket.send(Message::text("still here")).await.unwrap();
    socket.next().await.unwrap().unwrap();
    let access = &site.running.access;
    let (_, session) = client.cookies().split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let principal = access.session(&session).await.unwrap().unwrap();
    access.sign_out(&principal, &Default::default()).await.unwrap();
    let end = tokio::time::timeout(Duration::from_secs(4), socket.next()).await;
    assert!(end.expect("the socket is closed").is_none_or(|end| end.is_err()));
}

// proves: ID-9
#[tokio::test]
async fn a_socket_ends_with_the_time_of_its_token() {
    let (world, clock) = World::still(Timestamp::from_secs(1_800_000_000));
    let site = Site::start_in(world, &policy(echo().await)).await;
    site.signed_in("ada", "user").await;
    let access = &site.running.access;
    let issued = access.sign_in_tokens("ada", &Secret::new(PASSWORD), &Origin::default()).await.unwrap();
    let tokens = issued.tokens().unwrap();
    let bearer = format!("Bearer {}", tokens.access);
    let mut socket = open(&site, "/socket", &[("authorization", &bearer)]).await.unwrap();
    clock.advance(tokens.expires_in - Duration::from_secs(1));
    tokio::time::sleep(Duration::from_millis(2500)).await;
    socket.send(Message::text("still here")).await.unwrap();
    socket.next().await.unwrap().unwrap();
    clock.advance(Duration::from_secs(1));
    let end = tokio::time::timeout(Duration::from_secs(4), socket.next()).await;
    assert!(end.expect("the socket is closed").is_none_or(|end| end.is_err()));
}
