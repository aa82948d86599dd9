//! Policies as people write them, and what they get for it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod aliases;
mod any_text;
mod bad;
mod explain;
mod production;
mod reference;
mod routes;
mod secrets;
mod speed;
mod variables;
mod warnings;
mod whole;

use palisade_model::Environment;
use palisade_policy::{Checked, Diagnostics, Policy};

/// An environment of these variables.
pub(crate) fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().copied().collect()
}

/// A policy under an empty environment.
pub(crate) fn check(text: &str) -> Result<Checked, Diagnostics> {
    Policy::from_toml("palisade.toml", text, &Environment::default())
}

/// The policy, which has to be sound.
pub(crate) fn policy(text: &str) -> Policy {
    match check(text) {
        Ok(checked) => checked.policy,
        Err(diagnostics) => panic!("{diagnostics}"),
    }
}
