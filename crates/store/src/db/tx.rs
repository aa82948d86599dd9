//! Writes in a transaction: the statements of each, and behind them its entries in the trail and the feed.

use palisade_model::{AuditEvent, World};

use super::wire::{Step, Wire};
use crate::StoreError;
use crate::audit::{self, Head};
use crate::feed::{self, Subject};
use crate::sql::Query;
use crate::value::Row;

/// A transaction under way. It holds the head row from its first statement on, and so is alone in writing:
/// what it reads, nobody changes before its end.
pub(crate) struct Tx<'a> {
    wire: Box<dyn Wire + 'a>,
    world: &'a World,
    /// What goes out before the statements of the present write.
    pending: Vec<Step>,
    queued: Vec<Query>,
    audit: Vec<AuditEvent>,
    subjects: Vec<Subject>,
    head: Option<Head>,
    /// Whether a statement of the present write failed.
    hurt: bool,
    broken: Option<StoreError>,
}

impl<'a> Tx<'a> {
    pub(super) fn new(wire: impl Wire + 'a, world: &'a World) -> Self {
        let pending = vec![Step::Plain(wire.begin()), Step::Head(audit::lock_head())];
        Self {
            wire: Box::new(wire),
            world,
            pending,
            queued: Vec::new(),
            audit: Vec::new(),
            subjects: Vec::new(),
            head: None,
            hurt: false,
            broken: None,
        }
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
        let mut answers = self.run().await?;
        let tail = answers.split_off(answers.len().saturating_sub(N));
        tail.try_into().map_err(|_| StoreError::Corrupt("an answer is missing"))
    }

    /// The same with as many statements as there are.
    pub(crate) async fn each(&mut self, queries: Vec<Query>) -> Result<Vec<Vec<Row>>, StoreError> {
        let count = queries.len();
        self.queued.extend(queries);
        let mut answers = self.run().await?;
        Ok(answers.split_off(answers.len().saturating_sub(count)))
    }

    /// Runs what is queued and this statement; its rows.
    pub(crate) async fn rows(&mut self, query: Query) -> Result<Vec<Row>, StoreError> {
        let [rows] = self.all([query]).await?;
        Ok(rows)
    }

    /// Adds to the trail when this write is done.
    pub(crate) fn record(&mut self, events: Vec<AuditEvent>) {
        self.audit.extend(events);
    }

    /// Tells other nodes' caches when this write is done.
    pub(crate) fn changed(&mut self, subject: Subject) {
        self.subjects.push(subject);
    }

    /// Begins a write within the transaction.
    pub(super) fn begin_write(&mut self) {
        self.pending.push(Step::Plain("SAVEPOINT one"));
    }

    /// Ends a write that worked: what it says to the trail and the feed goes out with what comes next.
    pub(super) async fn seal(&mut self) -> Result<(), StoreError> {
        if !self.queued.is_empty() {
            self.run().await?;
        }
        self.unhurt()?;
        let (events, subjects) = (std::mem::take(&mut self.audit), std::mem::take(&mut self.subjects));
        if !events.is_empty() || !subjects.is_empty() {
            if self.head.is_none() {
                self.run().await?;
            }
            let head = self.head.ok_or(StoreError::Corrupt("there is no head row"))?;
            let now = self.world.now();
            let mut behind = Vec::new();
            let feed_seq = feed::push(&mut behind, head.feed_seq, now, &subjects);
            let entropy = self.world.entropy.as_ref();
            let (audit_seq, audit_hash) = audit::push(&mut behind, &head, now, events, entropy)?;
            behind.push(audit::move_head(audit_seq, &audit_hash, feed_seq));
            self.pending.extend(behind.into_iter().map(Step::Query));
            self.head = Some(Head { audit_seq, audit_hash, feed_seq });
        }
        self.pending.push(Step::Plain("RELEASE one"));
        Ok(())
    }

    /// Ends a write that failed: nothing of it stays.
    pub(super) fn undo(&mut self) {
        self.queued.clear();
        self.audit.clear();
        self.subjects.clear();
        self.hurt = false;
        self.pending.extend([Step::Plain("ROLLBACK TO one"), Step::Plain("RELEASE one")]);
    }

    /// Why the whole transaction is lost, if it is.
    pub(super) fn broken(&self) -> Option<StoreError> {
        self.broken.clone()
    }

    /// Ends the transaction, and keeps it or not.
    pub(super) async fn end(&mut self, keep: bool) -> Result<(), StoreError> {
        if let Some(error) = self.broken() {
            return Err(error);
        }
        self.pending.push(Step::Plain(if keep { "COMMIT" } else { "ROLLBACK" }));
        self.run().await.map(|_| ())
    }

    /// Sends what is pending and what is queued. An error in what is pending breaks the whole transaction, one
    /// in what is queued hurts the present write alone.
    async fn run(&mut self) -> Result<Vec<Vec<Row>>, StoreError> {
        self.unhurt()?;
        for query in &self.queued {
            query.check()?;
        }
        let before = self.pending.len();
        let head_at = self.pending.iter().position(|step| matches!(step, Step::Head(_)));
        let mut steps = std::mem::take(&mut self.pending);
        steps.extend(std::mem::take(&mut self.queued).into_iter().map(Step::Query));
        let (mut answers, failure) = self.wire.send(&steps).await;
        if let Some(failure) = failure {
            self.hurt = true;
            if failure.fatal || answers.len() < before {
                self.broken.get_or_insert(failure.error.clone());
            }
            self.take_head(&mut answers, head_at)?;
            return Err(failure.error);
        }
        self.take_head(&mut answers, head_at)?;
        Ok(answers.split_off(before.min(answers.len())))
    }

    /// Nothing more of a write goes out after an error: on SQLite it could run outside of any transaction.
    fn unhurt(&self) -> Result<(), StoreError> {
        if self.hurt { Err(StoreError::Corrupt("a write went on after an error")) } else { Ok(()) }
    }

    fn take_head(&mut self, answers: &mut [Vec<Row>], at: Option<usize>) -> Result<(), StoreError> {
        if let Some(rows) = at.and_then(|at| answers.get_mut(at)) {
            self.head = Some(audit::read_head(std::mem::take(rows))?);
        }
        Ok(())
    }
}
