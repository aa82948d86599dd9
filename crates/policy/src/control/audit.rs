//! Promises about the trail, the logs and what errors tell.

use palisade_model::Stage;

use super::{Control, Probe};
use crate::read::quantity::size_text;

pub(super) const CONTROLS: &[Control] = &[
    Control {
        id: "audit.trail",
        title: "Who did what is written down, and stays",
        stage: Stage::Audit,
        keys: &["audit.record_changes"],
        enforced_by: "crates/gate/src/stage/audit.rs",
        requirements: &["AUD-1"],
        references: &["ASVS V16.2.1", "ASVS V16.3.1", "ASVS V16.3.2", "ASVS V16.4.2"],
        sentence: |policy| {
            let changes = if policy.audit.record_changes {
                "and each change that is let through to the application "
            } else {
                ""
            };
            format!(
                "Sign-ins, changes of users and rights, refusals {changes}are written to an append-only trail that is chained by hash."
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "audit.events",
        title: "Security events are written for other tools",
        stage: Stage::Audit,
        keys: &["audit.events_file"],
        enforced_by: "crates/gate/src/trail/mod.rs",
        requirements: &["AUD-4"],
        references: &["ASVS V16.2.4", "ASVS V16.3.3"],
        sentence: |policy| match &policy.audit.events_file {
            Some(path) => format!("Security events are appended to {} as JSON Lines.", path.display()),
            None => "Security events are written to the trail alone, and to no file of their own.".to_owned(),
        },
        probe: Probe::Unobservable("log files are not served"),
    },
    Control {
        id: "audit.redaction",
        title: "Nothing sensitive is in any log",
        stage: Stage::Audit,
        keys: &[],
        enforced_by: "crates/palisade/src/logging/redact.rs",
        requirements: &["AUD-5"],
        references: &["ASVS V16.2.5", "ASVS V16.4.1"],
        sentence: |_| {
            "Passwords, tokens, cookies, card numbers, e-mail addresses and phone numbers are masked in every log.".to_owned()
        },
        probe: Probe::Unobservable("log files are not served"),
    },
    Control {
        id: "audit.log",
        title: "The application log is whole and bounded",
        stage: Stage::Audit,
        keys: &["audit.log_file", "audit.log_format", "audit.log_level", "audit.rotate", "audit.keep"],
        enforced_by: "crates/palisade/src/logging/mod.rs",
        requirements: &["AUD-6"],
        references: &["ASVS V16.2.2", "ASVS V16.2.4"],
        sentence: |policy| {
            let audit = &policy.audit;
            let form = if audit.log_json { "JSON lines" } else { "a form for people" };
            format!(
                "The log has {form} from level {}, each with its request's id; files are rotated at {} and {} are kept.",
                audit.log_level,
                size_text(audit.rotate_bytes),
                audit.rotate_keep,
            )
        },
        probe: Probe::Unobservable("log files are not served"),
    },
    Control {
        id: "audit.errors",
        title: "Errors tell clients nothing of how the server is made",
        stage: Stage::Audit,
        keys: &[],
        enforced_by: "crates/gate/src/stage/refuse.rs",
        requirements: &["OBS-5"],
        references: &["ASVS V16.5.1", "RFC 9457"],
        sentence: |_| {
            "Errors are problem documents or pages with the request's id and a general text: no stack trace, SQL, path or version.".to_owned()
        },
        probe: Probe::WithTheProver,
    },
];
