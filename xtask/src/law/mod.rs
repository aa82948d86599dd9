//! The architecture's own rules, which no compiler checks.
//!
//! Each rule is one file that gives back its findings; a finding says where, what, and what to do.

mod arrows;
mod budgets;
mod cycles;
mod documents;
mod mirror;
mod proofs;
mod sources;

use anyhow::{Result, bail};

/// One broken rule at one place.
pub struct Finding {
    /// File, file and line, or crate.
    pub place: String,
    /// What is wrong and what to do instead.
    pub what: String,
}

impl Finding {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

/// Runs every rule, prints every finding, fails if there is one.
pub fn check() -> Result<()> {
    let sources = sources::read()?;
    let rules: [(&str, Vec<Finding>); 6] = [
        ("arrows", arrows::check()?),
        ("mirror", mirror::check()),
        ("cycles", cycles::check(&sources)),
        ("budgets", budgets::check(&sources)),
        ("documents", documents::check()?),
        ("proofs", proofs::check(&sources)),
    ];
    let mut broken = 0;
    for (rule, findings) in &rules {
        let verdict = if findings.is_empty() { "holds" } else { "BROKEN" };
        eprintln!("law: {rule:<10} {verdict}");
        for finding in findings {
            eprintln!("  {}: {}", finding.place, finding.what);
        }
        broken += findings.len();
    }
    if broken > 0 {
        bail!("the law is broken in {broken} places");
    }
    Ok(())
}
