//! Ends answers that last when whoever asked for them may not any more.
//!
//! An event stream can run for days, and a long download for hours. A short answer is over before anybody asks, and
//! pays for nothing but the thought.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use palisade_access::Tenure;

/// How often what lasts asks whether it may go on.
const PERIOD: Duration = Duration::from_secs(1);

/// Watches over one answer.
pub(super) struct Vigil {
    began: Instant,
    state: State,
}

enum State {
    /// Nobody has waited for the answer yet.
    Resting(Option<Tenure>),
    Watching(Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl Vigil {
    pub(super) fn new(tenure: Tenure) -> Self {
        Self { began: Instant::now(), state: State::Resting(Some(tenure)) }
    }

    /// Whether the answer is to end. `waits`: it has nothing to give at the moment, so that a timer has to look on.
    pub(super) fn is_over(&mut self, cx: &mut Context<'_>, waits: bool) -> bool {
        if let State::Resting(tenure) = &mut self.state {
            if !waits && self.began.elapsed() < PERIOD {
                return false;
            }
            let Some(tenure) = tenure.take() else { return false };
            self.state = State::Watching(Box::pin(over(tenure)));
        }
        match &mut self.state {
            State::Resting(_) => false,
            State::Watching(over) => over.as_mut().poll(cx) == Poll::Ready(()),
        }
    }
}

/// Ready once the tenure has ended.
pub(super) async fn over(mut tenure: Tenure) {
    loop {
        tokio::time::sleep(PERIOD).await;
        if !tenure.holds().await {
            return;
        }
    }
}
