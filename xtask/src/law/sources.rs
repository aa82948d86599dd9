//! The Rust sources of the workspace, parsed once for all rules.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::run::root;

/// One source file.
pub struct Source {
    /// From the root of the repository.
    pub path: PathBuf,
    /// The crate's folder name, as `gate`.
    pub krate: String,
    /// The module path below the crate's root: `["stage", "edge"]`; empty for lib.rs and main.rs.
    pub module: Vec<String>,
    /// Whether it is a test, bench or example and not the product.
    pub is_test: bool,
    /// The text.
    pub text: String,
    /// The syntax tree.
    pub tree: syn::File,
}

/// Every `.rs` file of the crates and of xtask.
pub fn read() -> Result<Vec<Source>> {
    let root = root();
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(root.join("crates"))? {
        gather(&root, &entry?.path(), &mut sources)?;
    }
    gather(&root, &root.join("xtask"), &mut sources)?;
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

fn gather(root: &Path, krate: &Path, sources: &mut Vec<Source>) -> Result<()> {
    let name = krate.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    for (folder, is_test) in [("src", false), ("tests", true), ("examples", true), ("benches", true)] {
        let base = krate.join(folder);
        let mut files = Vec::new();
        walk(&base, &mut files)?;
        for file in files {
            let text = std::fs::read_to_string(&file)?;
            let tree = syn::parse_file(&text).with_context(|| format!("cannot parse {}", file.display()))?;
            let within = file.strip_prefix(&base).unwrap_or(&file);
            sources.push(Source {
                path: file.strip_prefix(root).unwrap_or(&file).to_path_buf(),
                krate: name.clone(),
                module: module_of(within),
                is_test,
                text,
                tree,
            });
        }
    }
    Ok(())
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn module_of(within: &Path) -> Vec<String> {
    let mut parts: Vec<String> = within
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if parts.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

#[cfg(test)]
impl Source {
    /// A source made up for a test of a rule.
    pub fn made_up(path: &str, text: &str) -> Self {
        let within = path.split_once("/src/").map_or("lib.rs", |(_, within)| within);
        let krate = path.split('/').nth(1).unwrap_or_default().to_owned();
        Self {
            path: path.into(),
            krate,
            module: module_of(Path::new(within)),
            is_test: false,
            text: text.to_owned(),
            tree: syn::parse_file(text).unwrap(),
        }
    }
}
