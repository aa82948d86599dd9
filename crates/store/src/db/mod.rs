//! The two databases behind one face.
//!
//! A read is one statement. A write is a [`Tx`]: its statements, and in the same transaction what it adds to
//! the trail and to the feed.

pub(crate) mod postgres;
pub(crate) mod sqlite;
mod tx;
mod wire;
mod writer;

use std::future::Future;
use std::pin::Pin;

use palisade_model::World;

use crate::sql::Query;
use crate::value::Row;
use crate::{Location, StoreError};

pub(crate) use tx::Tx;

/// A future of a write's steps.
pub(crate) type Steps<'a, R> = Pin<Box<dyn Future<Output = Result<R, StoreError>> + Send + 'a>>;

/// A write: `|tx| Box::pin(async move { .. })`.
pub(crate) trait Work<R>: for<'a> FnOnce(&'a mut Tx<'_>) -> Steps<'a, R> + Send + 'static {}
impl<R, F: for<'a> FnOnce(&'a mut Tx<'_>) -> Steps<'a, R> + Send + 'static> Work<R> for F {}

/// A database.
pub(crate) enum Db {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl Db {
    /// Connects and brings the schema up to date.
    pub(crate) async fn open(location: &Location, world: &World) -> Result<Self, StoreError> {
        match location {
            Location::Memory => Ok(Self::Sqlite(sqlite::Sqlite::open(None, world).await?)),
            Location::Sqlite(path) => Ok(Self::Sqlite(sqlite::Sqlite::open(Some(path), world).await?)),
            Location::Postgres(url) => Ok(Self::Postgres(postgres::Postgres::open(url, world).await?)),
        }
    }

    /// The rows of a quick query: by key, or a few rows.
    pub(crate) async fn point(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(db) => db.point(query).await,
            Self::Postgres(db) => db.rows(query).await,
        }
    }

    /// The rows of a query that may take its time.
    pub(crate) async fn list(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(db) => db.list(query).await,
            Self::Postgres(db) => db.rows(query).await,
        }
    }

    /// Runs a write to its end, even when the caller goes away meanwhile. What it answers is committed.
    pub(crate) async fn write<R: Send + 'static>(&self, work: impl Work<R>) -> Result<R, StoreError> {
        match self {
            Self::Sqlite(db) => db.write(work).await,
            Self::Postgres(db) => db.write(work).await,
        }
    }

    /// Ends all connections once what was begun is done.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(db) => db.close().await,
            Self::Postgres(db) => db.close().await,
        }
    }

    /// Prepares every statement of the crate; how many there are.
    pub(crate) async fn prepare_all(&self) -> Result<usize, StoreError> {
        match self {
            Self::Sqlite(db) => db.prepare_all().await,
            Self::Postgres(db) => db.prepare_all().await,
        }
    }
}
