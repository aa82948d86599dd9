//! No two rows may answer the same request, and none may stand where Palisade answers itself.

use std::collections::BTreeMap;

use super::Route;
use super::table::shape;
use crate::diagnostic::{Code, Diagnostic, Place};

/// The rows so far, by what their paths match whatever the case and the slash at the end.
#[derive(Default)]
pub(super) struct Taken(BTreeMap<String, Vec<usize>>);

impl Taken {
    /// By these rows.
    pub(super) fn by(rows: &[Route]) -> Self {
        let mut taken = Self::default();
        rows.iter().for_each(|row| taken.add(row));
        taken
    }

    /// And by this one.
    pub(super) fn add(&mut self, row: &Route) {
        self.0.entry(key(&row.path)).or_default().push(row.index);
    }

    /// What is wrong with one more row at that place, next to those in `rows`.
    pub(super) fn fault(&self, row: &Route, rows: &[Route], place: &Place) -> Option<Diagnostic> {
        let others = self.0.get(&key(&row.path))?;
        others.iter().filter_map(|index| rows.get(*index)).find_map(|other| clash(row, other, place))
    }
}

fn key(path: &str) -> String {
    shape(path).trim_end_matches('/').to_ascii_lowercase()
}

fn clash(row: &Route, other: &Route, place: &Place) -> Option<Diagnostic> {
    let error = |code, message: String| Some(Diagnostic::error(code, place.clone(), message));
    let (one, two) = (shape(&row.path), shape(&other.path));
    if other.line == 0 {
        let diagnostic = error(Code::RouteTaken, format!("`{}` is an address of Palisade's own", row.path))?;
        return Some(
            diagnostic
                .reason("sign-in, health and keys are answered by Palisade, whatever stands behind it")
                .help("leave this route out, or move the application's page to another path"),
        );
    }
    if one == two && other.methods.meets(row.methods) {
        let diagnostic =
            error(Code::RouteTwice, format!("`{}` stands in line {} already", other.path, other.line))?;
        return Some(
            diagnostic
                .reason(format!("both take {}", other.methods.common(row.methods).allow()))
                .help("merge the two routes, or give each `methods` of its own"),
        );
    }
    if one != two && one.trim_end_matches('/') != two.trim_end_matches('/') {
        let message = format!(
            "`{}` differs from `{}` (line {}) by upper and lower case alone",
            row.path, other.path, other.line
        );
        return Some(
            error(Code::RouteTwice, message)?
                .reason(
                    "applications that do not mind the case would answer both, each under the other's terms",
                )
                .help("keep one of the two"),
        );
    }
    None
}
