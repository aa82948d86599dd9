//! The guard between a socket and an HTTP/1 server: the server can only read what was judged.
//!
//! A violation in a head lets the requests before it be answered first; then the server sees the end of the stream,
//! shuts the connection down, and the guard puts the refusal in front of that. A violation in a body is an error of
//! that body, so that whoever is reading it stops, and answers.
//!
//! The guard has to know when an answer is complete, and whether an upgrade was granted. The service tells it through
//! [`Exchanges`]; the guard believes it only once the answer was flushed.

mod closing;
mod patience;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes, BytesMut};
use palisade_model::{Denial, Refusal};
use palisade_policy::section::edge::WireLimits;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use self::closing::Closing;
use self::patience::{Patience, Waiting};
use super::Violation;
use super::stream::Stream;

/// What a connection holds back, in bytes, while an upgrade is undecided.
const HELD_BYTES: usize = 64 * 1024;

/// What the service tells the guard of the connection's exchanges.
#[derive(Debug, Default)]
pub struct Exchanges {
    answered: AtomicU64,
    switched: AtomicBool,
}

impl Exchanges {
    /// An answer is complete: its body was handed over or dropped.
    pub fn answered(&self) {
        self.answered.fetch_add(1, Ordering::Release);
    }

    /// The answer that is given next is 101: another protocol begins behind it.
    pub fn switched(&self) {
        self.switched.store(true, Ordering::Release);
    }
}

/// Renders a refusal as the bytes of a whole answer, and leaves its trace in the trail. Called once, if at all.
pub type OnViolation = Box<dyn FnOnce(Refusal) -> Bytes + Send>;

/// A socket of which only judged bytes can be read. See the [module](self).
pub struct GuardedIo<T> {
    io: T,
    stream: Stream,
    /// Received and not handed on yet. The first `released` bytes of it may be.
    inbox: BytesMut,
    released: usize,
    /// Whether the inbox holds bytes that the stream has not seen in its present state.
    unjudged: bool,
    end: Option<End>,
    exchanges: Arc<Exchanges>,
    /// Answers that were complete and flushed.
    answered: u64,
    /// The reader, while it is held back for a reason other than the socket.
    reader: Option<Waker>,
    patience: Patience,
    on_violation: Option<OnViolation>,
    /// The server has answered all that was strict, and was told that nothing follows.
    refusing: bool,
    closing: Closing,
}

/// Why nothing more is read.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The client said all, or waited too long before saying anything.
    Silence,
    /// A head was not strict, or came too slowly. Answered by the guard.
    Head(Violation),
    /// A body was not strict. Answered by the service.
    Body(Violation),
}

impl<T> GuardedIo<T> {
    /// Guards `io`, of which `prefix` was read already. `since` is when the connection was made.
    pub fn new(
        io: T,
        prefix: &[u8],
        since: Instant,
        limits: WireLimits,
        on_violation: OnViolation,
    ) -> (Self, Arc<Exchanges>) {
        let exchanges = Arc::<Exchanges>::default();
        let guard = Self {
            io,
            stream: Stream::new(limits),
            inbox: BytesMut::from(prefix),
            released: 0,
            unjudged: !prefix.is_empty(),
            end: None,
            exchanges: exchanges.clone(),
            answered: 0,
            reader: None,
            patience: Patience::new(since, &limits, !prefix.is_empty()),
            on_violation: Some(on_violation),
            refusing: false,
            closing: Closing::default(),
        };
        (guard, exchanges)
    }

    /// Whether a request was read whose answer is not complete.
    fn is_busy(&self) -> bool {
        self.stream.heads() > self.answered
    }

    /// What the connection is waiting for.
    fn waiting(&self) -> Waiting {
        match () {
            () if self.is_busy() || !self.stream.in_head() => Waiting::Service,
            () if self.inbox.is_empty() => Waiting::Request,
            () => Waiting::Head,
        }
    }

    /// Judges what the inbox holds, and notes what may be read of it.
    fn judge_inbox(&mut self) {
        self.unjudged = false;
        let unreleased = self.inbox.get(self.released..).unwrap_or_default();
        let progress = self.stream.judge(unreleased);
        self.released += progress.released;
        self.note(progress.violation);
        if self.end.is_some() || self.stream.is_finished() {
            self.inbox.truncate(self.released);
        }
    }

    fn note(&mut self, violation: Option<Violation>) {
        if let Some(violation) = violation {
            self.end = Some(if self.stream.in_body() { End::Body(violation) } else { End::Head(violation) });
        }
    }

    /// Hands on what was released before.
    fn hand_on(&mut self, buf: &mut ReadBuf<'_>) {
        let length = self.released.min(buf.remaining());
        buf.put_slice(self.inbox.get(..length).unwrap_or_default());
        self.inbox.advance(length.min(self.inbox.len()));
        self.released -= length;
    }

    /// Takes in what was just read into the reader's own buffer, behind `before`, and leaves there what is judged.
    fn take_in(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let fresh = buf.filled().get(before..).unwrap_or_default();
        if self.inbox.is_empty() {
            // The common case: whole requests are judged where they lie, and not copied.
            let progress = self.stream.judge(fresh);
            if progress.violation.is_none() && !self.stream.is_finished() {
                self.inbox.extend_from_slice(fresh.get(progress.released..).unwrap_or_default());
            }
            self.note(progress.violation);
            buf.set_filled(before + progress.released);
        } else {
            self.inbox.extend_from_slice(fresh);
            buf.set_filled(before);
            self.judge_inbox();
        }
    }

    /// The client has nothing more to say.
    fn closed_by_peer(&mut self) {
        let cut = self.stream.in_head() && !self.inbox.is_empty() && !self.is_busy();
        self.end = Some(if cut {
            End::Head(Violation::new(Denial::Malformed, "connection closed within a head"))
        } else {
            End::Silence
        });
    }

    /// An answer was flushed. It may have been the one that something waits for.
    fn settle(&mut self, cx: &mut Context<'_>) {
        let answered = self.exchanges.answered.load(Ordering::Acquire);
        if self.stream.is_held() {
            if self.exchanges.switched.load(Ordering::Acquire) {
                self.stream.open();
                self.reconsider();
            } else if answered >= self.stream.heads() {
                self.stream.keep_shut();
                self.reconsider();
            }
        }
        if answered != self.answered {
            self.answered = answered;
            if self.end.is_some() {
                self.reconsider();
            }
            // The server may not ask to read before it is woken, and patience begins now.
            self.patience.renew();
            let waiting = self.waiting();
            if self.end.is_none() && self.patience.poll(waiting, cx).is_ready() {
                self.reconsider();
            }
        }
    }

    fn reconsider(&mut self) {
        self.unjudged = !self.inbox.is_empty();
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Holds the reader back until [`Self::reconsider`].
    fn hold(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// What a reader gets once nothing more is read.
    fn poll_end(&mut self, end: End, cx: &Context<'_>) -> Poll<io::Result<()>> {
        match end {
            End::Silence => Poll::Ready(Ok(())),
            End::Head(_) if self.is_busy() => self.hold(cx),
            End::Head(_) => {
                self.refusing = true;
                Poll::Ready(Ok(()))
            }
            End::Body(violation) => {
                self.end = Some(End::Silence);
                self.closing.linger();
                Poll::Ready(Err(violation.into()))
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for GuardedIo<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if this.unjudged {
                this.judge_inbox();
            }
            if this.released > 0 {
                this.hand_on(buf);
                return Poll::Ready(Ok(()));
            }
            if let Some(end) = this.end {
                return this.poll_end(end, cx);
            }
            if this.stream.is_held() && this.inbox.len() > HELD_BYTES {
                return this.hold(cx);
            }
            let before = buf.filled().len();
            if Pin::new(&mut this.io).poll_read(cx, buf)?.is_pending() {
                if this.stream.is_open() {
                    return Poll::Pending;
                }
                if this.stream.is_held() {
                    return this.hold(cx);
                }
                let waiting = this.waiting();
                ready!(this.patience.poll(waiting, cx));
                this.end = Some(match waiting {
                    Waiting::Head => {
                        End::Head(Violation::new(Denial::RequestTimeout, "head took too long to arrive"))
                    }
                    Waiting::Request | Waiting::Service => End::Silence,
                });
            } else if buf.filled().len() == before {
                this.closed_by_peer();
            } else {
                this.take_in(buf, before);
                if buf.filled().len() > before {
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for GuardedIo<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.io).poll_flush(cx))?;
        this.settle(cx);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(End::Head(violation)) = this.end
            && this.refusing
            && let Some(on_violation) = this.on_violation.take()
        {
            let words = on_violation(violation.into());
            this.closing.say(words, this.stream.is_head_request());
        }
        if !this.stream.is_open() && (this.stream.in_body() || !this.inbox.is_empty()) {
            this.closing.linger();
        }
        this.closing.poll(&mut this.io, cx)
    }
}
