//! What was wrong with a request.

use std::error::Error;
use std::fmt;
use std::io;

use palisade_model::{Denial, Refusal};

/// One rule that a request broke. Small and without a heap, so that judging costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What the client is told.
    pub denial: Denial,
    /// What the log is told. Never holds bytes of the request.
    pub why: &'static str,
}

impl Violation {
    pub(crate) const fn new(denial: Denial, why: &'static str) -> Self {
        Self { denial, why }
    }

    /// Two readers could understand it differently.
    pub(crate) const fn ambiguous(why: &'static str) -> Self {
        Self::new(Denial::Ambiguous, why)
    }

    /// It is not HTTP.
    pub(crate) const fn malformed(why: &'static str) -> Self {
        Self::new(Denial::Malformed, why)
    }

    /// Its path means one thing here and another elsewhere.
    pub(crate) const fn path(why: &'static str) -> Self {
        Self::new(Denial::PathUnsafe, why)
    }
}

impl From<Violation> for Refusal {
    fn from(violation: Violation) -> Self {
        Self::new(violation.denial, violation.why)
    }
}

impl From<Violation> for io::Error {
    fn from(violation: Violation) -> Self {
        Self::new(io::ErrorKind::InvalidData, violation)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.denial.facts().code, self.why)
    }
}

impl Error for Violation {}

/// The violation behind an error that a request body gave, however deep it was wrapped: a service that gives up
/// because its body failed answers with this refusal, and not with a fault of its own.
#[must_use]
pub fn of_error(error: &(dyn Error + 'static)) -> Option<Violation> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(violation) = error.downcast_ref::<Violation>() {
            return Some(*violation);
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(violation) = inner.and_then(|inner| inner.downcast_ref::<Violation>()) {
            return Some(*violation);
        }
        next = error.source();
    }
    None
}
