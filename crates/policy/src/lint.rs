//! What reads well and is unwise all the same: each rule looks at the compiled policy, and says where
//! the setting stands that it speaks of.

mod aliases;
mod database;
mod meaning;
mod origins;
mod production;
mod providers;
mod secrets;
mod tokens;

use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::read::Places;
use crate::section::app::Deployment;
use crate::section::route::Route;
use crate::{Code, Policy};

/// A policy with the places of its settings, and what rules found in it.
pub(crate) struct Lint<'a> {
    policy: &'a Policy,
    places: &'a Places,
    found: Vec<Diagnostic>,
}

/// Everything that the rules have to say, except about settings that are known to be wrong already.
pub(crate) fn check(policy: &Policy, places: &Places, known: &[Diagnostic]) -> Vec<Diagnostic> {
    let mut lint = Lint { policy, places, found: Vec::new() };
    production::check(&mut lint);
    secrets::check(&mut lint);
    tokens::check(&mut lint);
    origins::check(&mut lint);
    providers::check(&mut lint);
    meaning::check(&mut lint);
    aliases::check(&mut lint);
    database::check(&mut lint);
    // A row that could not be read uses nothing: to call the rest unused would send people the wrong way.
    if known.iter().all(|one| one.severity != Severity::Error) {
        meaning::unused(&mut lint);
    }
    lint.found.retain(|one| !known.iter().any(|other| is_about_the_same(&one.place, &other.place)));
    lint.found
}

fn is_about_the_same(one: &Place, known: &Place) -> bool {
    match (one, known) {
        (Place::Span(one), Place::Span(known)) => one.start <= known.start && known.end <= one.end,
        (Place::Variable(one), Place::Variable(known)) => one == known,
        _ => false,
    }
}

impl<'a> Lint<'a> {
    fn in_production(&self) -> bool {
        self.policy.app.environment == Deployment::Production
    }

    /// Fatal in production, a warning elsewhere.
    fn severity(&self) -> Severity {
        if self.in_production() { Severity::Error } else { Severity::Warning }
    }

    /// Something to say of the setting at that path.
    fn say(
        &mut self,
        severity: Severity,
        code: Code,
        path: &str,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.say_at(severity, code, self.places.of(path), message)
    }

    fn say_at(
        &mut self,
        severity: Severity,
        code: Code,
        place: Place,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        let at = self.found.len();
        self.found.push(Diagnostic { severity, ..Diagnostic::error(code, place, message) });
        #[expect(clippy::indexing_slicing, reason = "pushed in the line above")]
        &mut self.found[at]
    }

    /// The policy's own rows, each with the path of its table.
    fn routes(&self) -> impl Iterator<Item = (String, &'a Route)> + use<'a> {
        let (places, rows) = (self.places, &self.policy.routes.rows);
        rows.iter()
            .filter(|row| row.line > 0)
            .filter_map(|row| Some((places.row(row.index)?.to_owned(), row)))
    }
}

impl Diagnostic {
    fn because(&mut self, reason: &str) -> &mut Self {
        self.reason = reason.to_owned();
        self
    }

    fn write(&mut self, help: impl Into<String>) {
        self.help = help.into();
    }
}
