//! What is counted (OBS-1), as Prometheus reads it.
//!
//! Every request meets counters whose handles were made when the policy was compiled: plain atomics,
//! no lock and no look-up by name.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use palisade_model::{Denial, Fault, Timestamp};
use palisade_policy::Policy;
use parking_lot::Mutex;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;

/// `2xx` and its like, as metrics name them.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

type RouteLabels = [(&'static str, String); 2];

/// All counters of the gate, and the registry that others put theirs into.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Mutex<Registry>,
    requests: Counter,
    admin_requests: Counter,
    rate_limited: Counter,
    errors: Counter,
    abandoned: Counter,
    breakglass_used: Counter,
    signed_in: Counter,
    sign_in_failed: Counter,
    events_lost: Counter,
    csrf_tolerated: Counter,
    clients_unknown: Counter,
    client_unknown_at: AtomicI64,
    /// By the place of the denial in [`Denial::ALL`].
    refusals: Vec<Counter>,
    /// By route and class of status; the last row is for requests without a route.
    routes: Vec<[Latency; CLASSES.len()]>,
}

impl Metrics {
    /// Counters for the routes of this policy, all at zero.
    #[must_use]
    pub fn new(policy: &Policy) -> Self {
        Self::of_routes(policy.routes.rows.iter().map(|route| route.path.as_str()))
    }

    fn of_routes<'a>(paths: impl Iterator<Item = &'a str>) -> Self {
        let mut registry = Registry::default();
        let refusals = refusal_counters(&mut registry);
        let routes = route_latencies(&mut registry, paths);
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let inner = Inner {
            requests: counter("requests", "Requests that reached the gate"),
            admin_requests: counter("admin_requests", "Requests to routes that only some roles may use"),
            rate_limited: counter("rate_limited", "Requests refused by a rate limit"),
            errors: counter("errors", "Answers with a status of 500 or above"),
            abandoned: counter("requests_abandoned", "Requests cut off before their answer was whole"),
            breakglass_used: counter("breakglass_used", "Breakglass tokens that were used"),
            signed_in: counter("sign_ins", "Sign-ins that succeeded"),
            sign_in_failed: counter("sign_ins_failed", "Sign-ins that were refused"),
            events_lost: counter("events_lost", "Security events that could not be written"),
            csrf_tolerated: counter("csrf_tolerated", "Requests that passed only because csrf.mode is open"),
            clients_unknown: counter("clients_unknown", "Requests whose client address could not be known"),
            client_unknown_at: AtomicI64::new(i64::MIN),
            refusals,
            routes,
            registry: Mutex::new(registry),
        };
        Self(Arc::new(inner))
    }

    /// Enters further metrics: queue depths, pools, whatever a component counts.
    pub fn register(&self, enter: impl FnOnce(&mut Registry)) {
        enter(&mut self.0.registry.lock());
    }

    /// Everything in the OpenMetrics text format.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail; a broken metric would leave the text short.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.0.registry.lock());
        text
    }

    pub(crate) fn breakglass_used(&self) {
        self.0.breakglass_used.inc();
    }

    pub(crate) fn signed_in(&self) {
        self.0.signed_in.inc();
    }

    /// When a client's address was last unknown behind a proxy (LIMIT-8): readiness shows it
    /// for a while as `degraded: client_ip`.
    #[must_use]
    pub fn client_unknown_at(&self) -> Option<Timestamp> {
        let at = self.0.client_unknown_at.load(Ordering::Relaxed);
        (at != i64::MIN).then(|| Timestamp::from_micros(at))
    }

    pub(crate) fn csrf_tolerated(&self) {
        self.0.csrf_tolerated.inc();
    }

    /// Whether it is the first.
    pub(crate) fn client_unknown(&self, now: Timestamp) -> bool {
        self.0.clients_unknown.inc();
        self.0.client_unknown_at.swap(now.as_micros(), Ordering::Relaxed) == i64::MIN
    }

    pub(crate) fn request(&self, admin: bool) {
        self.0.requests.inc();
        if admin {
            self.0.admin_requests.inc();
        }
    }

    pub(crate) fn refused(&self, denial: Denial) {
        if let Some(counter) = self.0.refusals.get(denial as usize) {
            counter.inc();
        }
        match denial {
            Denial::RateLimited => drop(self.0.rate_limited.inc()),
            Denial::SignInFailed => drop(self.0.sign_in_failed.inc()),
            Denial::Abandoned => drop(self.0.abandoned.inc()),
            _ => {}
        }
    }

    pub(crate) fn answered(&self, route: Option<usize>, status: StatusCode, took: Duration) {
        if status.is_server_error() {
            self.0.errors.inc();
        }
        let row = route.and_then(|route| self.0.routes.get(route)).or(self.0.routes.last());
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(latency) = row.and_then(|row| row.get(class)) {
            latency.observe(took);
        }
    }

    pub(crate) fn event_lost(&self) {
        self.0.events_lost.inc();
    }
}

/// Counters without routes.
impl Default for Metrics {
    fn default() -> Self {
        Self::of_routes(std::iter::empty())
    }
}

fn refusal_counters(registry: &mut Registry) -> Vec<Counter> {
    let family = Family::<[(&'static str, &'static str); 3], Counter>::default();
    registry.register("refusals", "Requests refused, by stage and code", family.clone());
    let counter = |denial: &Denial| {
        let facts = denial.facts();
        let fault = match facts.fault {
            Fault::Client => "client",
            Fault::Server => "server",
            Fault::Upstream => "upstream",
        };
        let labels = [("stage", facts.stage.name()), ("code", facts.code), ("fault", fault)];
        family.get_or_create_owned(&labels)
    };
    Denial::ALL.iter().map(counter).collect()
}

fn route_latencies<'a>(
    registry: &mut Registry,
    paths: impl Iterator<Item = &'a str>,
) -> Vec<[Latency; CLASSES.len()]> {
    let family = Family::<RouteLabels, Latency>::default();
    registry.register(
        "answer_seconds",
        "Time to the head of the answer, by route and class of status",
        family.clone(),
    );
    let row = |path: &str| {
        CLASSES.map(|class| {
            family.get_or_create_owned(&[("route", path.to_owned()), ("class", class.to_owned())])
        })
    };
    paths.chain(["none"]).map(row).collect()
}

/// Upper bounds in seconds.
const BOUNDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// A histogram of times without a lock.
#[derive(Clone, Debug, Default)]
struct Latency(Arc<LatencyCells>);

#[derive(Debug, Default)]
struct LatencyCells {
    sum_micros: AtomicU64,
    /// One for each bound, and one for what is longer.
    counts: [AtomicU64; BOUNDS.len() + 1],
}

impl Latency {
    fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let place = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        if let Some(count) = self.0.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.0.sum_micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl TypedMetric for Latency {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Latency {
    #[expect(clippy::cast_precision_loss, reason = "a sum of times is a measurement")]
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let bounds = BOUNDS.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> =
            bounds.zip(&self.0.counts).map(|(bound, count)| (bound, count.load(Ordering::Relaxed))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = self.0.sum_micros.load(Ordering::Relaxed) as f64 / 1e6;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }

    fn is_empty(&self) -> bool {
        self.0.counts.iter().all(|count| count.load(Ordering::Relaxed) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: OBS-1
    #[test]
    fn each_denial_is_counted_under_its_own_code() {
        for denial in Denial::ALL {
            let metrics = Metrics::default();
            metrics.refused(*denial);
            let text = metrics.encode();
            let counted: Vec<&str> = text
                .lines()
                .filter(|line| line.starts_with("refusals_total{") && line.ends_with(" 1"))
                .collect();
            let code = format!("code=\"{}\"", denial.facts().code);
            assert!(counted.len() == 1 && counted[0].contains(&code), "{denial:?}: {counted:?}");
        }
    }

    // proves: OBS-1
    #[test]
    fn times_fall_into_cumulative_buckets() {
        let metrics = Metrics::of_routes(["/a"].into_iter());
        for millis in [1, 3, 700, 60_000] {
            metrics.answered(Some(0), StatusCode::OK, Duration::from_millis(millis));
        }
        metrics.answered(Some(7), StatusCode::OK, Duration::from_millis(1));
        let text = metrics.encode();
        for line in [
            r#"answer_seconds_bucket{le="0.001",route="/a",class="2xx"} 1"#,
            r#"answer_seconds_bucket{le="0.005",route="/a",class="2xx"} 2"#,
            r#"answer_seconds_bucket{le="1.0",route="/a",class="2xx"} 3"#,
            r#"answer_seconds_bucket{le="+Inf",route="/a",class="2xx"} 4"#,
            r#"answer_seconds_count{route="/a",class="2xx"} 4"#,
            r#"answer_seconds_sum{route="/a",class="2xx"} 60.704"#,
            r#"answer_seconds_count{route="none",class="2xx"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is missing:\n{text}");
        }
    }
}
