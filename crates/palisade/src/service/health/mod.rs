//! /healthz and /readyz (OBS-2).
//!
//! `/healthz` says that the process answers, and asks nothing of anybody: a store that is away is no reason to
//! restart Palisade. `/readyz`, and the paths under which others look for it, says what works, component by
//! component, in words that hold nothing secret.

mod report;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use palisade_gate::{Metrics, Trail};
use palisade_model::{Timestamp, World};
use palisade_store::Store;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::post;

pub use report::{Condition, Report};

/// A report is good for so long: anybody may ask, and the store must not feel it.
const FRESH: Duration = Duration::from_millis(500);

/// A store that takes longer than this to say hello is away.
const PATIENCE: Duration = Duration::from_secs(2);

/// So long after a client's address was last unknown, readiness shows it (LIMIT-8).
const UNKNOWN_CLIENTS: Duration = Duration::from_secs(300);

/// Snapshots of the limiter are due each second; this late, something is wrong.
const SNAPSHOT: Duration = Duration::from_secs(10);

/// What the checks look at.
pub struct Health {
    store: Store,
    trail: Trail,
    metrics: Metrics,
    world: World,
    signs: Arc<Signs>,
    mail: Option<Arc<post::State>>,
    last: Mutex<Option<(Timestamp, Report)>>,
}

/// What the background work tells the checks.
#[derive(Debug, Default)]
pub struct Signs {
    draining: AtomicBool,
    saved_micros: AtomicI64,
}

impl Signs {
    /// The server takes leave: load balancers should look elsewhere.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The limiter's counters were saved.
    pub fn counters_saved(&self, at: Timestamp) {
        self.saved_micros.store(at.as_micros(), Ordering::Relaxed);
    }

    fn saved(&self) -> Timestamp {
        Timestamp::from_micros(self.saved_micros.load(Ordering::Relaxed))
    }
}

impl Health {
    /// Checks of these parts; `mail` where any is sent.
    #[must_use]
    pub fn new(
        store: Store,
        trail: Trail,
        metrics: Metrics,
        world: World,
        signs: Arc<Signs>,
        mail: Option<Arc<post::State>>,
    ) -> Self {
        Self { store, trail, metrics, world, signs, mail, last: Mutex::new(None) }
    }

    /// Answers `path`.
    pub async fn answer(&self, path: &str) -> Response<Body> {
        if path == "/healthz" {
            return json(StatusCode::OK, r#"{"status":"ok"}"#.to_owned());
        }
        let report = self.report().await;
        json(report.status(), report.to_json())
    }

    /// What works and what does not.
    async fn report(&self) -> Report {
        // Whoever comes while a report is being made waits for it instead of making another.
        let mut last = self.last.lock().await;
        let now = self.world.now();
        let fresh = last.as_ref().filter(|(at, _)| now.since(*at) < FRESH).map(|(_, report)| report.clone());
        let mut report = match fresh {
            Some(report) => report,
            None => last.insert((now, self.look(now).await)).1.clone(),
        };
        if self.signs.draining.load(Ordering::Relaxed) {
            report.set("server", Condition::Failing);
        }
        report
    }

    async fn look(&self, now: Timestamp) -> Report {
        let mut report = Report::default();
        // The store's hello reads the head of the audit chain and compares it with the last row.
        let store = match timeout(PATIENCE, self.store.ping()).await {
            Ok(Ok(())) => Condition::Ready,
            Ok(Err(_)) | Err(_) => Condition::Failing,
        };
        report.set("database", store);
        report.set("audit", store);
        let saved = now.since(self.signs.saved()) < SNAPSHOT;
        report.set("limiter", if saved { Condition::Ready } else { Condition::Degraded });
        report.set(
            "events",
            if self.trail.events_lost() == 0 { Condition::Ready } else { Condition::Degraded },
        );
        let unknown = self.metrics.client_unknown_at().is_some_and(|at| now.since(at) < UNKNOWN_CLIENTS);
        report.set("client_ip", if unknown { Condition::Degraded } else { Condition::Ready });
        if let Some(mail) = &self.mail {
            report.set("mail", if mail.is_failing() { Condition::Degraded } else { Condition::Ready });
        }
        report
    }
}

fn json(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
