//! Promises about forged cross-site requests.

use palisade_model::Stage;

use super::{Control, Probe, listed};
use crate::section::csrf::CsrfRule;

pub(super) const CONTROLS: &[Control] = &[
    Control {
        id: "csrf.token",
        title: "Changes by cookie need a token and an own origin",
        stage: Stage::Csrf,
        keys: &["csrf.field", "csrf.headers", "csrf.status"],
        enforced_by: "crates/gate/src/stage/csrf.rs",
        requirements: &["CSRF-1", "CSRF-2"],
        references: &["ASVS V3.5.1", "ASVS V3.5.2"],
        sentence: |policy| {
            let csrf = &policy.csrf;
            let headers: Vec<&str> = csrf.headers.iter().map(http::HeaderName::as_str).collect();
            format!(
                "A state-changing request that a cookie authenticates needs the session's token in the field `{}` or a header ({}), \
                 and an Origin of the site's own; otherwise it gets {} and never reaches the application.",
                csrf.field,
                listed(&headers),
                csrf.status,
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "csrf.cookie",
        title: "Scripts get the token by a signed cookie",
        stage: Stage::Csrf,
        keys: &["csrf.cookie"],
        enforced_by: "crates/access/src/csrf.rs",
        requirements: &["CSRF-2"],
        references: &["ASVS V3.5.1"],
        sentence: |policy| match &policy.csrf.cookie {
            Some(name) => format!(
                "Scripts of the site read the token from the cookie `{name}`, which is signed and bound to the session."
            ),
            None => "No cookie carries the token; scripts ask for it at /api/v1/auth/csrf.".to_owned(),
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "csrf.forms",
        title: "Forms of an unchanged application carry the token",
        stage: Stage::Csrf,
        keys: &["csrf.inject"],
        enforced_by: "crates/gate/src/forms/mod.rs",
        requirements: &["CSRF-3"],
        references: &["ASVS V3.5.1"],
        sentence: |policy| {
            let does = if policy.csrf.inject { "is written" } else { "is not written" };
            format!("The token {does} into the forms of the application's pages as they pass through.")
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "csrf.exempt",
        title: "Exempt routes are named",
        stage: Stage::Csrf,
        keys: &["route.csrf"],
        enforced_by: "crates/policy/src/lint/origins.rs",
        requirements: &["CSRF-4"],
        references: &["ASVS V3.5.1"],
        sentence: |policy| {
            let rows = policy.routes.rows.iter().filter(|row| row.line > 0);
            let of = |rule| {
                rows.clone().filter(|row| row.csrf == rule).map(|row| row.path.as_str()).collect::<Vec<_>>()
            };
            format!(
                "Checked by origin alone: {}; not checked: {}.",
                listed(&of(CsrfRule::Origin)),
                listed(&of(CsrfRule::Off))
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "csrf.enforced",
        title: "Production is never open",
        stage: Stage::Csrf,
        keys: &["csrf.mode"],
        enforced_by: "crates/policy/src/lint/production.rs",
        requirements: &["CSRF-5"],
        references: &["ASVS V15.2.3"],
        sentence: |policy| {
            let state = if policy.csrf.enforced { "enforced" } else { "open, for development" };
            format!("CSRF protection is {state}; a policy for production that opens it does not start.")
        },
        probe: Probe::WithTheProver,
    },
];
