//! HTTP/2 in raw frames (RFC 9113 section 4.1), for what no client library would send.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::client::Client;
use super::server::Server;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// The fields of a request that nothing is wrong with.
pub const GET: &[(&str, &str)] =
    &[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/x")];
pub const POST: &[(&str, &str)] =
    &[(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/x")];

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Fields as literals without compression (RFC 7541 section 6.2.2).
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        assert!(name.len() < 127 && value.len() < 127, "a length of one byte");
        out.push(0);
        for text in [name, value] {
            out.push(u8::try_from(text.len()).unwrap());
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

/// A whole head.
pub fn head(flags: u8, stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, stream, &block(fields))
}

/// A frame that came back.
#[derive(Clone, Debug)]
pub struct Frame {
    pub kind: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The status, if this is the head of an answer: it comes first, from the static table or as three digits.
    pub fn status(&self) -> Option<u16> {
        const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
        let first = *self.payload.first().filter(|_| self.kind == HEADERS)?;
        if let 0x88..=0x8e = first {
            return Some(INDEXED[usize::from(first - 0x88)]);
        }
        let value = &self.payload[2..2 + usize::from(self.payload[1] & 0x7f)];
        let digits = if self.payload[1] & 0x80 == 0 { value.to_vec() } else { digits(value) };
        String::from_utf8(digits).unwrap().parse().ok()
    }
}

/// Three digits in the code of RFC 7541, appendix B.
fn digits(code: &[u8]) -> Vec<u8> {
    let mut bits = code.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1));
    let mut take = |count: usize| bits.by_ref().take(count).fold(0, |value, bit| value << 1 | bit);
    (0..3)
        .map(|_| match take(5) {
            short @ 0..=2 => b'0' + short,
            long => b'0' + (long << 1 | take(1)) - 0b01_1001 + 3,
        })
        .collect()
}

/// A connection that has said its preface, with these settings.
pub async fn connect(server: &Server, settings: &[u8]) -> Client {
    let mut client = Client::connect(server.address).await;
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, settings)].concat();
    client.send(&preface).await;
    client
}

/// All frames until the other end closes, or says nothing for a while. Says also whether it closed.
pub async fn frames(client: &mut Client, pause: Duration) -> (Vec<Frame>, bool) {
    let (mut bytes, mut closed) = (Vec::new(), false);
    while let Ok(read) = timeout(pause, client.socket.read_buf(&mut bytes)).await {
        if !matches!(read, Ok(1..)) {
            closed = true;
            break;
        }
    }
    let (mut frames, mut rest) = (Vec::new(), &bytes[..]);
    while rest.len() >= 9 {
        let length = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
        let end = (9 + length).min(rest.len());
        frames.push(Frame { kind: rest[3], payload: rest[9..end].to_vec() });
        rest = &rest[end..];
    }
    (frames, closed)
}

/// Sends the same again and again until the other end has enough of it. Says how often it could be sent.
pub async fn flood(client: &mut Client, most: usize, make: impl Fn(usize) -> Vec<u8>) -> usize {
    for round in 0..most {
        let sent = timeout(Duration::from_secs(5), client.socket.write_all(&make(round))).await;
        if !matches!(sent, Ok(Ok(()))) {
            return round;
        }
    }
    most
}
