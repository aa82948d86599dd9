//! Counts a request's body on its way to the service (EDGE-5).
//!
//! A body with a Content-Length is refused by that number before it is read. One without is counted
//! here and cut off where the route's limit is; what went wrong stays in the [`Gauge`], so that the client learns
//! it even if the service makes something else of its broken input.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use palisade_model::{Denial, Refusal};

use crate::wire::{Violation, of_error};

/// What went wrong with a request's body, if anything did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauge(Arc<OnceLock<Violation>>);

impl Gauge {
    /// The refusal that the body calls for.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.0.get().map(|violation| (*violation).into())
    }
}

/// The body, cut off after `limit` bytes, and what will be known of it.
pub(crate) fn measure(body: Body, limit: u64) -> (Body, Gauge) {
    let gauge = Gauge::default();
    let measured = Measured { inner: body, left: limit, gauge: gauge.clone() };
    (Body::new(measured), gauge)
}

struct Measured {
    inner: Body,
    left: u64,
    gauge: Gauge,
}

impl Measured {
    fn fail(&mut self, violation: Violation) -> axum::Error {
        // Only the first fault counts: others follow from it.
        axum::Error::new(*self.gauge.0.get_or_init(|| violation))
    }
}

impl http_body::Body for Measured {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = match std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                let cut = Violation { denial: Denial::BodyIncomplete, why: "the body ended too early" };
                let violation = of_error(&error).unwrap_or(cut);
                return Poll::Ready(Some(Err(self.fail(violation))));
            }
            None => return Poll::Ready(None),
        };
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        match self.left.checked_sub(length) {
            Some(left) => self.left = left,
            None => {
                self.inner = Body::empty();
                let long = Violation {
                    denial: Denial::BodyTooLarge,
                    why: "the body is longer than the route takes",
                };
                return Poll::Ready(Some(Err(self.fail(long))));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream() && self.gauge.0.get().is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    fn chunks(sizes: &[usize]) -> Body {
        let chunks: Vec<_> =
            sizes.iter().map(|size| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; *size]))).collect();
        Body::from_stream(futures_util::stream::iter(chunks))
    }

    // proves: EDGE-5
    #[tokio::test]
    async fn a_body_of_unknown_length_is_cut_off_at_the_limit() {
        let (body, gauge) = measure(chunks(&[4, 6]), 10);
        assert_eq!(body.collect().await.unwrap().to_bytes().len(), 10);
        assert!(gauge.refusal().is_none());

        let (mut body, gauge) = measure(chunks(&[4, 7, 4]), 10);
        assert!(body.frame().await.unwrap().is_ok());
        assert!(body.frame().await.unwrap().is_err(), "the eleventh byte got through");
        assert!(body.frame().await.is_none_or(|frame| frame.is_err()), "went on after the limit");
        assert_eq!(gauge.refusal().unwrap().denial, Denial::BodyTooLarge);
    }

    // proves: EDGE-5
    #[tokio::test]
    async fn a_body_that_breaks_off_is_known_as_such() {
        let broken = vec![Ok(Bytes::from_static(b"half")), Err(std::io::Error::other("reset"))];
        let (body, gauge) = measure(Body::from_stream(futures_util::stream::iter(broken)), 10);
        assert!(body.collect().await.is_err());
        assert_eq!(gauge.refusal().unwrap().denial, Denial::BodyIncomplete);
    }
}
