//! How long a connection may be silent (EDGE-5).

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use palisade_policy::section::edge::WireLimits;
use tokio::time::{Instant, Sleep, sleep_until};

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// The first byte of a request.
    Request,
    /// The rest of a head.
    Head,
    /// An answer, or whoever reads a body: they have clocks of their own.
    Service,
}

/// One timer for a connection's life. It is moved forward lazily: a request that comes in time costs a reading of the
/// clock, not a change of the timer.
pub(super) struct Patience {
    waiting: Waiting,
    deadline: Instant,
    head: Duration,
    idle: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// For a connection made at `since`: a new one owes its first byte as soon as any head, and a head that has
    /// begun is not given more time for it.
    pub(super) fn new(since: Instant, limits: &WireLimits, begun: bool) -> Self {
        let (head, idle) = (limits.header_timeout, limits.idle_timeout);
        let (waiting, first) = if begun { (Waiting::Head, head) } else { (Waiting::Request, head.min(idle)) };
        Self { waiting, deadline: since + first, head, idle, timer: None }
    }

    /// An exchange is over: what is waited for next has its full time.
    pub(super) const fn renew(&mut self) {
        self.waiting = Waiting::Service;
    }

    /// Ready once what is waited for took too long. While it is pending, the task is woken in time.
    pub(super) fn poll(&mut self, waiting: Waiting, cx: &mut Context<'_>) -> Poll<()> {
        if waiting != self.waiting {
            self.waiting = waiting;
            self.deadline = Instant::now()
                + match waiting {
                    Waiting::Head => self.head,
                    Waiting::Request | Waiting::Service => self.idle,
                };
        }
        if waiting == Waiting::Service {
            return Poll::Pending;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(self.deadline)));
        if timer.deadline() > self.deadline {
            timer.as_mut().reset(self.deadline);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= self.deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(self.deadline);
        }
    }
}
