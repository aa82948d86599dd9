//! The beginning of a body, read beforehand and given back before the rest.

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use palisade_model::Denial;
use tokio::time::{Instant, timeout_at};

use crate::wire::Violation;

/// How long one look may take in all. What is held of a body stays in memory, and a client that sends a byte now and
/// then would keep it there for ever.
const PATIENCE: Duration = Duration::from_secs(30);

const TOO_SLOW: Violation =
    Violation { denial: Denial::RequestTimeout, why: "the beginning of the body took too long to arrive" };

type Item = Result<Frame<Bytes>, axum::Error>;

/// A body of which the beginning was read.
pub(super) struct Held {
    seen: BytesMut,
    /// What the last frame held beyond the limit.
    surplus: Bytes,
    /// Trailers or an error: whatever came after the data.
    last: Option<Item>,
    rest: Body,
    limit: usize,
    ended: bool,
    until: Instant,
}

impl Held {
    /// Of `body`, no more than `limit` bytes are looked at.
    pub(super) fn new(body: Body, limit: usize) -> Self {
        let ended = body.is_end_stream();
        let until = Instant::now() + PATIENCE;
        Self { seen: BytesMut::new(), surplus: Bytes::new(), last: None, rest: body, limit, ended, until }
    }

    /// What was read, up to the limit.
    pub(super) fn seen(&self) -> &[u8] {
        &self.seen
    }

    /// Whether [`Self::seen`] is the whole body.
    pub(super) fn is_whole(&self) -> bool {
        self.ended && self.surplus.is_empty() && !self.is_broken()
    }

    /// Whether the body broke off: what was seen is all that there will ever be.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self.last, Some(Err(_)))
    }

    /// Reads one more frame. `false` when the limit is reached or there was nothing left to read.
    pub(super) async fn read(&mut self) -> bool {
        if self.ended || !self.surplus.is_empty() {
            return false;
        }
        let Ok(frame) = timeout_at(self.until, self.rest.frame()).await else {
            self.last = Some(Err(axum::Error::new(TOO_SLOW)));
            self.ended = true;
            return true;
        };
        match frame {
            None => self.ended = true,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(mut data) => {
                    let room = self.limit.saturating_sub(self.seen.len()).min(data.len());
                    self.seen.extend_from_slice(&data.split_to(room));
                    self.surplus = data;
                    self.ended = self.rest.is_end_stream();
                }
                Err(trailers) => {
                    self.last = Some(Ok(trailers));
                    self.ended = true;
                }
            },
            Some(Err(error)) => {
                self.last = Some(Err(error));
                self.ended = true;
            }
        }
        true
    }

    /// Leaves these bytes, which were seen, out of what is given back.
    pub(super) fn cut(&mut self, span: Range<usize>) {
        let tail = self.seen.split_off(span.end.min(self.seen.len()));
        self.seen.truncate(span.start);
        self.seen.unsplit(tail);
    }

    /// The body again, from its first byte.
    pub(super) fn replay(self) -> Body {
        let data = [self.seen.freeze(), self.surplus].into_iter().filter(|data| !data.is_empty());
        let held: VecDeque<Item> = data.map(|data| Ok(Frame::data(data))).chain(self.last).collect();
        if held.is_empty() { self.rest } else { Body::new(Replay { held, rest: self.rest }) }
    }
}

struct Replay {
    held: VecDeque<Item>,
    rest: Body,
}

impl HttpBody for Replay {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let this = self.get_mut();
        match this.held.pop_front() {
            Some(item) => Poll::Ready(Some(item)),
            None => Pin::new(&mut this.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let lengths = self.held.iter().filter_map(|item| Some(item.as_ref().ok()?.data_ref()?.len()));
        let held =
            lengths.map(|length| u64::try_from(length).unwrap_or(u64::MAX)).fold(0, u64::saturating_add);
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(held));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(held)) {
            hint.set_upper(upper);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, stream};

    use super::*;

    // proves: EDGE-5
    #[tokio::test]
    async fn a_body_that_drips_is_not_held_for_ever() {
        let drops =
            stream::repeat_with(|| Ok::<_, axum::Error>(Bytes::from_static(b"a"))).then(async |drop| {
                tokio::time::sleep(Duration::from_millis(5)).await;
                drop
            });
        let mut held = Held::new(Body::from_stream(Box::pin(drops)), 1 << 20);
        held.until = Instant::now() + Duration::from_millis(60);
        while held.read().await {}
        assert!(held.is_broken() && !held.is_whole() && (1..=12).contains(&held.seen().len()));
        let error = held.replay().collect().await.unwrap_err();
        assert_eq!(
            crate::wire::of_error(&error).map(|violation| violation.denial),
            Some(Denial::RequestTimeout)
        );
    }
}
