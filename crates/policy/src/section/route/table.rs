//! The compiled route table.

use std::collections::BTreeMap;

use http::Method;

use super::{Methods, Route};

/// What the route table says of a request.
#[derive(Debug)]
pub enum Found<'a> {
    /// This row.
    Row(&'a Route),
    /// The path is there, the method is not: 405 with these in Allow.
    OtherMethods(Methods),
    /// Nothing there.
    Nothing,
}

/// The compiled route table.
///
/// Applications differ in how they read a path: many take `/admin/` for `/admin`, some take `/ADMIN`
/// for it. So that no spelling escapes the row that was meant for it, a slash at the end does not count
/// (unless the policy names both forms), and a path that would meet another row in lower case meets none.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// Every row: Palisade's own first, then the policy's in order.
    pub rows: Vec<Route>,
    /// Rows with the same path, by group.
    groups: Vec<Vec<usize>>,
    exact: matchit::Router<usize>,
    folded: matchit::Router<usize>,
}

impl Routes {
    /// From rows, each with its index. The caller has checked that patterns do not collide.
    ///
    /// # Errors
    /// The first row whose pattern cannot be entered, with the matcher's reason.
    pub fn new(rows: Vec<Route>) -> Result<Self, (usize, String)> {
        let mut routes = Self { rows, ..Self::default() };
        let mut by_shape: BTreeMap<String, usize> = BTreeMap::new();
        let mut paths = Vec::new();
        for row in &routes.rows {
            let group = *by_shape.entry(shape(&row.path)).or_insert(routes.groups.len());
            match routes.groups.get_mut(group) {
                Some(rows) => rows.push(row.index),
                None => {
                    routes.groups.push(vec![row.index]);
                    paths.push(row.path.clone());
                    routes.exact.insert(&row.path, group).map_err(|why| (row.index, why.to_string()))?;
                    let folded = row.path.to_ascii_lowercase();
                    routes.folded.insert(folded, group).map_err(|why| (row.index, why.to_string()))?;
                }
            }
        }
        routes.enter_kin(&paths);
        Ok(routes)
    }

    /// Enters the other forms of each path, unless the policy has a row for them: `/x` and `/x/` of
    /// `/x/{*rest}` first, as they belong to it by name, then a slash more or less for the others.
    fn enter_kin(&mut self, paths: &[String]) {
        let mut enter = |path: &str, group: usize| {
            let taken = self.exact.insert(path, group).is_err();
            if !taken {
                // In lower case the same form is free, or belongs to a row that differs: both are right.
                let _ = self.folded.insert(path.to_ascii_lowercase(), group);
            }
        };
        for (group, path) in paths.iter().enumerate() {
            if let Some((front, _)) = path.split_once("{*") {
                enter(front, group);
                if let Some(bare) = front.strip_suffix('/').filter(|bare| !bare.is_empty()) {
                    enter(bare, group);
                }
            }
        }
        for (group, path) in paths.iter().enumerate().filter(|(_, path)| !path.contains("{*") && *path != "/")
        {
            match path.strip_suffix('/') {
                Some(bare) => enter(bare, group),
                None => enter(&format!("{path}/"), group),
            }
        }
    }

    /// The row for a path (already judged safe, as the upstream will read it) and a method.
    #[must_use]
    pub fn find(&self, path: &str, method: &Method) -> Found<'_> {
        let Some(group) = self.group(path) else { return Found::Nothing };
        let mut others = Methods::NONE;
        for row in group.iter().filter_map(|index| self.rows.get(*index)) {
            if row.methods.has(method) {
                return Found::Row(row);
            }
            // Which methods a hidden row takes would tell that it is there (ACC-2).
            if !row.hide {
                others = others.union(row.methods);
            }
        }
        if others == Methods::NONE { Found::Nothing } else { Found::OtherMethods(others) }
    }

    /// Whether a path for which nothing was found is there all the same, for other methods.
    pub(crate) fn hides(&self, path: &str) -> bool {
        self.group(path).is_some()
    }

    fn group(&self, path: &str) -> Option<&[usize]> {
        let group = *self.exact.at(path).ok()?.value;
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            let folded = self.folded.at(&path.to_ascii_lowercase()).ok().map(|hit| *hit.value);
            if folded != Some(group) {
                return None;
            }
        }
        self.groups.get(group).map(Vec::as_slice)
    }
}

/// A path with its parameters' names left out: two paths of one shape match the same requests.
pub(crate) fn shape(path: &str) -> String {
    let mut shape = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, next)) = after.split_once('}') else { break };
        shape.push_str(before);
        shape.push_str(if name.starts_with('*') { "{*}" } else { "{}" });
        rest = next;
    }
    shape.push_str(rest);
    shape
}
