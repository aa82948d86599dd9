//! How the steps of a transaction reach the database.

use super::postgres;
use super::sqlite::Connected;
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

/// A connection that a transaction runs on.
pub(crate) enum Wire<'a> {
    Sqlite(&'a Connected),
    Postgres(&'a deadpool_postgres::Object),
}

impl Wire<'_> {
    /// How a transaction begins.
    pub(crate) fn begin(&self) -> &'static str {
        match self {
            // Another process may write the same file: it waits now, and not when it is too late.
            Self::Sqlite(_) => "BEGIN IMMEDIATE",
            Self::Postgres(_) => "BEGIN",
        }
    }

    /// Runs the steps in order: the rows of those that worked, up to the first that failed.
    pub(crate) async fn send(&mut self, steps: &[Step]) -> (Vec<Vec<Row>>, Option<Failure>) {
        match self {
            Self::Sqlite(connection) => connection.send(steps),
            Self::Postgres(client) => postgres::send(client, steps).await,
        }
    }
}
