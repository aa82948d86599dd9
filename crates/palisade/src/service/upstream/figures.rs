//! How busy the connections to the applications are, read at each scrape.

use std::fmt;
use std::sync::Weak;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::Upstreams;
use super::pool::Load;

/// The figures of every application.
pub(super) struct Figures(pub(super) Weak<Upstreams>);

type Figure = (&'static str, &'static str, fn(&Load) -> usize);

const FIGURES: [Figure; 3] = [
    ("upstream_idle", "Connections to the application that wait for a request", |load| load.idle),
    ("upstream_open", "Requests that have a connection to the application", |load| load.open),
    ("upstream_waiting", "Requests that wait for a connection to the application", |load| load.waiting),
];

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(upstreams) = self.0.upgrade() else { return Ok(()) };
        for (name, help, figure) in FIGURES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for application in &upstreams.applications {
                let value = i64::try_from(figure(&application.pool.load())).unwrap_or(i64::MAX);
                let labels = [("upstream", application.name.as_str())];
                ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Figures")
    }
}
