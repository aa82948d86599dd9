//! The mirror rule: a stage has the same name in each place where it lives.

use super::Finding;
use crate::run::root;

/// The stages that exist, in the order of the pipeline.
const STAGES: &[&str] = &["edge", "shield", "identify", "csrf", "authorize", "audit"];

/// The places, with `X` for the stage's name. The prover's claims join when there is a prover.
const PLACES: &[&str] = &[
    "crates/policy/src/section/X.rs",
    "crates/gate/src/stage/X.rs",
    "docs/stages/X.md",
    "crates/palisade/tests/it/X.rs",
];

pub fn check() -> Vec<Finding> {
    let root = root();
    let mut findings = Vec::new();
    for stage in STAGES {
        for place in PLACES {
            let file = place.replace('X', stage);
            let folder = file.strip_suffix(".rs").map(|stem| format!("{stem}/mod.rs"));
            let there =
                root.join(&file).is_file() || folder.is_some_and(|folder| root.join(folder).is_file());
            if !there {
                findings
                    .push(Finding::new(file, format!("is missing: the stage '{stage}' must be there too")));
            }
        }
    }
    findings
}
