//! /metrics on a listener of its own (OBS-1): what is counted is not for the world.

use std::fmt;
use std::future::Future;
use std::io;

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use http::header::CONTENT_TYPE;
use palisade_access::Access;
use palisade_gate::Metrics;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::net::TcpListener;

/// The OpenMetrics text format, version 1.0.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves `/metrics` until `stop`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = Router::new().route("/metrics", get(scrape)).with_state(metrics);
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

async fn scrape(State(metrics): State<Metrics>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPENMETRICS)], metrics.encode())
}

/// How busy the pool that hashes passwords is, read at each scrape.
pub struct Hashing(pub Access);

impl Collector for Hashing {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let load = self.0.hashing_load();
        let help = "Jobs of the pool that hashes passwords";
        let taken = encoder.encode_descriptor("hashing_jobs", help, None, MetricType::Counter)?;
        ConstCounter::new(load.taken).encode(taken)?;
        let help = "Jobs of that pool that are worked on or wait";
        let inside = encoder.encode_descriptor("hashing_inside", help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::try_from(load.inside).unwrap_or(i64::MAX)).encode(inside)
    }
}

impl fmt::Debug for Hashing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hashing")
    }
}
