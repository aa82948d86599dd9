//! The connections to one application.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Body;
use http::header::UPGRADE;
use http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use palisade_model::ClientAddress;
use palisade_policy::section::upstream::Upstream;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::failure::Failure;
use super::link::{Link, Sent};
use super::outgoing::Outgoing;

/// How many requests may wait for a connection; the next one is told that the application is busy.
const WAITING: usize = 1024;

/// Addresses are put into so many groups; those of one group share what one address may hold.
const GROUPS: usize = 256;

/// The connections to one application: at most so many, reused last in first out, so that few stay warm and the rest
/// run out.
pub(super) struct Pool {
    authority: String,
    connect_timeout: Duration,
    idle: Duration,
    connections: usize,
    slots: Semaphore,
    /// What each group of addresses may still take of the slots. By a secret hash, so that nobody can choose whom to
    /// share with.
    shares: Vec<Semaphore>,
    grouping: RandomState,
    waiting: AtomicUsize,
    stack: Mutex<Vec<Idle>>,
}

struct Idle {
    link: Box<Link>,
    since: Instant,
}

impl Pool {
    pub(super) fn new(upstream: &Upstream) -> Arc<Self> {
        let connections = upstream.connections.min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            authority: upstream.authority.clone(),
            connect_timeout: upstream.connect_timeout,
            idle: upstream.idle,
            connections,
            slots: Semaphore::new(connections),
            // One client that is slow on purpose leaves a quarter to the others.
            shares: (0..GROUPS).map(|_| Semaphore::new(connections - connections / 4)).collect(),
            grouping: RandomState::new(),
            waiting: AtomicUsize::new(0),
            stack: Mutex::new(Vec::new()),
        })
    }

    /// Sends `request` over a connection of this pool. The lease keeps the connection until the answer is whole.
    ///
    /// An idle connection may turn out to be closed. As long as no byte of the request was written the next one is
    /// tried. Once a byte was, the application may have acted on it, and the request is never sent again, but for one
    /// case: an application that closes an idle connection at the very moment at which a request is on its way to it.
    /// So what changes nothing and has no body is sent a second time, over a new connection, when a connection that
    /// was in use before ended without a byte of an answer (RFC 9112 section 9.3.1, RFC 9110 section 9.2.2).
    pub(super) async fn send(
        self: &Arc<Self>,
        mut request: Request<Outgoing>,
        client: ClientAddress,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        let lease = self.slot(client).await?;
        let mut repeated = false;
        loop {
            let idle = if repeated { None } else { self.take_idle() };
            let fresh = idle.is_none();
            let spare = if fresh { None } else { copy(&request) };
            let mut link = match idle {
                Some(link) => link,
                None => Box::new(Box::pin(Link::open(&self.authority, self.connect_timeout)).await?),
            };
            match link.send(request).await {
                Sent::Answered(response) => return Ok((response, lease.holding(link))),
                Sent::Broken { error, unheard } => match spare.filter(|_| unheard) {
                    Some(spare) => {
                        tracing::debug!("an idle connection was closed as it was used: once more");
                        (request, repeated) = (spare, true);
                    }
                    None => return Err(Failure::Invalid(error)),
                },
                Sent::Unsent(_) if fresh => return Err(Failure::Invalid(None)),
                Sent::Unsent(back) => request = back,
            }
        }
    }

    /// Waits for the right to use a connection: of the client's share first, then of all.
    async fn slot(self: &Arc<Self>, client: ClientAddress) -> Result<Lease, Failure> {
        let group = self.grouping.hash_one(client.limit_key()) as usize % GROUPS;
        let share = self.shares.get(group).ok_or(Failure::Busy)?;
        self.enter(share).await?;
        let mut lease = Lease { pool: Arc::clone(self), group, slot: false, link: None };
        self.enter(&self.slots).await?;
        lease.slot = true;
        Ok(lease)
    }

    /// Takes one permit for good.
    async fn enter(&self, door: &Semaphore) -> Result<(), Failure> {
        let permit = match door.try_acquire() {
            Ok(permit) => permit,
            Err(_) => {
                let _waiting = Waiting::enter(&self.waiting)?;
                match timeout(self.connect_timeout, door.acquire()).await {
                    Ok(Ok(permit)) => permit,
                    _ => return Err(Failure::Busy),
                }
            }
        };
        permit.forget();
        Ok(())
    }

    /// The connection that was used last, if it is still good. An application that closed it meanwhile is noticed
    /// here, before a request is entrusted to it.
    fn take_idle(&self) -> Option<Box<Link>> {
        loop {
            let mut idle = self.stack.lock().pop()?;
            // What lies below was idle for longer still: it is left to `prune`.
            if idle.since.elapsed() >= self.idle {
                return None;
            }
            if idle.link.is_free() {
                return Some(idle.link);
            }
        }
    }

    /// Closes the connections that were idle for too long or that the application closed.
    pub(super) fn prune(&self) {
        let is_done = |entry: &mut Idle| entry.since.elapsed() >= self.idle || !entry.link.is_free();
        let done: Vec<Idle> = self.stack.lock().extract_if(.., is_done).collect();
        // Closing costs system calls, and nobody should wait for the stack meanwhile.
        drop(done);
    }

    /// How the connections are used at the moment.
    pub(super) fn load(&self) -> Load {
        let open = self.connections.saturating_sub(self.slots.available_permits());
        Load { idle: self.stack.lock().len(), open, waiting: self.waiting.load(Ordering::Relaxed) }
    }
}

/// The request once more, if repeating it does no harm and nothing of it is used up by sending it.
fn copy(request: &Request<Outgoing>) -> Option<Request<Outgoing>> {
    let (method, headers) = (request.method(), request.headers());
    if !method.is_safe() || !request.body().is_end_stream() || headers.contains_key(UPGRADE) {
        return None;
    }
    let mut copy = Request::new(Outgoing::new(Body::empty()));
    method.clone_into(copy.method_mut());
    request.uri().clone_into(copy.uri_mut());
    *copy.version_mut() = request.version();
    headers.clone_into(copy.headers_mut());
    Some(copy)
}

/// How the connections of a pool are used at one moment.
pub(super) struct Load {
    /// Connections that wait for a request.
    pub(super) idle: usize,
    /// Requests that have a connection.
    pub(super) open: usize,
    /// Requests that wait for a connection.
    pub(super) waiting: usize,
}

/// A place in the queue for a connection.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Result<Self, Failure> {
        let place = Self(count);
        if count.fetch_add(1, Ordering::Relaxed) < WAITING { Ok(place) } else { Err(Failure::Busy) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The use of one connection. Dropped before the answer is whole, it closes the connection: that is how an
/// application learns that its client has left.
pub(super) struct Lease {
    pool: Arc<Pool>,
    /// Whose share it is.
    group: usize,
    /// Whether a slot is taken as well.
    slot: bool,
    link: Option<Box<Link>>,
}

impl Lease {
    fn holding(mut self, link: Box<Link>) -> Self {
        self.link = Some(link);
        self
    }

    /// Drives the connection; ready once it is over.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.link.as_mut().map_or(Poll::Ready(()), |link| link.drive(cx))
    }

    /// The answer is whole: the connection can serve somebody else.
    pub(super) fn give_back(mut self) {
        if let Some(mut link) = self.link.take()
            && link.is_free()
        {
            self.pool.stack.lock().push(Idle { link, since: Instant::now() });
        }
    }

    /// Takes the connection out of the pool for good; its slot stays taken until the lease is dropped.
    pub(super) fn detach(&mut self) -> Option<Link> {
        self.link.take().map(|link| *link)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.link = None;
        if self.slot {
            self.pool.slots.add_permits(1);
        }
        if let Some(share) = self.pool.shares.get(self.group) {
            share.add_permits(1);
        }
    }
}
