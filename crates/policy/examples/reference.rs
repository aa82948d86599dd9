//! Writes docs/policy.md, docs/policy.schema.json and palisade.example.toml. `cargo xtask reference` runs it.

use std::fs;
use std::path::Path;

use palisade_policy::reference;

fn main() -> std::io::Result<()> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::create_dir_all(top.join("docs"))?;
    fs::write(top.join("docs/policy.md"), reference::policy_markdown())?;
    fs::write(top.join("docs/policy.schema.json"), format!("{:#}\n", reference::json_schema()))?;
    fs::write(top.join("palisade.example.toml"), reference::example_toml())
}
