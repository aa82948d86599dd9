//! No module cycles: between siblings at every level of a crate, arrows go one way.
//!
//! An arrow is a path that starts with `crate::` or `super::`. A name that a parent re-exports counts
//! as an arrow to the module that it comes from. Tests within a file do not count.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::Visit;

use super::Finding;
use super::sources::Source;

type Module = Vec<String>;

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let crates: BTreeSet<&str> = sources.iter().map(|source| source.krate.as_str()).collect();
    for krate in crates {
        let own: Vec<&Source> = sources.iter().filter(|s| s.krate == krate && !s.is_test).collect();
        let modules: BTreeSet<Module> = own.iter().map(|source| source.module.clone()).collect();
        let exports = exports(&own, &modules);
        let mut arrows: BTreeSet<(Module, Module)> = BTreeSet::new();
        for source in &own {
            let mut paths = Paths { module: &source.module, found: Vec::new() };
            paths.visit_file(&source.tree);
            for path in paths.found {
                let to = resolve(&path, &modules, &exports);
                if to != source.module {
                    arrows.insert((source.module.clone(), to));
                }
            }
        }
        findings.extend(cycles(krate, &arrows));
    }
    findings
}

/// `(parent module, name)` to the module that the parent re-exports it from.
fn exports(own: &[&Source], modules: &BTreeSet<Module>) -> BTreeMap<(Module, String), Module> {
    let mut exports = BTreeMap::new();
    for source in own {
        for item in &source.tree.items {
            let syn::Item::Use(item) = item else { continue };
            if matches!(item.vis, syn::Visibility::Inherited) {
                continue;
            }
            let mut names = Vec::new();
            flatten(&item.tree, &mut Vec::new(), &mut names);
            for (path, name) in names {
                let path = match path.first().map(String::as_str) {
                    Some("crate") => path.get(1..).unwrap_or_default().to_vec(),
                    Some("self") => [&source.module, path.get(1..).unwrap_or_default()].concat(),
                    _ => [source.module.as_slice(), &path].concat(),
                };
                if let Some(to) = longest(&path, modules) {
                    exports.insert((source.module.clone(), name), to);
                }
            }
        }
    }
    exports
}

/// The deepest module that a path goes into.
fn longest(path: &[String], modules: &BTreeSet<Module>) -> Option<Module> {
    (1..=path.len())
        .rev()
        .filter_map(|n| path.get(..n))
        .find(|part| modules.contains(*part))
        .map(<[String]>::to_vec)
}

fn resolve(
    path: &[String],
    modules: &BTreeSet<Module>,
    exports: &BTreeMap<(Module, String), Module>,
) -> Module {
    let module = longest(path, modules).unwrap_or_default();
    let name = path.get(module.len()).cloned().unwrap_or_default();
    exports.get(&(module.clone(), name)).cloned().unwrap_or(module)
}

/// Every use tree as full paths, with the name that it brings in.
fn flatten(tree: &syn::UseTree, before: &mut Vec<String>, found: &mut Vec<(Vec<String>, String)>) {
    match tree {
        syn::UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, found);
            before.pop();
        }
        syn::UseTree::Name(name) => {
            let full = [before.as_slice(), &[name.ident.to_string()]].concat();
            found.push((full, name.ident.to_string()));
        }
        syn::UseTree::Rename(name) => {
            let full = [before.as_slice(), &[name.ident.to_string()]].concat();
            found.push((full, name.rename.to_string()));
        }
        syn::UseTree::Glob(_) => found.push((before.clone(), "*".into())),
        syn::UseTree::Group(group) => group.items.iter().for_each(|item| flatten(item, before, found)),
    }
}

/// Paths within the crate, from its root.
struct Paths<'a> {
    module: &'a Module,
    found: Vec<Vec<String>>,
}

impl Paths<'_> {
    fn note(&mut self, path: &[String]) {
        let rest = |n: usize| path.get(n..).unwrap_or_default();
        match path.first().map(String::as_str) {
            Some("crate") => self.found.push(rest(1).to_vec()),
            Some("super") => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                let parent = self.module.get(..self.module.len().saturating_sub(ups)).unwrap_or_default();
                self.found.push([parent, rest(ups)].concat());
            }
            _ => {}
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        // a re-export is its parent's shop window, not a use
        if !matches!(item.vis, syn::Visibility::Inherited) {
            return;
        }
        let mut names = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut names);
        for (path, _) in names {
            self.note(&path);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.note(&parts);
        syn::visit::visit_path(self, path);
    }

    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Static(item) => &item.attrs,
            syn::Item::Const(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            _ => &Vec::new(),
        };
        let is_test = attributes.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Ident>().is_ok_and(|what| what == "test")
        });
        if !is_test {
            syn::visit::visit_item(self, item);
        }
    }
}

/// At each level, the siblings that reach each other.
fn cycles(krate: &str, arrows: &BTreeSet<(Module, Module)>) -> Vec<Finding> {
    let mut levels: BTreeMap<Module, BTreeSet<(String, String)>> = BTreeMap::new();
    for (from, to) in arrows {
        let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
        if let (Some(a), Some(b)) = (from.get(shared), to.get(shared)) {
            let level = from.get(..shared).unwrap_or_default().to_vec();
            levels.entry(level).or_default().insert((a.clone(), b.clone()));
        }
    }
    let mut findings = Vec::new();
    for (level, edges) in levels {
        for (a, b) in &edges {
            if a < b && reaches(&edges, b, a) && reaches(&edges, a, b) {
                let place = [&[krate.to_owned()], level.as_slice()].concat().join("::");
                findings.push(Finding::new(
                    place,
                    format!("'{a}' and '{b}' use each other: give what they share a place of its own"),
                ));
            }
        }
    }
    findings
}

fn reaches(edges: &BTreeSet<(String, String)>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(here) = open.pop() {
        if here == to {
            return true;
        }
        if seen.insert(here) {
            open.extend(edges.iter().filter(|(a, _)| a == here).map(|(_, b)| b.as_str()));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = files.iter().map(|(path, text)| Source::made_up(path, text)).collect();
        check(&sources).into_iter().map(|finding| format!("{}: {}", finding.place, finding.what)).collect()
    }

    #[test]
    fn siblings_that_use_each_other_are_found_through_paths_supers_and_re_exports() {
        let there = ("crates/x/src/a.rs", "use crate::b::Thing; pub struct Other;");
        for back in ["fn f() { crate::a::g(); }", "use super::a::Other;", "use crate::Other;"] {
            let findings = found(&[
                ("crates/x/src/lib.rs", "pub mod a; pub mod b; pub use a::Other;"),
                there,
                ("crates/x/src/b.rs", back),
            ]);
            assert_eq!(findings.len(), 1, "{back}: {findings:?}");
            assert!(findings[0].contains("'a' and 'b'"), "{findings:?}");
        }
    }

    #[test]
    fn one_way_is_no_cycle_and_tests_do_not_count() {
        let findings = found(&[
            ("crates/x/src/lib.rs", "pub mod a; pub mod b;"),
            ("crates/x/src/a.rs", "use crate::b::Thing;"),
            ("crates/x/src/b.rs", "pub struct Thing; #[cfg(test)] mod tests { use crate::a::g; }"),
        ]);
        assert!(findings.is_empty(), "{findings:?}");
    }
}
