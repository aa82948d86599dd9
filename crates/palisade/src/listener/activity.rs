//! Whether anything goes on, on one HTTP/2 connection.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::Instant;

/// The exchanges of one connection.
#[derive(Debug)]
pub(super) struct Activity(Mutex<State>);

/// An answer's body between the service and the client. The server does not ask for the next piece until the
/// client makes room for it, so that nobody but the connection's watch can end an answer that is not read.
#[derive(Debug, Default)]
struct Shelf {
    body: Option<Body>,
    /// Since when it waits for nothing but the client.
    unread: Option<Instant>,
}

#[derive(Debug)]
struct State {
    open: usize,
    /// Open exchanges that wait for nothing but the client to read on.
    unread: usize,
    changed: Instant,
    /// The answers on their way, by the number of their exchange.
    answers: HashMap<u64, Arc<Mutex<Shelf>>>,
    begun: u64,
}

/// What a connection should come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outlook {
    /// Look again after so long.
    Live(Duration),
    /// Nothing was asked for too long.
    Idle,
    /// All that was asked was answered, and the client reads none of it.
    Stalled,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            open: 0,
            unread: 0,
            changed: Instant::now(),
            answers: HashMap::new(),
            begun: 0,
        })))
    }

    /// An exchange begins. It ends when this is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Ongoing {
        let mut number = 0;
        self.change(|state| {
            state.open += 1;
            state.begun += 1;
            number = state.begun;
        });
        Ongoing { activity: self.clone(), number, shelf: Arc::default(), unread: false }
    }

    /// Lets go of each answer that its client has not read on for so long, and with it of what it holds: a connection
    /// to the application. The stream is reset when the client comes back to it.
    pub(super) fn let_go(&self, stall: Duration) {
        let answers: Vec<Arc<Mutex<Shelf>>> = self.0.lock().answers.values().cloned().collect();
        for answer in answers {
            let mut shelf = answer.lock();
            let body = shelf.unread.is_some_and(|since| since.elapsed() >= stall).then(|| shelf.body.take());
            drop(shelf);
            drop(body);
        }
    }

    fn change(&self, apply: impl FnOnce(&mut State)) {
        let mut state = self.0.lock();
        state.changed = Instant::now();
        apply(&mut state);
    }

    pub(super) fn outlook(&self, idle: Duration, stall: Duration) -> Outlook {
        let state = self.0.lock();
        let quiet = state.changed.elapsed();
        match (state.open, state.unread) {
            (0, _) if quiet >= idle => Outlook::Idle,
            (0, _) => Outlook::Live(idle.saturating_sub(quiet)),
            (open, unread) if open == unread && quiet >= stall => Outlook::Stalled,
            (open, unread) if open == unread => Outlook::Live(stall.saturating_sub(quiet)),
            _ => Outlook::Live(stall.min(idle)),
        }
    }
}

/// One exchange that goes on.
#[derive(Debug)]
pub(super) struct Ongoing {
    activity: Arc<Activity>,
    number: u64,
    shelf: Arc<Mutex<Shelf>>,
    unread: bool,
}

impl Ongoing {
    /// The answer is there: from now on it waits for the client.
    pub(super) fn carry(mut self, body: Body) -> Self {
        self.shelf.lock().body = Some(body);
        self.activity.change(|state| drop(state.answers.insert(self.number, self.shelf.clone())));
        self.unread(true);
        self
    }

    /// The next piece of the answer.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.unread(false);
        let frame = match &mut self.shelf.lock().body {
            Some(body) => ready!(Pin::new(body).poll_frame(cx)),
            None => Some(Err(axum::Error::new(io::Error::from(io::ErrorKind::TimedOut)))),
        };
        self.unread(frame.is_some());
        Poll::Ready(frame)
    }

    /// Whether nothing more comes.
    pub(super) fn is_end_stream(&self) -> bool {
        self.shelf.lock().body.as_ref().is_some_and(Body::is_end_stream)
    }

    /// How much comes, as far as it is known.
    pub(super) fn size_hint(&self) -> SizeHint {
        self.shelf.lock().body.as_ref().map(Body::size_hint).unwrap_or_default()
    }

    /// A piece of the answer was handed over (`true`), or the next one is asked for (`false`).
    fn unread(&mut self, unread: bool) {
        if self.unread != unread {
            self.unread = unread;
            self.shelf.lock().unread = unread.then(Instant::now);
            self.activity.change(|state| {
                state.unread = if unread { state.unread + 1 } else { state.unread.saturating_sub(1) };
            });
        }
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.unread(false);
        self.activity.change(|state| {
            state.open = state.open.saturating_sub(1);
            state.answers.remove(&self.number);
        });
    }
}
