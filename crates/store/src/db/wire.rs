//! How the steps of a transaction reach the database.

use std::future::Future;
use std::pin::Pin;

use crate::StoreError;
use crate::sql::Query;
use crate::value::Row;

/// One step of a transaction.
pub(crate) enum Step {
    /// A statement that steers the transaction.
    Plain(&'static str),
    /// The statement that locks and reads the head row.
    Head(Query),
    /// Any other.
    Query(Query),
}

/// Why a step failed.
pub(crate) struct Failure {
    pub(crate) error: StoreError,
    /// Whether the transaction is lost with it.
    pub(crate) fatal: bool,
}

/// The answers of the steps that worked, and why the next one did not.
pub(crate) type Answers = (Vec<Vec<Row>>, Option<Failure>);

/// A connection that a transaction runs on.
pub(crate) trait Wire: Send {
    /// How a transaction begins.
    fn begin(&self) -> &'static str;

    /// Runs the steps in order, up to the first that fails.
    fn send<'a>(&'a mut self, steps: &'a [Step]) -> Pin<Box<dyn Future<Output = Answers> + Send + 'a>>;
}
