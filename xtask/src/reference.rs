//! Documents that are made from the settings and routes themselves.

use anyhow::Result;
use palisade_policy::{api, reference};

use crate::run::root;

/// Each generated document: its place, and its text as it has to be.
pub fn documents() -> [(&'static str, String); 4] {
    [
        ("docs/policy.md", reference::policy_markdown()),
        ("docs/policy.schema.json", format!("{:#}\n", reference::json_schema())),
        ("docs/openapi.json", format!("{:#}\n", api::document("palisade_session", "X-CSRFToken"))),
        ("palisade.example.toml", reference::example_toml()),
    ]
}

/// Writes them all.
pub fn write() -> Result<()> {
    for (name, text) in documents() {
        std::fs::write(root().join(name), text)?;
        eprintln!("wrote {name}");
    }
    Ok(())
}
