//! Bodies under watch: a request's body must come without long pauses (EDGE-5), an answer's end is reported.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use palisade_gate::wire::{Exchanges, Violation, of_error};
use palisade_model::Denial;
use tokio::time::{Instant, Sleep, sleep_until};

use super::activity::Ongoing;

/// The first thing that went wrong with a request's body.
pub(super) type Fault = Arc<OnceLock<Violation>>;

/// A request's body. Its errors are all [`Violation`]s.
pub(super) struct RequestBody {
    body: Incoming,
    patience: Duration,
    pause: Option<Pin<Box<Sleep>>>,
    pausing: bool,
    fault: Fault,
}

/// The body for the service, and where its fault will be written.
pub(super) fn watch(body: Incoming, patience: Duration) -> (Body, Option<Fault>) {
    if body.is_end_stream() {
        return (Body::empty(), None);
    }
    let fault = Fault::default();
    let watched = RequestBody { body, patience, pause: None, pausing: false, fault: fault.clone() };
    (Body::new(watched), Some(fault))
}

impl RequestBody {
    /// Ready when the pause was too long.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = Instant::now() + self.patience;
        let pause = self.pause.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if !self.pausing {
            self.pausing = true;
            pause.as_mut().reset(deadline);
        }
        pause.as_mut().poll(cx)
    }

    fn fail(&self, violation: Violation) -> Poll<Option<Result<Frame<Bytes>, Violation>>> {
        let _ = self.fault.set(violation);
        Poll::Ready(Some(Err(violation)))
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = Violation;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Violation>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            ready!(this.poll_pause(cx));
            return this
                .fail(Violation { denial: Denial::RequestTimeout, why: "body took too long to arrive" });
        };
        this.pausing = false;
        match frame {
            Some(Ok(frame)) if frame.is_trailers() => {
                this.fail(Violation { denial: Denial::Ambiguous, why: "trailer" })
            }
            Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
            Some(Err(error)) => this.fail(of_error(&error).unwrap_or(Violation {
                denial: Denial::BodyIncomplete,
                why: "body ended before it was whole",
            })),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Tells the guard of an HTTP/1 connection when it is dropped: the answer is complete, or nobody wants it any more.
pub(super) struct Ticket(pub(super) Arc<Exchanges>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.answered();
    }
}

/// An answer's body.
pub(super) enum ResponseBody {
    /// With the word to the connection's guard.
    Http1 { body: Body, _ticket: Ticket },
    /// In the care of the connection's watch.
    Http2(Ongoing),
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.get_mut() {
            Self::Http1 { body, .. } => Pin::new(body).poll_frame(cx),
            Self::Http2(ongoing) => ongoing.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1 { body, .. } => body.is_end_stream(),
            Self::Http2(ongoing) => ongoing.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1 { body, .. } => body.size_hint(),
            Self::Http2(ongoing) => ongoing.size_hint(),
        }
    }
}
