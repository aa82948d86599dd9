//! An application that remembers every byte it was sent and answers as a test tells it to.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One request as it came over the wire.
#[derive(Clone, Debug)]
pub struct Received {
    /// Request line and header fields, byte for byte where they are UTF-8, without the blank line.
    pub head: String,
    /// The body, taken out of its framing.
    pub body: Vec<u8>,
}

impl Received {
    pub fn line(&self) -> &str {
        self.head.split("\r\n").next().unwrap()
    }

    pub fn path(&self) -> &str {
        self.line().split(' ').nth(1).unwrap()
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        self.head
            .split("\r\n")
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }
}

type Script = Box<dyn FnOnce(TcpStream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// What the application does with a request.
pub enum Reply {
    /// These bytes; the connection stays open.
    Bytes(Vec<u8>),
    /// These bytes, then the connection is closed.
    Close(Vec<u8>),
    /// Whatever the script does with the connection.
    Script(Script),
}

impl Reply {
    pub fn ok(body: &str) -> Self {
        let length = body.len();
        Self::Bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes())
    }

    pub fn script<F>(script: impl FnOnce(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::Script(Box::new(move |stream| Box::pin(script(stream))))
    }
}

type Answer = dyn Fn(&Received) -> Reply + Send + Sync;

/// A running application.
pub struct Upstream {
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    connections: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Upstream {
    /// Answers each request by `answer`.
    pub async fn start(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let bytes = Arc::new(AtomicUsize::new(0));
        let answer: Arc<Answer> = Arc::new(answer);
        let (log, count, bytes_read) = (received.clone(), connections.clone(), bytes.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, answer.clone(), log.clone(), bytes_read.clone()));
            }
        });
        Self { address, received, connections, bytes, task }
    }

    /// Answers everything with 200 and a short text.
    pub async fn plain() -> Self {
        Self::start(|_| Reply::ok("hello")).await
    }

    /// Every request so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().clone()
    }

    /// The only request so far.
    pub fn only(&self) -> Received {
        let mut all = self.received();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// How many connections were opened so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many bytes came so far, those of broken requests too.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: Arc<Answer>,
    log: Arc<Mutex<Vec<Received>>>,
    bytes: Arc<AtomicUsize>,
) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer, &bytes).await {
        let reply = answer(&request);
        log.lock().push(request);
        match reply {
            Reply::Bytes(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Reply::Close(bytes) => {
                let _ = stream.write_all(&bytes).await;
                return;
            }
            Reply::Script(script) => return script(stream).await,
        }
    }
}

/// Reads one request; `None` when the connection ended. A request that breaks off is not returned.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>, bytes: &AtomicUsize) -> Option<Received> {
    let end = loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            break end;
        }
        fill(stream, buffer, bytes).await?;
    };
    let head = String::from_utf8_lossy(&buffer.drain(..end + 4).take(end).collect::<Vec<u8>>()).into_owned();
    let mut request = Received { head, body: Vec::new() };
    if let Some(length) = request.header("content-length").map(|length| length.parse::<usize>().unwrap()) {
        while buffer.len() < length {
            fill(stream, buffer, bytes).await?;
        }
        request.body = buffer.drain(..length).collect();
    } else if request.header("transfer-encoding").is_some() {
        loop {
            let line = loop {
                if let Some(end) = find(buffer, b"\r\n") {
                    break buffer.drain(..end + 2).take(end).collect::<Vec<u8>>();
                }
                fill(stream, buffer, bytes).await?;
            };
            let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap(), 16).unwrap();
            while buffer.len() < size + 2 {
                fill(stream, buffer, bytes).await?;
            }
            request.body.extend(buffer.drain(..size));
            assert_eq!(buffer.drain(..2).collect::<Vec<u8>>(), b"\r\n", "trailers are not passed on");
            if size == 0 {
                break;
            }
        }
    }
    Some(request)
}

async fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>, bytes: &AtomicUsize) -> Option<()> {
    let count = stream.read_buf(buffer).await.ok()?;
    bytes.fetch_add(count, Ordering::SeqCst);
    (count > 0).then_some(())
}

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|part| part == needle)
}
