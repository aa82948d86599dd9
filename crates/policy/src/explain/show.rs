//! An explanation for people, and for programs.

use std::fmt;

use serde_json::Value;

use super::{Explanation, Verdict};

impl Explanation {
    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {} as {}\n", self.method, self.path, self.asking)?;
        for step in &self.steps {
            writeln!(f, "  {:<10} {}", step.stage, step.does)?;
        }
        match &self.verdict {
            Verdict::LetIn { provided } if provided.is_empty() => write!(f, "\nIt passes."),
            Verdict::LetIn { provided } => write!(f, "\nIt passes, as long as {}.", provided.join(" and ")),
            Verdict::Refused { status, code, .. } => write!(f, "\nIt is refused: {status} {code}."),
        }
    }
}
