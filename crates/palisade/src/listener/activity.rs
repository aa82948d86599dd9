//! Whether anything goes on, on one HTTP/2 connection.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The exchanges of one connection.
#[derive(Debug)]
pub(super) struct Activity(Mutex<State>);

#[derive(Debug)]
struct State {
    open: usize,
    /// Open exchanges that wait for nothing but the client to read on.
    unread: usize,
    changed: Instant,
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
        Arc::new(Self(Mutex::new(State { open: 0, unread: 0, changed: Instant::now() })))
    }

    /// An exchange begins. It ends when this is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Ongoing {
        self.change(|state| state.open += 1);
        Ongoing { activity: self.clone(), unread: false }
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
    unread: bool,
}

impl Ongoing {
    /// A piece of the answer was handed over (`true`), or the next one is asked for (`false`).
    pub(super) fn unread(&mut self, unread: bool) {
        if self.unread != unread {
            self.unread = unread;
            self.activity.change(|state| {
                state.unread = if unread { state.unread + 1 } else { state.unread.saturating_sub(1) };
            });
        }
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.unread(false);
        self.activity.change(|state| state.open = state.open.saturating_sub(1));
    }
}
