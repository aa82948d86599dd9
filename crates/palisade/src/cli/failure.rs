//! How a command ends.

use std::fmt;
use std::process::ExitCode;

use super::terminal::Terminal;

/// What the exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All is well.
    Good,
    /// Something was found that should be put right.
    Findings,
    /// The command or the policy cannot be used as it stands.
    Unusable,
    /// It could not be found out.
    Unknown,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Good => 0,
            Outcome::Findings => 1,
            Outcome::Unusable => 2,
            Outcome::Unknown => 3,
        })
    }
}

/// Why a command could not do its work, and what to do instead.
#[derive(Debug)]
pub(super) struct Failure {
    outcome: Outcome,
    what: String,
    remedy: Option<String>,
    /// Already complete, as a rendered diagnostic: nothing is put around it.
    whole: bool,
}

impl Failure {
    /// The command or the configuration cannot be used.
    pub(super) fn usage(what: impl fmt::Display) -> Self {
        Self { outcome: Outcome::Unusable, what: what.to_string(), remedy: None, whole: false }
    }

    /// Something that is needed does not answer.
    pub(super) fn unknown(what: impl fmt::Display) -> Self {
        Self { outcome: Outcome::Unknown, what: what.to_string(), remedy: None, whole: false }
    }

    /// Diagnostics of the policy, rendered.
    pub(super) fn diagnostics(text: String) -> Self {
        Self { outcome: Outcome::Unusable, what: text, remedy: None, whole: true }
    }

    /// The same with what to do instead.
    pub(super) fn remedy(mut self, remedy: impl fmt::Display) -> Self {
        self.remedy = Some(remedy.to_string());
        self
    }

    pub(super) fn outcome(&self) -> Outcome {
        self.outcome
    }

    pub(super) fn print(&self, terminal: &Terminal) {
        if self.whole {
            eprintln!("{}", self.what.trim_end());
            return;
        }
        eprintln!("{}: {}", terminal.error_mark(), self.what);
        if let Some(remedy) = &self.remedy {
            eprintln!("  {remedy}");
        }
    }
}
