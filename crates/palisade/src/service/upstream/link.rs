//! One connection to an application.
//!
//! The connection is not a task of its own: whoever uses it drives it, from the task that serves the client. A
//! request then costs no task switch, a client that leaves takes the connection down with it, and an idle connection
//! costs nothing. Since the driver and the reader are the same task, what hyper hands from one to the other is polled
//! with a waker that does nothing: only the socket and the client's body ever wake the task.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::ear::{Ear, Heard};
use super::failure::Failure;
use super::outgoing::Outgoing;

/// A connection over which one request at a time can go.
pub(super) struct Link {
    sender: SendRequest<Outgoing>,
    connection: Connection<TokioIo<Ear>, Outgoing>,
    heard: Heard,
    over: bool,
}

/// What became of a request that was handed to a link.
pub(super) enum Sent {
    /// The head of the answer is there.
    Answered(Response<Incoming>),
    /// The connection was closed before a byte of the request was written: here it is back.
    Unsent(Request<Outgoing>),
    /// The connection broke after the request, or a part of it, was written.
    Broken {
        /// What hyper has to say of it.
        error: Option<hyper::Error>,
        /// Whether it ended without a byte of an answer.
        unheard: bool,
    },
}

impl Link {
    /// Connects to `authority` (`host:port`).
    pub(super) async fn open(authority: &str, within: Duration) -> Result<Self, Failure> {
        let stream = match timeout(within, TcpStream::connect(authority)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(Failure::Unreachable(error)),
            Err(_) => return Err(Failure::ConnectTimeout),
        };
        stream.set_nodelay(true).map_err(Failure::Unreachable)?;
        let heard = Heard::default();
        let (sender, connection) = Builder::new()
            .handshake(TokioIo::new(Ear::new(stream, heard.clone())))
            .await
            .map_err(|error| Failure::Invalid(Some(error)))?;
        Ok(Self { sender, connection, heard, over: false })
    }

    /// Sends `request` and waits for the head of its answer.
    pub(super) async fn send(&mut self, request: Request<Outgoing>) -> Sent {
        self.heard.anew();
        let answer = tokio::task::unconstrained(self.sender.try_send_request(request));
        let mut answer = pin!(answer);
        let outcome = std::future::poll_fn(|cx| {
            let over = self.drive(cx);
            match answer.as_mut().poll(&mut quiet()) {
                Poll::Pending if over.is_ready() => Poll::Ready(None),
                other => other.map(Some),
            }
        })
        .await;
        match outcome {
            Some(Ok(response)) => Sent::Answered(response),
            Some(Err(mut error)) => match error.take_message() {
                Some(request) => Sent::Unsent(request),
                None => self.broken(Some(error.into_error())),
            },
            None => self.broken(None),
        }
    }

    fn broken(&self, error: Option<hyper::Error>) -> Sent {
        Sent::Broken { error, unheard: !self.heard.anything() }
    }

    /// Lets the connection read and write what it can. Ready once the connection is over.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.over {
            return Poll::Ready(());
        }
        // The error of a connection reaches the request or the body that it breaks; here it only means the end.
        let done = self.connection.poll_without_shutdown(cx).map(|_| ());
        self.over = done.is_ready();
        done
    }

    /// Whether the connection can take another request. Also unhooks it from the task that used it last.
    pub(super) fn is_free(&mut self) -> bool {
        self.drive(&mut quiet()).is_pending() && self.sender.is_ready()
    }

    /// The socket and what was read of it beyond the head of the answer: for protocols that take over.
    pub(super) fn into_parts(self) -> (TcpStream, Bytes) {
        let parts = self.connection.into_parts();
        (parts.io.into_inner().into_inner(), parts.read_buf)
    }
}

/// A context whose waker does nothing.
pub(super) fn quiet() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
