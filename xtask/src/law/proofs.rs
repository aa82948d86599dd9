//! Every requirement that a control claims is proved by a named test.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};

use super::Finding;
use super::sources::Source;
use crate::run::{cargo, output};

/// The mark that a test carries: `// proves: CSRF-3, HEAD-1`.
const MARK: &str = concat!("// ", "proves:");

pub fn check(sources: &[Source]) -> Result<Vec<Finding>> {
    let proved: BTreeSet<String> = sources
        .iter()
        .flat_map(|source| source.text.lines())
        .filter_map(|line| line.trim().strip_prefix(MARK))
        .flat_map(|ids| ids.split([',', ' ']))
        .map(|id| id.trim().to_owned())
        .filter(|id| !id.is_empty())
        .collect();
    let list =
        output(cargo().args(["run", "--quiet", "--package", "palisade-policy", "--example", "controls"]))
            .context("the list of controls cannot be had: cargo run -p palisade-policy --example controls")?;
    let mut findings = Vec::new();
    for line in list.lines() {
        let (control, requirements) = line.split_once('\t').unwrap_or((line, ""));
        for id in requirements.split(' ').filter(|id| !id.is_empty() && !proved.contains(*id)) {
            findings
                .push(Finding::new(control, format!("claims {id}, which no test proves ('{MARK} {id}')")));
        }
    }
    if list.lines().count() == 0 {
        findings.push(Finding::new("controls", "the registry is empty"));
    }
    Ok(findings)
}
