//! What works, component by component.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Serialize;

/// How something is. Ordered from good to bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// As it should be.
    #[default]
    Ready,
    /// Works, and somebody should look at it.
    Degraded,
    /// Does not work: requests that need it are refused.
    Failing,
}

/// A report. The whole is as good as its worst component.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    status: Condition,
    components: BTreeMap<&'static str, Condition>,
}

impl Report {
    /// Enters a component.
    pub fn set(&mut self, component: &'static str, condition: Condition) {
        self.components.insert(component, condition);
        self.status = self.components.values().copied().max().unwrap_or_default();
    }

    /// 200 while requests can be answered, 503 otherwise.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self.status {
            Condition::Ready | Condition::Degraded => StatusCode::OK,
            Condition::Failing => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// `{"status":"degraded","components":{"database":"ready",...}}`
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| r#"{"status":"failing"}"#.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: OBS-2
    #[test]
    fn the_whole_is_as_good_as_its_worst_component() {
        let mut report = Report::default();
        report.set("database", Condition::Ready);
        report.set("client_ip", Condition::Degraded);
        assert_eq!(report.status(), StatusCode::OK);
        assert_eq!(
            report.to_json(),
            r#"{"status":"degraded","components":{"client_ip":"degraded","database":"ready"}}"#
        );
        report.set("database", Condition::Failing);
        assert_eq!(report.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
