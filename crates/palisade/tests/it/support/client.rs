//! A client that keeps cookies, and raw sockets for what no client would send.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{COOKIE, HOST, SET_COOKIE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A client with a jar. It does not follow redirects.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    /// Where it connects: one of several nodes of the site at `address`.
    node: SocketAddr,
    jar: BTreeMap<String, String>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, node: address, jar: BTreeMap::new() }
    }

    /// The same client before another server.
    pub fn at(mut self, address: SocketAddr) -> Self {
        (self.address, self.node) = (address, address);
        self
    }

    /// The same client, whom a load balancer leads to another node of the same site.
    pub fn through(&self, node: SocketAddr) -> Self {
        Self { node, ..self.clone() }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn put_cookie(&mut self, name: &str, value: &str) {
        self.jar.insert(name.to_owned(), value.to_owned());
    }

    pub fn cookies(&self) -> String {
        self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    pub async fn send(&mut self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let response = self.open(method, path, headers, Full::from(body.to_owned())).await;
        let (head, body) = response.into_parts();
        Answer { status: head.status, headers: head.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    /// Sends JSON as a script of the site's own pages does: with its origin, and a token against forgery.
    pub async fn call(&mut self, method: Method, path: &str, body: &serde_json::Value) -> Answer {
        let token = self.get("/api/v1/auth/csrf").await;
        let token = serde_json::from_slice::<serde_json::Value>(&token.body).unwrap_or_default();
        let own = format!("http://{}", self.address);
        let headers = [
            ("content-type", "application/json"),
            ("origin", own.as_str()),
            ("x-csrf-token", token["csrf_token"].as_str().unwrap_or_default()),
        ];
        self.send(method, path, &headers, &body.to_string()).await
    }

    /// Asks for this with a bearer token.
    pub async fn get_with(&mut self, token: &str, path: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        self.send(Method::GET, path, &[("authorization", bearer.as_str())], "").await
    }

    /// Sends a request and returns once the head of the answer is there.
    pub async fn open<B>(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: B,
    ) -> Response<Incoming>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: std::error::Error + Send + Sync,
    {
        let stream = TcpStream::connect(self.node).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header(HOST, self.address.to_string());
        }
        if !self.jar.is_empty() {
            request = request.header(COOKIE, self.cookies());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = sender.send_request(request.body(body).unwrap()).await.unwrap();
        for cookie in response.headers().get_all(SET_COOKIE) {
            let cookie = cookie::Cookie::parse(cookie.to_str().unwrap().to_owned()).unwrap();
            self.jar.insert(cookie.name().to_owned(), cookie.value().to_owned());
        }
        response
    }
}

/// Sends these bytes and reads until the other side closes.
pub async fn raw(address: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// The same, read as an answer.
pub async fn wire(address: SocketAddr, bytes: &str) -> Answer {
    let text = raw(address, bytes).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let (line, fields) = head.split_once("\r\n").unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in fields.split("\r\n").map(|field| field.split_once(": ").unwrap()) {
        headers.append(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, headers, body: Bytes::from(body.to_owned()) }
}

/// Sends one request over HTTP/2, with prior knowledge.
pub async fn http2<B>(address: SocketAddr, request: Request<B>) -> Answer
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync,
{
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
    let (head, body) = response.into_parts();
    Answer { status: head.status, headers: head.headers, body: body.collect().await.unwrap().to_bytes() }
}
