//! A client that says exactly the bytes it is told to.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any limit of the servers under test.
const PATIENCE: Duration = Duration::from_secs(6);

/// The status of an answer that did not come.
const SILENCE: u16 = 0;

/// One raw connection.
pub struct Client {
    pub socket: TcpStream,
    pub local: SocketAddr,
    received: Vec<u8>,
    /// Whether the next answer is to a HEAD request.
    pub head: bool,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn has(&self, header: &str) -> bool {
        self.head.lines().any(|line| line.eq_ignore_ascii_case(header))
    }
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let local = socket.local_addr().unwrap();
        Self { socket, local, received: Vec::new(), head: false }
    }

    /// Sends, as far as the other end lets it.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes).await;
    }

    /// Sends in pieces of so many bytes, so that they arrive one by one.
    pub async fn send_in_pieces(&mut self, bytes: &[u8], size: usize) {
        for piece in bytes.chunks(size) {
            self.send(piece).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The next answer that is not 100; `None` when the connection closed instead, status 0 when nothing happened.
    pub async fn answer(&mut self) -> Option<Answer> {
        loop {
            let Ok(next) = timeout(PATIENCE, self.next()).await else {
                return Some(Answer { status: SILENCE, head: String::new(), body: Vec::new() });
            };
            let answer = next.ok()?;
            if answer.status != 100 {
                return Some(answer);
            }
        }
    }

    async fn next(&mut self) -> io::Result<Answer> {
        let end = loop {
            if let Some(end) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            self.fill().await?;
        };
        let head = String::from_utf8(self.received.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned))
            .map_or(0, |length| length.trim().parse().unwrap());
        let length = if std::mem::take(&mut self.head) { 0 } else { length };
        while self.received.len() < length {
            self.fill().await?;
        }
        let body = self.received.drain(..length).collect();
        Ok(Answer { status, head, body })
    }

    async fn fill(&mut self) -> io::Result<()> {
        match self.socket.read_buf(&mut self.received).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// So many bytes behind the last answer.
    pub async fn take(&mut self, length: usize) -> Vec<u8> {
        let read = async { while self.received.len() < length && self.fill().await.is_ok() {} };
        timeout(PATIENCE, read).await.expect("bytes arrive");
        self.received.drain(..length.min(self.received.len())).collect()
    }

    /// Whatever comes until the other end closes.
    pub async fn rest(&mut self) -> Vec<u8> {
        let read = async { while self.fill().await.is_ok() {} };
        let closed = timeout(PATIENCE, read).await.is_ok();
        if closed { std::mem::take(&mut self.received) } else { b"still open".to_vec() }
    }
}
