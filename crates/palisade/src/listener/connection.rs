//! One connection, from its first byte to its last.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use palisade_gate::Peer;
use palisade_gate::wire::GuardedIo;
use palisade_policy::section::edge::WireLimits;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep, timeout};

use super::activity::{Activity, Outlook};
use super::slots::Slot;
use super::sniff::{Protocol, sniff};
use super::stall::Stall;
use super::{Service, Shared, exchange};

type Socket = Stall<TcpStream>;

/// Streams that a client opens and resets at once (CVE-2023-44487): so many may wait to be seen.
const PENDING_RESETS: usize = 20;
/// Streams that break the protocol, until the connection is closed for it.
const LOCAL_RESETS: usize = 100;
/// What one HTTP/2 stream may buffer on its way out, in bytes.
const STREAM_BUFFER: usize = 256 * 1024;

/// Serves a connection to its end.
pub(super) async fn run<S: Service>(
    socket: TcpStream,
    peer: Peer,
    shared: Arc<Shared<S>>,
    slot: Slot,
    mut draining: watch::Receiver<bool>,
) {
    let since = Instant::now();
    let limits = shared.limits;
    let _ = socket.set_nodelay(true);
    let mut socket = Stall::new(socket, limits.body_timeout, slot);
    let deadline = since + limits.header_timeout.min(limits.idle_timeout);
    let protocol = tokio::select! {
        protocol = sniff(&mut socket, deadline) => protocol,
        () = stopped(&mut draining) => return,
    };
    match protocol {
        Ok(Some(Protocol::Http1(first))) => serve1(socket, &first, since, peer, shared, draining).await,
        Ok(Some(Protocol::Http2(first))) => serve2(socket, first, peer, shared, draining).await,
        Ok(None) | Err(_) => {}
    }
}

/// Ready when the server stops.
async fn stopped(draining: &mut watch::Receiver<bool>) {
    let _ = draining.wait_for(|draining| *draining).await;
}

async fn serve1<S: Service>(
    socket: Socket,
    first: &[u8],
    since: Instant,
    peer: Peer,
    shared: Arc<Shared<S>>,
    mut draining: watch::Receiver<bool>,
) {
    let limits = shared.limits;
    let refuser = shared.clone();
    let on_violation = Box::new(move |refusal| refuser.last_words(peer, &refusal));
    let (guard, exchanges) = GuardedIo::new(socket, first, since, limits, on_violation);
    let service =
        service_fn(move |request| exchange::http1(shared.clone(), peer, exchanges.clone(), request));
    let connection = builder1(&limits).serve_connection(TokioIo::new(guard), service).with_upgrades();
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stopped(&mut draining) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "connection ended early");
    }
}

/// Time limits and strictness are the guard's; hyper only parses what has passed.
fn builder1(limits: &WireLimits) -> http1::Builder {
    /// hyper keeps this many fields without a heap.
    const HYPER_HEADERS: usize = 100;
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(None);
    if limits.headers > HYPER_HEADERS {
        builder.max_headers(limits.headers);
    }
    builder
}

async fn serve2<S: Service>(
    socket: Socket,
    first: BytesMut,
    peer: Peer,
    shared: Arc<Shared<S>>,
    mut draining: watch::Receiver<bool>,
) {
    let limits = shared.limits;
    let activity = Activity::new();
    let watched = activity.clone();
    let service = service_fn(move |request| exchange::http2(shared.clone(), peer, activity.clone(), request));
    let io = Rewound { first: first.freeze(), io: socket };
    let mut connection = pin!(builder2(&limits).serve_connection(TokioIo::new(io), service));
    let ended = tokio::select! {
        result = connection.as_mut() => Some(result),
        outlook = over(&watched, &limits) => match outlook {
            Outlook::Stalled => return,
            _ => None,
        },
        () = stopped(&mut draining) => None,
    };
    let result = match ended {
        Some(result) => result,
        None => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                result = connection => result,
                _ = over(&watched, &limits) => return,
            }
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "connection ended early");
    }
}

fn builder2(limits: &WireLimits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(LOCAL_RESETS)
        .max_send_buf_size(STREAM_BUFFER)
        .keep_alive_interval(limits.idle_timeout)
        .keep_alive_timeout(limits.header_timeout);
    builder
}

/// Ready once an HTTP/2 connection was idle or stalled for too long.
async fn over(activity: &Activity, limits: &WireLimits) -> Outlook {
    loop {
        activity.let_go(limits.body_timeout);
        match activity.outlook(limits.idle_timeout, limits.body_timeout) {
            Outlook::Live(pause) => {
                sleep(pause.min(limits.body_timeout).max(Duration::from_millis(10))).await;
            }
            outlook => return outlook,
        }
    }
}

/// Tells a connection that there is no place for it. Costs one small task for a moment, and no more.
pub(super) async fn turn_away(mut socket: TcpStream, words: Bytes, word: OwnedSemaphorePermit) {
    const MOMENT: Duration = Duration::from_millis(500);
    let say = async {
        socket.write_all(&words).await?;
        socket.shutdown().await?;
        // Until the client has read it: closing at once could throw the words away.
        let mut waste = [0; 1024];
        while socket.read(&mut waste).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = timeout(MOMENT, say).await;
    drop(word);
}

/// A socket of which the first bytes were read already.
struct Rewound<T> {
    first: Bytes,
    io: T,
}

impl<T: AsyncRead + Unpin> AsyncRead for Rewound<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.has_remaining() {
            let length = self.first.len().min(buf.remaining());
            buf.put_slice(&self.first.split_to(length));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Rewound<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
