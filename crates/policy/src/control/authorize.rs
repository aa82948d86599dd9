//! Promises about what people may do, and what the application learns of them.

use palisade_model::Stage;

use super::{Control, Probe, listed};
use crate::read::quantity::duration_text;
use crate::section::authorize::Who;
use crate::section::route::Proof;

pub(super) const CONTROLS: &[Control] = &[
    Control {
        id: "authorize.roles",
        title: "What nobody is named for, nobody may do",
        stage: Stage::Authorize,
        keys: &["authorize.roles.NAME", "route.allow"],
        enforced_by: "crates/gate/src/stage/authorize.rs",
        requirements: &["ACC-1"],
        references: &["ASVS V8.2.1", "ASVS V8.3.1", "OWASP A01:2021"],
        sentence: |policy| {
            let rows = policy.routes.rows.iter().filter(|row| row.line > 0);
            let public =
                rows.clone().filter(|row| row.access.read == Who::Public || row.access.write == Who::Public);
            let paths: Vec<&str> = public.map(|row| row.path.as_str()).collect();
            format!(
                "Routes of the application that are named, each with who may: {}; all else is refused. Open to everybody: {}. Roles: {}.",
                rows.count(),
                listed(&paths),
                listed(policy.roles.names()),
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "authorize.proof",
        title: "What is sensitive in the application asks for proof anew",
        stage: Stage::Authorize,
        keys: &["route.proof"],
        enforced_by: "crates/access/src/service/request/authorize.rs",
        requirements: &["ID-17", "ACC-1"],
        references: &["ASVS V7.5.1", "ASVS V7.5.3", "RFC 9470"],
        sentence: |policy| {
            let of = |proof: Proof| -> Vec<&str> {
                let rows = policy.routes.rows.iter().filter(|row| row.proof == proof);
                rows.map(|row| row.path.as_str()).collect()
            };
            format!(
                "Open only within {} after a proof of identity: {}; only to whoever came with a second factor: {}.",
                duration_text(policy.identify.second_factor.fresh),
                listed(&of(Proof::Recent)),
                listed(&of(Proof::Strong)),
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "authorize.refusals",
        title: "Refusals tell no more than they must",
        stage: Stage::Authorize,
        keys: &["route.hide"],
        enforced_by: "crates/gate/src/stage/authorize.rs",
        requirements: &["ACC-2"],
        references: &["ASVS V8.2.1"],
        sentence: |policy| {
            let hidden: Vec<&str> =
                policy.routes.rows.iter().filter(|row| row.hide).map(|row| row.path.as_str()).collect();
            format!(
                "Who is not signed in gets 401, who may not gets 403 without detail; read as not there at all: {}.",
                listed(&hidden)
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "authorize.identity_headers",
        title: "The application learns who asks from Palisade alone",
        stage: Stage::Authorize,
        keys: &["upstream.NAME.identity", "upstream.NAME.assertion"],
        enforced_by: "crates/gate/src/identity_headers.rs",
        requirements: &["ACC-6"],
        references: &["ASVS V4.1.3", "ASVS V13.2.1"],
        sentence: |policy| {
            let signed: Vec<&str> = policy
                .upstreams
                .iter()
                .filter(|upstream| upstream.assertion)
                .map(|upstream| upstream.name.as_str())
                .collect();
            format!(
                "Identity headers of clients are removed in each spelling; a signed assertion goes to: {}.",
                listed(&signed)
            )
        },
        probe: Probe::WithTheProver,
    },
];
