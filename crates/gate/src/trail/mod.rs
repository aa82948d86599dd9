//! Where the gate writes down what happened: audit rows in the store, security events in their log.

mod events;
pub(crate) mod mask;

use std::io;
use std::sync::Arc;

use palisade_model::{AuditEvent, Clock, Denial, Refusal, SecurityEvent};
use palisade_policy::section::audit::Audit;
use palisade_store::Store;

use crate::Metrics;
use events::EventLog;

/// The trail. Cheap to clone; the events log closes when the last clone goes.
#[derive(Clone)]
pub struct Trail(Arc<Inner>);

struct Inner {
    store: Store,
    events: Option<EventLog>,
}

impl Trail {
    /// Opens the events log, if the policy wants one, and takes the store for audit rows.
    ///
    /// # Errors
    /// When the events log cannot be written: a server whose refusals nobody could see does not start.
    pub fn open(store: Store, audit: &Audit, clock: Arc<dyn Clock>, metrics: &Metrics) -> io::Result<Self> {
        let open = |path| EventLog::open(path, audit.rotate_bytes, audit.rotate_keep, clock, metrics.clone());
        let events = audit.events_file.as_deref().map(open).transpose()?;
        Ok(Self(Arc::new(Inner { store, events })))
    }

    /// Writes an event into the events log; never waits. What cannot be written is counted, and the
    /// log tells of the gap.
    pub fn event(&self, event: &SecurityEvent) {
        if let Some(events) = &self.0.events {
            events.put(event);
        }
    }

    /// Writes an audit row and waits until it is safe.
    ///
    /// # Errors
    /// [`Denial::AuditUnavailable`]: then the change that it records must not happen.
    pub async fn record(&self, event: AuditEvent) -> Result<(), Refusal> {
        self.0.store.append(vec![event]).await.map_err(|reason| {
            tracing::error!(%reason, "an audit row could not be written");
            Refusal::new(Denial::AuditUnavailable, "the audit row could not be written")
        })
    }

    /// Events that are lost and not yet told of in the log. Readiness shows it.
    #[must_use]
    pub fn events_lost(&self) -> u64 {
        self.0.events.as_ref().map_or(0, EventLog::lost)
    }

    /// Returns once every event so far is with the operating system. Blocks for as long as the disk does.
    pub fn flush(&self) {
        if let Some(events) = &self.0.events {
            events.flush();
        }
    }
}
