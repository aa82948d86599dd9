//! A listener with a service that notes down what reaches it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use palisade::listener::{self, OnRefusal, Settings};
use palisade_gate::Peer;
use palisade_gate::wire::render;
use palisade_model::{Denial, RequestId, World};
use palisade_policy::section::edge::WireLimits;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Small enough for quick tests, large enough for honest requests on a busy machine.
pub fn limits() -> WireLimits {
    WireLimits {
        uri_bytes: 2048,
        header_bytes: 8192,
        headers: 50,
        header_timeout: Duration::from_millis(900),
        body_timeout: Duration::from_millis(900),
        idle_timeout: Duration::from_secs(20),
        connections: 20_000,
        connections_per_address: 20_000,
        streams: 100,
    }
}

/// What one connection came to, in the eyes of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// `GET /path [body]`, in the order of arrival; only requests whose body was whole.
    pub seen: Vec<String>,
    /// Requests whose body failed.
    pub broken: usize,
    /// Answers of `/held` that were let go.
    pub let_go: usize,
    /// Refusals outside the service.
    pub refused: Vec<Denial>,
}

/// A running listener.
pub struct Server {
    pub address: SocketAddr,
    records: Arc<Mutex<HashMap<SocketAddr, Record>>>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    pub async fn start(limits: WireLimits) -> Self {
        let listener = listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let records = Arc::<Mutex<HashMap<SocketAddr, Record>>>::default();
        let (stop, stopped) = oneshot::channel::<()>();
        let (noted, refused) = (records.clone(), records.clone());
        let on_refusal: OnRefusal = Arc::new(move |peer, refusal| {
            let mut records = refused.lock().unwrap();
            records.entry(peer.address).or_default().refused.push(refusal.denial);
            render::problem(refusal, &RequestId::parse("request-of-a-test").unwrap())
        });
        let settings = Settings { limits, trusted_proxies: Vec::new(), drain: Duration::from_secs(2) };
        let service = move |request| answer(noted.clone(), request);
        let task = tokio::spawn(async move {
            let stop = async {
                let _ = stopped.await;
            };
            listener::serve(listener, settings, service, on_refusal, World::real(), stop).await.unwrap();
        });
        Self { address, records, stop: Some(stop), task }
    }

    /// What came of the connection from that address.
    pub fn record(&self, client: SocketAddr) -> Record {
        self.records.lock().unwrap().get(&client).cloned().unwrap_or_default()
    }

    /// Every refusal outside the service, on all connections.
    pub fn refusals(&self) -> Vec<Denial> {
        self.records.lock().unwrap().values().flat_map(|record| record.refused.clone()).collect()
    }

    /// Asks it to stop. The task ends when it has.
    pub fn stop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
    }

    pub async fn stopped(mut self) {
        self.stop();
        self.task.await.unwrap();
    }
}

/// Notes the request down, and answers with the note.
///
/// `/slow/N` waits so many milliseconds; `/unread` does not read the body; `/big/N` answers with so many bytes;
/// `/held` notes when its answer is let go; `/socket` agrees to any upgrade.
async fn answer(
    records: Arc<Mutex<HashMap<SocketAddr, Record>>>,
    mut request: Request<Body>,
) -> Response<Body> {
    let peer = *request.extensions().get::<Peer>().unwrap();
    let upgrade = request.extensions_mut().remove::<hyper::upgrade::OnUpgrade>();
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let number = |prefix| path.strip_prefix(prefix).and_then(|n| n.parse::<u64>().ok());
    let target = parts.uri.path_and_query().map_or("*", http::uri::PathAndQuery::as_str);
    let mut note = format!("{} {target}", parts.method);
    if path != "/unread" {
        let Ok(whole) = body.collect().await else {
            records.lock().unwrap().entry(peer.address).or_default().broken += 1;
            // Not what the client must see: the listener knows better.
            return status(StatusCode::INTERNAL_SERVER_ERROR);
        };
        let whole = whole.to_bytes();
        if !whole.is_empty() {
            note.push_str(&format!(" [{}]", whole.escape_ascii()));
        }
    }
    if let Some(millis) = number("/slow/") {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
    records.lock().unwrap().entry(peer.address).or_default().seen.push(note.clone());
    if let Some(bytes) = number("/big/") {
        return Response::new(Body::from(vec![b'x'; usize::try_from(bytes).unwrap()]));
    }
    if path == "/held" {
        return Response::new(Body::new(Held { records, peer: peer.address, left: 3 }));
    }
    if path == "/socket" {
        return switch(upgrade);
    }
    Response::new(Body::from(note))
}

/// An answer that holds something dear, as a connection to an application.
struct Held {
    records: Arc<Mutex<HashMap<SocketAddr, Record>>>,
    peer: SocketAddr,
    left: usize,
}

impl http_body::Body for Held {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
        self.left = left;
        Poll::Ready(Some(Ok(http_body::Frame::data("held".into()))))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.records.lock().unwrap().entry(self.peer).or_default().let_go += 1;
    }
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Switches to a protocol that echoes.
fn switch(upgrade: Option<hyper::upgrade::OnUpgrade>) -> Response<Body> {
    if let Some(upgrade) = upgrade {
        tokio::spawn(async move {
            let io = upgrade.await.unwrap();
            let (mut read, mut write) = tokio::io::split(hyper_util::rt::TokioIo::new(io));
            let _ = tokio::io::copy(&mut read, &mut write).await;
        });
    }
    let mut response = status(StatusCode::SWITCHING_PROTOCOLS);
    response.headers_mut().insert(header::UPGRADE, http::HeaderValue::from_static("websocket"));
    response.headers_mut().insert(header::CONNECTION, http::HeaderValue::from_static("upgrade"));
    response
}
