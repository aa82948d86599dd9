//! Promises about the connection.

use palisade_model::Stage;

use super::{Control, Probe, listed};
use crate::read::quantity::{duration_text, size_text};

pub(super) const CONTROLS: &[Control] = &[
    Control {
        id: "edge.host",
        title: "Only the allowed hosts are served",
        stage: Stage::Edge,
        keys: &["edge.allowed_hosts"],
        enforced_by: "crates/gate/src/stage/edge.rs",
        requirements: &["EDGE-2"],
        references: &["OWASP A05:2021"],
        sentence: |policy| {
            let hosts = &policy.edge.allowed_hosts;
            let suffixes = hosts.suffixes.iter().map(|suffix| format!("*{suffix}"));
            let names: Vec<String> = hosts.exact.iter().cloned().chain(suffixes).collect();
            format!("Requests are answered for {} alone; others get 421 and no page.", listed(&names))
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "edge.client_address",
        title: "Forwarding headers count from trusted proxies alone",
        stage: Stage::Edge,
        keys: &["edge.trusted_proxies", "edge.trusted_hops"],
        enforced_by: "crates/gate/src/stage/edge.rs",
        requirements: &["EDGE-3"],
        references: &["ASVS V4.1.3", "ASVS V15.3.4"],
        sentence: |policy| {
            let proxies: Vec<String> = policy.edge.trusted_proxies.iter().map(ToString::to_string).collect();
            if proxies.is_empty() {
                return "No proxy is trusted: X-Forwarded-* and Forwarded headers of any client are removed."
                    .to_owned();
            }
            let hops = policy.edge.trusted_hops;
            format!(
                "X-Forwarded-* and Forwarded headers count from {} alone, {hops} deep at most.",
                listed(&proxies)
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "edge.request_id",
        title: "Every request has an id",
        stage: Stage::Edge,
        keys: &[],
        enforced_by: "crates/gate/src/stage/edge.rs",
        requirements: &["EDGE-4"],
        references: &["ASVS V16.2.1"],
        sentence: |_| {
            "Every request has an id that is on its answer, its log lines, its audit rows and its errors."
                .to_owned()
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "edge.size",
        title: "Requests have limits of size, time and number",
        stage: Stage::Edge,
        keys: &[
            "edge.body",
            "edge.max_uri",
            "edge.max_header",
            "edge.max_headers",
            "edge.header_timeout",
            "edge.body_timeout",
            "edge.idle_timeout",
            "edge.max_connections",
            "edge.max_connections_per_address",
            "edge.max_streams",
            "route.body",
            "route.timeout",
        ],
        enforced_by: "crates/palisade/src/listener/mod.rs",
        requirements: &["EDGE-5"],
        references: &["ASVS V4.3.1"],
        sentence: |policy| {
            let (edge, wire) = (&policy.edge, &policy.edge.wire);
            format!(
                "A body has at most {} unless its route says otherwise, a head {} in {}; a connection may pause for {}, \
                 and one address may have {} of them.",
                size_text(edge.body_bytes),
                size_text(u64::try_from(wire.header_bytes).unwrap_or(u64::MAX)),
                duration_text(wire.header_timeout),
                duration_text(wire.idle_timeout),
                wire.connections_per_address,
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "edge.ambiguous",
        title: "Requests that can be read in two ways are refused",
        stage: Stage::Edge,
        keys: &[],
        enforced_by: "crates/gate/src/wire/mod.rs",
        requirements: &["EDGE-6"],
        references: &["ASVS V4.2.1", "ASVS V1.1.1", "RFC 9112 section 11.2"],
        sentence: |_| {
            "A request that two readers could understand differently (framing, line ends, encoded paths) is refused \
             before anything acts on it."
                .to_owned()
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "edge.public_address",
        title: "Links and cookies follow the public address",
        stage: Stage::Edge,
        keys: &["app.base_url"],
        enforced_by: "crates/gate/src/stage/edge.rs",
        requirements: &["EDGE-7"],
        references: &["ASVS V12.2.1"],
        sentence: |policy| {
            format!(
                "People find the application at {}; links that the server writes say so.",
                policy.app.base_url.origin
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "edge.legacy",
        title: "Legacy routes announce their end",
        stage: Stage::Edge,
        keys: &["route.deprecated.since", "route.deprecated.sunset", "route.deprecated.successor"],
        enforced_by: "crates/gate/src/stage/shield/seal.rs",
        requirements: &["EDGE-8"],
        references: &["RFC 9745", "RFC 8594"],
        sentence: |policy| {
            let count = policy.routes.rows.iter().filter(|row| row.legacy.is_some()).count();
            format!("Legacy routes that carry Deprecation, Sunset and Link headers: {count}.")
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "edge.methods",
        title: "Routes take the methods that they declare",
        stage: Stage::Edge,
        keys: &["route.methods"],
        enforced_by: "crates/gate/src/stage/edge.rs",
        requirements: &["CSRF-6"],
        references: &["ASVS V3.5.3", "ASVS V4.1.4", "ASVS V13.4.4"],
        sentence: |_| {
            "A method that a route does not declare gets 405; TRACE, CONNECT and overrides by header are refused.".to_owned()
        },
        probe: Probe::WithTheProver,
    },
];
