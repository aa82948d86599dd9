//! A write: its statements, then its entries in the trail and the feed, then the commit.

use palisade_model::{AuditEvent, World};

use crate::db::postgres::Transaction;
use crate::db::sqlite::Connected;
use crate::feed::{self, Subject};
use crate::sql::Query;
use crate::value::Row;
use crate::{StoreError, audit};

/// Where the trail and the feed end, as the locked head row says.
pub(crate) struct Head {
    pub(crate) audit_seq: i64,
    pub(crate) audit_hash: [u8; 32],
    pub(crate) feed_seq: i64,
}

/// How a transaction reaches its database.
pub(crate) enum Wire<'a> {
    Sqlite(&'a Connected),
    Postgres(Transaction<'a>),
}

/// A transaction under way.
///
/// Locks are taken in one order everywhere, so that no two writes can wait for each other: the user's row,
/// the family's row, other rows, and the head row last.
pub(crate) struct Tx<'a> {
    wire: Wire<'a>,
    world: &'a World,
    queued: Vec<Query>,
    audit: Vec<AuditEvent>,
    subjects: Vec<Subject>,
    head: Option<Head>,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(wire: Wire<'a>, world: &'a World) -> Self {
        Self { wire, world, queued: Vec::new(), audit: Vec::new(), subjects: Vec::new(), head: None }
    }

    /// The world's clock and dice.
    pub(crate) fn world(&self) -> &'a World {
        self.world
    }

    /// Queues a statement that goes out with the next one that is waited for.
    pub(crate) fn later(&mut self, query: Query) {
        self.queued.push(query);
    }

    /// Runs what is queued and these statements, in order and in one round trip; the rows of these.
    pub(crate) async fn all<const N: usize>(
        &mut self,
        queries: [Query; N],
    ) -> Result<[Vec<Row>; N], StoreError> {
        self.queued.extend(queries);
        let answers = self.run().await?;
        last_of(answers)
    }

    /// Runs what is queued and this statement; its rows.
    pub(crate) async fn rows(&mut self, query: Query) -> Result<Vec<Row>, StoreError> {
        let [rows] = self.all([query]).await?;
        Ok(rows)
    }

    /// As [`all`](Self::all), for the last statements that lock rows which others may want too: the head row
    /// is locked in the same round trip.
    pub(crate) async fn last<const N: usize>(
        &mut self,
        queries: [Query; N],
    ) -> Result<[Vec<Row>; N], StoreError> {
        if self.head.is_some() {
            return self.all(queries).await;
        }
        self.queued.extend(queries);
        self.queued.push(audit::lock_head());
        let mut answers = self.run().await?;
        self.head = Some(audit::read_head(answers.pop().unwrap_or_default())?);
        last_of(answers)
    }

    /// Adds to the trail when this write is done.
    pub(crate) fn record(&mut self, events: Vec<AuditEvent>) {
        self.audit.extend(events);
    }

    /// Tells other nodes' caches when this write is done.
    pub(crate) fn changed(&mut self, subject: Subject) {
        self.subjects.push(subject);
    }

    /// Writes what is queued, the trail and the feed, and on PostgreSQL commits.
    pub(crate) async fn seal(mut self) -> Result<(), StoreError> {
        if !self.audit.is_empty() || !self.subjects.is_empty() {
            let [] = self.last([]).await?;
            let head = self.head.take().ok_or(StoreError::Corrupt("there is no head row"))?;
            let now = self.world.now();
            let feed_seq = feed::push(&mut self.queued, head.feed_seq, now, &self.subjects);
            let events = std::mem::take(&mut self.audit);
            let (audit_seq, hash) =
                audit::push(&mut self.queued, &head, now, events, self.world.entropy.as_ref())?;
            self.queued.push(audit::move_head(audit_seq, &hash, feed_seq));
        }
        self.run_and(true).await.map(|_| ())
    }

    async fn run(&mut self) -> Result<Vec<Vec<Row>>, StoreError> {
        self.run_and(false).await
    }

    async fn run_and(&mut self, commit: bool) -> Result<Vec<Vec<Row>>, StoreError> {
        let batch = std::mem::take(&mut self.queued);
        match &mut self.wire {
            // Its commit is the whole group's.
            Wire::Sqlite(connection) => connection.run(&batch),
            Wire::Postgres(transaction) => transaction.run(&batch, commit).await,
        }
    }
}

fn last_of<const N: usize>(mut answers: Vec<Vec<Row>>) -> Result<[Vec<Row>; N], StoreError> {
    let tail = answers.split_off(answers.len().saturating_sub(N));
    tail.try_into().map_err(|_| StoreError::Corrupt("an answer is missing"))
}
