//! Upgrades: another protocol begins behind a 101, and nowhere else (EDGE-6).

use super::client::Client;
use super::server::{Server, limits};

const ASK: &[u8] = b"GET /socket HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

// proves: EDGE-6
#[tokio::test]
async fn behind_a_101_every_byte_passes_early_ones_too() {
    let server = Server::start(limits()).await;
    let mut client = Client::connect(server.address).await;
    let early = b"GET /.. \0 not HTTP at all\n";
    client.send(&[ASK, early].concat()).await;
    assert_eq!(client.answer().await.unwrap().status, 101);
    client.send(b"\xff\x00\n\n").await;
    assert_eq!(client.take(early.len() + 4).await, [&early[..], b"\xff\x00\n\n"].concat());
    assert_eq!(server.record(client.local).seen, ["GET /socket"]);
    assert_eq!(server.refusals(), vec![]);
}

// proves: EDGE-6
#[tokio::test]
async fn a_101_that_nobody_asked_for_opens_nothing() {
    let server = Server::start(limits()).await;
    for ask in [
        "GET /socket HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /socket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
        "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket, h2c\r\n\r\n",
        "POST /socket HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET /socket HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let mut client = Client::connect(server.address).await;
        client.send(ask.as_bytes()).await;
        assert_eq!(client.answer().await.unwrap().status, 502, "{ask}");
        client.send(b"GET /.. HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let rest = String::from_utf8(client.rest().await).unwrap();
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 400 "), "{ask}: {rest}");
    }
}
