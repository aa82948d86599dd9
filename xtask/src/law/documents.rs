//! Generated documents are fresh, and links between documents lead somewhere.

use std::path::Path;

use anyhow::Result;

use super::Finding;
use crate::reference::documents;
use crate::run::root;

pub fn check() -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (name, text) in documents() {
        if std::fs::read_to_string(root().join(name)).unwrap_or_default() != text {
            findings.push(Finding::new(name, "is out of date: run 'cargo xtask reference' and commit it"));
        }
    }
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"] {
        links(Path::new(name), &mut findings);
    }
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                links(path.strip_prefix(root()).unwrap_or(&path), &mut findings);
            }
        }
    }
    Ok(findings)
}

/// Relative links of a Markdown file that lead nowhere.
fn links(file: &Path, findings: &mut Vec<Finding>) {
    let Ok(text) = std::fs::read_to_string(root().join(file)) else {
        findings.push(Finding::new(file.display().to_string(), "is missing"));
        return;
    };
    for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        let path = link.split('#').next().unwrap_or_default();
        let elsewhere =
            path.is_empty() || path.contains("://") || path.starts_with("mailto:") || path.contains(' ');
        let base = root().join(file);
        let there = base.parent().is_some_and(|folder| folder.join(path).exists());
        if !elsewhere && !there {
            findings.push(Finding::new(
                file.display().to_string(),
                format!("links to {path}, which is not there"),
            ));
        }
    }
}
