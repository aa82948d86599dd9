//! The body of a request on its way to an application.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

/// The client's body as the application gets it: data alone. Trailers are left out, because nothing has judged them
/// and an application may take them for header fields (RFC 9110 section 6.5.1 lets a proxy discard them).
pub(super) struct Outgoing {
    body: Body,
    progress: Option<Progress>,
}

impl Outgoing {
    /// Takes the client's body over.
    pub(super) fn new(body: Body) -> Self {
        let progress = (!body.is_end_stream()).then(Progress::begin);
        Self { body, progress }
    }

    /// Watches the body being sent; `None` if there is none.
    pub(super) fn progress(&self) -> Option<Progress> {
        self.progress.clone()
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(progress) = &self.progress {
            progress.mark();
        }
        // Trailers are the last frame there is.
        Poll::Ready(frame.filter(|frame| frame.as_ref().map_or(true, Frame::is_data)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// When the last piece of a body was taken: a long upload must not run into the time limit for its answer.
#[derive(Clone)]
pub(super) struct Progress {
    begun: Instant,
    last_micros: Arc<AtomicU64>,
}

impl Progress {
    fn begin() -> Self {
        Self { begun: Instant::now(), last_micros: Arc::default() }
    }

    fn mark(&self) {
        let micros = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last_micros.store(micros, Ordering::Relaxed);
    }

    /// How long ago the last piece was taken.
    pub(super) fn pause(&self) -> Duration {
        self.begun.elapsed().saturating_sub(Duration::from_micros(self.last_micros.load(Ordering::Relaxed)))
    }
}
