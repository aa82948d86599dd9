//! Which crate may use which: the arrows of ARCHITECTURE.md.

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::Finding;
use crate::run::{cargo, output};

/// Crate, and what it may use of the workspace.
const ARROWS: &[(&str, &[&str])] = &[
    ("palisade-model", &[]),
    ("palisade-policy", &["palisade-model"]),
    ("palisade-store", &["palisade-model"]),
    ("palisade-access", &["palisade-model", "palisade-policy", "palisade-store"]),
    ("palisade-gate", &["palisade-model", "palisade-policy", "palisade-store", "palisade-access"]),
    (
        "palisade",
        &["palisade-model", "palisade-policy", "palisade-store", "palisade-access", "palisade-gate"],
    ),
    ("xtask", &["palisade-policy"]),
];

/// Foreign crates that only some of ours may use directly.
const OWNERS: &[(&[&str], &[&str])] = &[
    (&["rusqlite", "tokio-postgres", "deadpool-postgres", "tokio-postgres-rustls"], &["palisade-store"]),
    (&["argon2", "jsonwebtoken", "zxcvbn"], &["palisade-access"]),
    (&["axum", "hyper", "lol_html", "async-compression"], &["palisade-gate", "palisade"]),
    (&["clap", "askama", "hyper-util"], &["palisade"]),
    (&["toml", "annotate-snippets", "matchit"], &["palisade-policy"]),
];

pub fn check() -> Result<Vec<Finding>> {
    let text = output(cargo().args(["metadata", "--format-version", "1", "--no-deps", "--offline"]))
        .context("cargo metadata failed")?;
    let metadata: Value = serde_json::from_str(&text)?;
    let mut findings = Vec::new();
    for package in metadata.get("packages").and_then(Value::as_array).context("no packages")? {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = ARROWS.iter().find(|(krate, _)| *krate == name) else {
            findings
                .push(Finding::new(name, "a crate without arrows: give it a row in xtask/src/law/arrows.rs"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let to = dependency["name"].as_str().unwrap_or_default();
            let ours = ARROWS.iter().any(|(krate, _)| *krate == to);
            let for_tests = dependency["kind"] == "dev";
            if ours && !for_tests && !allowed.contains(&to) {
                findings.push(Finding::new(name, format!("must not use {to}: no such arrow")));
            }
            let owners = OWNERS.iter().find(|(crates, _)| crates.contains(&to));
            if let Some((_, owners)) = owners
                && !for_tests
                && !owners.contains(&name)
            {
                findings.push(Finding::new(
                    name,
                    format!("must not use {to}: it belongs to {}", owners.join(", ")),
                ));
            }
        }
    }
    Ok(findings)
}
