//! Documents that are made from the settings themselves.

use anyhow::Result;
use palisade_policy::reference;

use crate::run::root;

/// Each generated document: its place, and its text as it has to be.
pub fn documents() -> [(&'static str, String); 3] {
    [
        ("docs/policy.md", reference::policy_markdown()),
        ("docs/policy.schema.json", format!("{:#}\n", reference::json_schema())),
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
