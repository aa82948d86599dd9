//! The body of an application's answer on its way to the client.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use palisade_gate::CredentialEnded;

use super::link::quiet;
use super::pool::Lease;
use super::vigil::Vigil;

/// An answer's body, with the connection that it comes from.
///
/// It ends cleanly only where the application's answer ended cleanly: an application that dies half way is an error
/// here, which cuts the client's answer off too. Trailers are left out, as on the way in.
pub(super) struct Answer {
    incoming: Incoming,
    /// Until the answer is whole.
    lease: Option<Lease>,
    /// Why the answer broke off, once it did.
    broken: Option<BrokenOff>,
    /// Looks whether an answer that lasts may go on; none for nobody's.
    vigil: Option<Vigil>,
}

/// The answer broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum BrokenOff {
    /// By the application.
    #[error("the application's answer broke off")]
    Application(#[source] Option<hyper::Error>),
    /// From here.
    #[error("the answer was ended")]
    Ended(#[source] CredentialEnded),
}

impl Answer {
    pub(super) fn new(incoming: Incoming, lease: Lease, vigil: Option<Vigil>) -> Self {
        let mut answer = Self { incoming, lease: Some(lease), broken: None, vigil };
        answer.give_back_when_whole();
        answer
    }

    fn give_back_when_whole(&mut self) {
        if self.incoming.is_end_stream() {
            self.give_back();
        }
    }

    /// Tells of the end at the next poll: what came before it is on its way to the client by then.
    fn break_off<T>(&mut self, cx: &Context<'_>, broken: BrokenOff) -> Poll<T> {
        self.lease = None;
        self.broken = Some(broken);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether whoever asked may not have the rest.
    fn is_ended(&mut self, cx: &mut Context<'_>, waits: bool) -> bool {
        let over = self.vigil.as_mut().is_some_and(|vigil| vigil.is_over(cx, waits));
        if over {
            self.vigil = None;
        }
        over
    }

    fn give_back(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if let Some(broken) = self.broken.take() {
            return Poll::Ready(Some(Err(broken)));
        }
        if self.is_ended(cx, false) {
            return self.break_off(cx, BrokenOff::Ended(CredentialEnded));
        }
        let mut driven = false;
        let mut over = false;
        loop {
            match Pin::new(&mut self.incoming).poll_frame(&mut quiet()) {
                Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                    self.give_back_when_whole();
                    return Poll::Ready(Some(Ok(frame)));
                }
                Poll::Ready(Some(Ok(_trailers))) => {}
                Poll::Ready(Some(Err(error))) => {
                    return self.break_off(cx, BrokenOff::Application(Some(error)));
                }
                Poll::Ready(None) => {
                    self.give_back();
                    return Poll::Ready(None);
                }
                Poll::Pending if over => return self.break_off(cx, BrokenOff::Application(None)),
                Poll::Pending if driven && self.is_ended(cx, true) => {
                    return self.break_off(cx, BrokenOff::Ended(CredentialEnded));
                }
                Poll::Pending if driven => return Poll::Pending,
                Poll::Pending => {
                    over = self.lease.as_mut().is_none_or(|lease| lease.drive(cx).is_ready());
                    driven = true;
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
