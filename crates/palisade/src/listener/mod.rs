//! The listener: connections come in here, and requests leave for the gate.
//!
//! ```text
//! queue -> socket -> slots (how many) -> stall (how slow a reader) -> sniff (which protocol)
//!        -> HTTP/1: wire guard -> hyper | HTTP/2: hyper -> request judge
//!        -> exchange (peer, body clock, upgrade) -> service
//! ```
//!
//! Every connection has limits of its own (EDGE-5), so that a slow or greedy client costs a slot and nothing else.

mod activity;
mod body;
mod connection;
mod exchange;
mod queue;
mod slots;
mod sniff;
mod stall;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use ipnet::IpNet;
use palisade_gate::Peer;
use palisade_gate::wire::render;
use palisade_model::{Denial, Refusal, RequestId, World};
use palisade_policy::section::edge::{Edge, WireLimits};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

pub use self::queue::bind;
use self::slots::{Refused, Slots};

/// How long accepting rests when the system has no more descriptors to give.
const REST: Duration = Duration::from_millis(100);

/// What answers the requests: the gate with all that is behind it.
pub trait Service: Clone + Send + Sync + 'static {
    /// The answer to one request. Its extensions hold the [`Peer`].
    fn call(&self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send;
}

impl<F, A> Service for F
where
    F: Fn(Request<Body>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send,
{
    fn call(&self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send {
        self(request)
    }
}

/// Puts into words what was refused before there was a request for the gate, and leaves its trace in the trail.
/// Called exactly once for each such refusal.
pub type OnRefusal = Arc<dyn Fn(Peer, &Refusal) -> Response<Bytes> + Send + Sync>;

/// Refuses in plain words, without a trail.
#[must_use]
pub fn plain_refusals(world: World) -> OnRefusal {
    Arc::new(move |_, refusal| {
        let id = RequestId::generate(&*world.entropy).ok().or_else(|| RequestId::parse("no-entropy"));
        id.map_or_else(Response::default, |id| render::problem(refusal, &id))
    })
}

/// The parts of `[edge]` that the listener keeps.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Limits on each connection.
    pub limits: WireLimits,
    /// Who may hold more connections than an address may: proxies bring many clients.
    pub trusted_proxies: Vec<IpNet>,
    /// How long open requests may go on after the stop.
    pub drain: Duration,
}

impl From<&Edge> for Settings {
    fn from(edge: &Edge) -> Self {
        Self { limits: edge.wire, trusted_proxies: edge.trusted_proxies.clone(), drain: edge.drain }
    }
}

/// What all connections share.
struct Shared<S> {
    limits: WireLimits,
    service: S,
    on_refusal: OnRefusal,
    world: World,
}

impl<S> Shared<S> {
    fn refuse(&self, peer: Peer, refusal: &Refusal) -> Response<Bytes> {
        (self.on_refusal)(peer, refusal)
    }

    fn last_words(&self, peer: Peer, refusal: &Refusal) -> Bytes {
        render::last_words(&self.refuse(peer, refusal), self.world.clock.now())
    }
}

/// Serves connections until `stop` is ready, then lets open requests finish for as long as the settings say.
///
/// # Errors
/// None at present: a listener that cannot accept rests and tries again.
pub async fn serve<S: Service>(
    listener: TcpListener,
    settings: Settings,
    service: S,
    on_refusal: OnRefusal,
    world: World,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let Settings { limits, trusted_proxies, drain } = settings;
    let shared = Arc::new(Shared { limits, service, on_refusal, world });
    let slots = Arc::new(Slots::new(&limits, trusted_proxies));
    let (draining, drained) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((socket, address)) => admit(socket, address, &shared, &slots, &drained, &mut connections),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted; trying again");
                    sleep(REST).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    draining.send_replace(true);
    let finish = async {
        while connections.join_next().await.is_some() {}
        slots.all_free().await;
    };
    if tokio::time::timeout(drain, finish).await.is_err() {
        tracing::warn!(open = slots.taken(), "the time to finish open requests is over");
    }
    connections.shutdown().await;
    Ok(())
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Gives a connection its slot and its task, or a short refusal.
fn admit<S: Service>(
    socket: TcpStream,
    address: SocketAddr,
    shared: &Arc<Shared<S>>,
    slots: &Arc<Slots>,
    drained: &watch::Receiver<bool>,
    connections: &mut JoinSet<()>,
) {
    let peer = Peer { address, secure: false };
    match slots.take(address.ip()) {
        Ok(slot) => {
            connections.spawn(connection::run(socket, peer, shared.clone(), slot, drained.clone()));
        }
        Err(Refused { why, word: Some(word) }) => {
            let refusal = Refusal::new(Denial::TooManyConnections, why).retry_after(Duration::from_secs(1));
            let words = shared.last_words(peer, &refusal);
            connections.spawn(connection::turn_away(socket, words, word));
        }
        // So many are being turned away that not even that can be said.
        Err(Refused { word: None, .. }) => {}
    }
}
