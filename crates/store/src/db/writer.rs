//! The one writer of a store: many waiting writes, one commit, on both databases alike.
//!
//! Each write runs in a savepoint, so that one that fails is rolled back alone. None is answered before the
//! commit that holds it is on disk.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use palisade_model::World;
use tokio::sync::{mpsc, oneshot};

use super::Work;
use super::tx::Tx;
use super::wire::Wire;
use crate::StoreError;

/// Writes in one commit at most, and how long it may take to gather them: bounds on how long the first one
/// waits, and on how long other nodes do.
const GROUP: usize = 256;
const GATHER: Duration = Duration::from_millis(20);
/// Writes that may wait; who comes then waits for a place.
const QUEUE: usize = 4096;

/// What became of a write before the commit, and who waits for it.
pub(super) struct Done {
    worked: bool,
    answer: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

/// Runs in the transaction, or learns why there is none.
pub(super) type Job = Box<
    dyn for<'a> FnOnce(Result<&'a mut Tx<'_>, StoreError>) -> Pin<Box<dyn Future<Output = Done> + Send + 'a>>
        + Send,
>;

/// What the writer is asked to do.
pub(super) enum Order {
    Write(Job),
    Prepare(oneshot::Sender<Result<usize, StoreError>>),
    Stop(oneshot::Sender<()>),
}

/// The writer's near end.
#[derive(Clone)]
pub(super) struct Writer(mpsc::Sender<Order>);

/// The writer's far end.
pub(super) type Inbox = mpsc::Receiver<Order>;

impl Writer {
    pub(super) fn new() -> (Self, Inbox) {
        let (orders, inbox) = mpsc::channel(QUEUE);
        (Self(orders), inbox)
    }

    pub(super) async fn write<R: Send + 'static>(&self, work: impl Work<R>) -> Result<R, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Order::Write(job(work, answer))).await.map_err(|_| closed())?;
        answered.await.map_err(|_| broke_off())?
    }

    pub(super) async fn prepare_all(&self) -> Result<usize, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Order::Prepare(answer)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| broke_off())?
    }

    /// Ends the writer once all that waits is written.
    pub(super) async fn stop(&self) {
        let (stopped, wait) = oneshot::channel();
        if self.0.send(Order::Stop(stopped)).await.is_ok() {
            let _ = wait.await;
        }
    }
}

fn job<R: Send + 'static>(work: impl Work<R>, answer: oneshot::Sender<Result<R, StoreError>>) -> Job {
    Box::new(move |tx| {
        Box::pin(async move {
            let result = match tx {
                Ok(tx) => {
                    unbroken(async {
                        let value = work(tx).await?;
                        tx.seal().await?;
                        Ok(value)
                    })
                    .await
                }
                Err(error) => Err(error),
            };
            Done {
                worked: result.is_ok(),
                answer: Box::new(move |commit| {
                    // Whoever asked may have gone away; the write stands all the same.
                    let _ = answer.send(result.and_then(|value| commit.map(|()| value)));
                }),
            }
        })
    })
}

/// Turns a panic in a write into its error, so that it ends this write alone.
async fn unbroken<R>(steps: impl Future<Output = Result<R, StoreError>>) -> Result<R, StoreError> {
    let mut steps = std::pin::pin!(steps);
    poll_fn(|cx| {
        catch_unwind(AssertUnwindSafe(|| steps.as_mut().poll(cx)))
            .unwrap_or_else(|_| Poll::Ready(Err(broke_off())))
    })
    .await
}

/// Commits the first write together with those that wait behind it. Gives back an order that is none, and
/// whether the connection is still in order.
pub(super) async fn group(
    wire: Wire<'_>,
    world: &World,
    first: Job,
    inbox: &mut Inbox,
) -> (Option<Order>, Result<(), StoreError>) {
    let begun = Instant::now();
    let mut tx = Tx::new(wire, world);
    let (mut done, mut other) = (Vec::new(), None);
    let mut next = Some(first);
    while let Some(job) = next.take() {
        tx.begin_write();
        let outcome = job(Ok(&mut tx)).await;
        if !outcome.worked {
            tx.undo();
        }
        done.push(outcome);
        if done.len() < GROUP && begun.elapsed() < GATHER && tx.broken().is_none() {
            match inbox.try_recv() {
                Ok(Order::Write(job)) => next = Some(job),
                Ok(order) => other = Some(order),
                Err(_) => {}
            }
        }
    }
    // With nothing to keep there is nothing to sync.
    let keep = done.iter().any(|write| write.worked);
    let committed = tx.end(keep).await;
    for write in done {
        (write.answer)(committed.clone());
    }
    (other, committed)
}

/// Tells this write and all that wait behind it that there is no database. Gives back an order that is none.
pub(super) async fn refuse(first: Job, inbox: &mut Inbox, error: &StoreError) -> Option<Order> {
    let mut next = Some(first);
    while let Some(job) = next.take() {
        (job(Err(error.clone())).await.answer)(Ok(()));
        match inbox.try_recv() {
            Ok(Order::Write(job)) => next = Some(job),
            Ok(order) => return Some(order),
            Err(_) => {}
        }
    }
    None
}

/// The error of a store that was closed.
pub(super) fn closed() -> StoreError {
    StoreError::Unavailable("it was closed".into())
}

fn broke_off() -> StoreError {
    StoreError::Unavailable("a write broke off".into())
}
#[cfg(test)]
mod tests {
    use super::super::sqlite::Sqlite;
    use super::*;
    use crate::sql::{Sql, values};

    static MAKE: Sql = Sql::new("CREATE TABLE t (a INTEGER PRIMARY KEY, filler TEXT) STRICT");
    static INSERT: Sql = Sql::new("INSERT INTO t (a, filler) VALUES ($1, $2)");
    static COUNT: Sql = Sql::new("SELECT COUNT(*) FROM t");
    static FULL: Sql = Sql::new("PRAGMA max_page_count = 1");
    static FREE: Sql = Sql::new("PRAGMA max_page_count = 100000");

    async fn run(db: &Sqlite, sql: &'static Sql) -> i64 {
        let query = sql.with([]);
        let mut rows = db.write(move |tx| Box::pin(async move { tx.rows(query).await })).await.unwrap();
        rows.pop().map_or(0, |mut row| row.read().unwrap())
    }

    async fn insert(db: &Sqlite, number: i64, filler: String) -> Result<(), StoreError> {
        db.write(move |tx| {
            tx.later(INSERT.with(values![number, filler]));
            Box::pin(std::future::ready(Ok(())))
        })
        .await
    }

    // proves: AUD-1
    #[tokio::test]
    async fn a_write_that_breaks_off_takes_nobody_with_it() {
        let db = Sqlite::open(None, &World::real()).await.unwrap();
        run(&db, &MAKE).await;
        let broken = db.write(|tx| {
            tx.later(INSERT.with(values![1_i64, "x"]));
            Box::pin(async move {
                tx.all([]).await?;
                assert!(tx.world().now().as_micros() < 0, "on purpose");
                Ok(())
            })
        });
        let (broken, fine) = tokio::join!(broken, insert(&db, 2, "x".into()));
        assert!(matches!(broken, Err(StoreError::Unavailable(_))));
        assert_eq!(fine, Ok(()));
        assert_eq!(run(&db, &COUNT).await, 1, "what broke off was rolled back alone");
    }

    // proves: AUD-1
    #[tokio::test]
    async fn a_full_disk_loses_nothing_that_was_acknowledged() {
        let db = Sqlite::open(None, &World::real()).await.unwrap();
        run(&db, &MAKE).await;
        run(&db, &FULL).await;
        let mut acknowledged = 0;
        for number in 0..64 {
            let filler = "x".repeat(if number % 2 == 0 { 1 } else { 20_000 });
            acknowledged += i64::from(insert(&db, number, filler).await.is_ok());
        }
        assert!((1..33).contains(&acknowledged), "{acknowledged}");
        run(&db, &FREE).await;
        assert_eq!(run(&db, &COUNT).await, acknowledged);
        insert(&db, 100, "x".repeat(20_000)).await.unwrap();
    }
}
