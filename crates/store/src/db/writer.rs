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
    wire: impl Wire,
    world: &World,
    first: Job,
    inbox: &mut Inbox,
) -> (Option<Order>, Result<(), StoreError>) {
    let mut tx = Tx::new(wire, world);
    let (mut done, mut other) = (Vec::new(), None);
    let (mut next, mut gathering) = (Some(first), None);
    while let Some(job) = next.take() {
        tx.begin_write();
        let outcome = job(Ok(&mut tx)).await;
        if !outcome.worked {
            tx.undo();
        }
        done.push(outcome);
        // From the first one's end on: before it, the wait was for other nodes, and it is better shared.
        let since = *gathering.get_or_insert_with(Instant::now);
        if done.len() < GROUP && since.elapsed() < GATHER && tx.broken().is_none() {
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
    use palisade_model::{Action, AuditEvent};

    use super::super::sqlite::Sqlite;
    use super::*;
    use crate::sql::{Sql, values};

    static MAKE: Sql =
        Sql::new("CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB REFERENCES users (id)) STRICT");
    static INSERT: Sql = Sql::new("INSERT INTO t (a, b) VALUES ($1, $2)");
    static INSERT_OR_ROLLBACK: Sql = Sql::new("INSERT OR ROLLBACK INTO t (a) VALUES (1)");
    static DEFER: Sql = Sql::new("PRAGMA defer_foreign_keys = ON");
    static COUNT: Sql = Sql::new("SELECT COUNT(*) FROM t");
    static TRAIL: Sql = Sql::new("SELECT COUNT(*) FROM audit");

    async fn database() -> Sqlite {
        let db = Sqlite::open(None, &World::real()).await.unwrap();
        run(&db, &MAKE).await;
        db
    }

    async fn run(db: &Sqlite, sql: &'static Sql) -> i64 {
        let query = sql.with([]);
        let mut rows = db.write(move |tx| Box::pin(async move { tx.rows(query).await })).await.unwrap();
        rows.pop().map_or(0, |mut row| row.read().unwrap())
    }

    /// Inserts and records; number 2 slowly, so that what comes meanwhile is in the same group.
    async fn insert(db: &Sqlite, number: i64) -> Result<(), StoreError> {
        db.write(move |tx| {
            Box::pin(async move {
                tx.record(vec![AuditEvent::new(Action::UserCreated, "user", "1")]);
                tx.rows(INSERT.with(values![number, None::<Vec<u8>>])).await?;
                std::thread::sleep(Duration::from_millis(if number == 2 { 60 } else { 0 }));
                Ok(())
            })
        })
        .await
    }

    // proves: AUD-1
    #[tokio::test]
    async fn a_write_that_breaks_off_takes_nobody_with_it() {
        let db = database().await;
        let broken = db.write::<()>(|tx| {
            tx.later(INSERT.with(values![1_i64, None::<Vec<u8>>]));
            tx.record(vec![AuditEvent::new(Action::UserCreated, "user", "1")]);
            Box::pin(async move {
                let [] = tx.all([]).await?;
                // Without the hook, which would take longer than a group is gathered.
                std::panic::resume_unwind(Box::new("on purpose"))
            })
        });
        let (first, broken, last) = tokio::join!(insert(&db, 2), broken, insert(&db, 3));
        assert!(matches!(broken, Err(StoreError::Unavailable(_))));
        assert_eq!((first, last), (Ok(()), Ok(())));
        assert_eq!(run(&db, &COUNT).await, 2, "what broke off was rolled back alone");
        assert_eq!(run(&db, &TRAIL).await, 2, "and so was its row in the trail");
    }

    // proves: AUD-1
    #[tokio::test]
    async fn nothing_is_acknowledged_when_the_commit_fails() {
        let db = database().await;
        // Foreign keys that are looked at with the commit make it fail.
        let spoiler = db.write(|tx| {
            Box::pin(async move {
                tx.rows(DEFER.with([])).await?;
                tx.rows(INSERT.with(values![1_i64, [7_u8; 16]])).await?;
                Ok(())
            })
        });
        let (first, spoiler, last) = tokio::join!(insert(&db, 2), spoiler, insert(&db, 3));
        assert!(spoiler.is_err());
        let acknowledged = i64::from(first.is_ok()) + i64::from(last.is_ok());
        assert_eq!(run(&db, &COUNT).await, acknowledged);
        assert_eq!(run(&db, &TRAIL).await, acknowledged);
        assert_eq!(insert(&db, 4).await, Ok(()), "the writer goes on");
    }

    // proves: AUD-1
    #[tokio::test]
    async fn nothing_is_acknowledged_when_sqlite_gives_the_transaction_up() {
        let db = database().await;
        insert(&db, 1).await.unwrap();
        let spoiler = db.write(|tx| {
            Box::pin(async move {
                // A write that takes no notice of an error must not go on outside of the transaction.
                let _ = tx.rows(INSERT_OR_ROLLBACK.with([])).await;
                let _ = tx.rows(INSERT.with(values![5_i64, None::<Vec<u8>>])).await;
                Ok(())
            })
        });
        let (first, spoiler, last) = tokio::join!(insert(&db, 2), spoiler, insert(&db, 3));
        assert!(spoiler.is_err());
        let acknowledged = 1 + i64::from(first.is_ok()) + i64::from(last.is_ok());
        assert_eq!(run(&db, &COUNT).await, acknowledged);
        assert_eq!(run(&db, &TRAIL).await, acknowledged);
        assert_eq!(insert(&db, 4).await, Ok(()), "the writer goes on");
    }
}
