//! The end of a connection: the last words, and time for them to be heard.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a client may go on sending what is not read any more.
const LINGER: Duration = Duration::from_secs(1);
/// And how much of it, in bytes.
const LINGER_BYTES: usize = 256 * 1024;

/// Closes a socket so that the last answer arrives: a socket that is closed while input waits in it answers with a
/// reset, and the client's system throws away what it had not read yet (RFC 9112 section 9.6).
#[derive(Default)]
pub(super) struct Closing {
    words: Bytes,
    lingers: bool,
    shut: bool,
    drained: usize,
    until: Option<Pin<Box<Sleep>>>,
}

impl Closing {
    /// Closes with an answer; with its head alone where the request was for a head.
    pub(super) fn say(&mut self, words: Bytes, head_only: bool) {
        self.words = words;
        if head_only && let Some(end) = memmem::find(&self.words, b"\r\n\r\n") {
            self.words.truncate(end + 4);
        }
        self.lingers = true;
    }

    /// Closes with input unread.
    pub(super) const fn linger(&mut self) {
        self.lingers = true;
    }

    pub(super) fn poll<T>(&mut self, io: &mut T, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        while self.words.has_remaining() {
            let written = ready!(Pin::new(&mut *io).poll_write(cx, &self.words))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.words.advance(written);
        }
        if !self.shut {
            ready!(Pin::new(&mut *io).poll_flush(cx))?;
            ready!(Pin::new(&mut *io).poll_shutdown(cx))?;
            self.shut = true;
        }
        if self.lingers { self.poll_drain(io, cx) } else { Poll::Ready(Ok(())) }
    }

    fn poll_drain<T: AsyncRead + Unpin>(&mut self, io: &mut T, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut waste = [0_u8; 4096];
        let until = self.until.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        while until.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut waste);
            // Whether the client closed or broke off, it is done.
            if ready!(Pin::new(&mut *io).poll_read(cx, &mut buf)).is_err() || buf.filled().is_empty() {
                break;
            }
            self.drained += buf.filled().len();
            if self.drained > LINGER_BYTES {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}
