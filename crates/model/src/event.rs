//! Security events, as they stand in `logs/events.log` (AUD-4).

use serde_json::{Map, Value};

use crate::Timestamp;

/// One line of the events log: `{"ts": .., "event": .., "payload": {..}}`.
#[derive(Clone, Debug)]
pub struct SecurityEvent {
    /// When.
    pub at: Timestamp,
    /// What, as `rate_limited` or `request_refused`.
    pub event: &'static str,
    /// The circumstances. Never holds a secret; whoever makes the event sees to it.
    pub payload: Map<String, Value>,
}

impl SecurityEvent {
    /// An event without circumstances.
    #[must_use]
    pub fn new(at: Timestamp, event: &'static str) -> Self {
        Self { at, event, payload: Map::new() }
    }

    /// The same with one circumstance.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.payload.insert(key.to_owned(), value.into());
        self
    }

    /// One JSON line, without the line break, in the order of the seeds. `ts` is in seconds.
    #[must_use]
    pub fn to_line(&self) -> String {
        let line = Line { ts: seconds(self.at), event: self.event, payload: &self.payload };
        // A finite number, a text and a map of JSON values are always JSON.
        serde_json::to_string(&line).unwrap_or_default()
    }
}

#[derive(serde::Serialize)]
struct Line<'a> {
    ts: f64,
    event: &'a str,
    payload: &'a Map<String, Value>,
}

/// A microsecond timestamp of this era is exact as a float.
#[expect(clippy::cast_precision_loss, reason = "2^53 microseconds last until the year 2255")]
fn seconds(at: Timestamp) -> f64 {
    at.as_micros() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: AUD-4
    #[test]
    fn a_line_has_the_seeds_form_and_cannot_be_broken() {
        let event = SecurityEvent::new(Timestamp::from_micros(1_699_123_456_789_000), "breakglass_used")
            .with("ip", "192.168.1.1\n{\"forged\":1}");
        let line = event.to_line();
        assert!(!line.contains('\n'));
        assert!(
            line.starts_with("{\"ts\":1699123456.789,\"event\":\"breakglass_used\",\"payload\":{"),
            "{line}"
        );
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["ts"], 1_699_123_456.789);
        assert_eq!(read["event"], "breakglass_used");
        assert_eq!(read["payload"]["ip"], "192.168.1.1\n{\"forged\":1}");
    }
}
