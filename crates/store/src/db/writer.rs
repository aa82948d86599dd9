//! The one writer of a SQLite database: many waiting writes, one commit.
//!
//! Each write runs in a savepoint, so that one that fails is rolled back alone; none is answered before the
//! commit that holds it is on disk.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;

use palisade_model::World;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::Work;
use super::sqlite::{Connected, closed};
use super::tx::{Tx, Wire};
use crate::StoreError;

/// Writes in one commit at most: a bound on how long the first one waits.
const GROUP: usize = 256;
/// Writes that may wait; who comes then waits for a place.
const QUEUE: usize = 4096;

/// What became of a write before the commit, and who waits for it.
struct Done {
    worked: bool,
    answer: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

/// Runs on the connection within a savepoint, or learns why it cannot.
type Job = Box<dyn FnOnce(Result<&Connected, StoreError>, &World) -> Done + Send>;

enum Order {
    Write(Job),
    Prepare(oneshot::Sender<Result<usize, StoreError>>),
    Stop(oneshot::Sender<()>),
}

/// The writer thread's near end.
pub(crate) struct Writer {
    orders: mpsc::Sender<Order>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(crate) fn start(connection: Connected, world: World) -> Result<Self, StoreError> {
        let (orders, inbox) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("palisade-store".into())
            .spawn(move || serve(&connection, &world, inbox))
            .map_err(|_| StoreError::Unavailable("no thread to be had".into()))?;
        Ok(Self { orders, thread: Mutex::new(Some(thread)) })
    }

    pub(crate) async fn write<R: Send + 'static>(&self, work: impl Work<R>) -> Result<R, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move |connection: Result<&Connected, StoreError>, world: &World| {
            let result = connection.and_then(|connection| attempt(connection, world, work));
            Done {
                worked: result.is_ok(),
                answer: Box::new(move |commit| {
                    // Whoever asked may have gone away; the write stands all the same.
                    let _ = answer.send(result.and_then(|value| commit.map(|()| value)));
                }),
            }
        });
        self.orders.send(Order::Write(job)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    pub(crate) async fn prepare_all(&self) -> Result<usize, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(Order::Prepare(answer)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// Ends the thread once all that waits is written.
    pub(crate) async fn close(&self) {
        let (stopped, wait) = oneshot::channel();
        if self.orders.send(Order::Stop(stopped)).await.is_ok() {
            let _ = wait.await;
        }
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // The thread has nothing left to do but to close its connection.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// Runs the write's steps, which never wait for anything on SQLite. A panic in them ends this write alone.
fn attempt<R>(connection: &Connected, world: &World, work: impl Work<R>) -> Result<R, StoreError> {
    let steps = async {
        let mut tx = Tx::new(Wire::Sqlite(connection), world);
        let value = work(&mut tx).await?;
        tx.seal().await?;
        Ok(value)
    };
    let once = || pin!(steps).poll(&mut Context::from_waker(Waker::noop()));
    match catch_unwind(AssertUnwindSafe(once)) {
        Ok(Poll::Ready(result)) => result,
        Ok(Poll::Pending) => Err(StoreError::Corrupt("a write waited for something")),
        Err(_) => Err(StoreError::Unavailable("a write broke off".into())),
    }
}

fn serve(connection: &Connected, world: &World, mut inbox: mpsc::Receiver<Order>) {
    let mut next = inbox.blocking_recv();
    while let Some(order) = next.take() {
        match order {
            Order::Write(first) => next = group(connection, world, first, &mut inbox),
            Order::Prepare(answer) => {
                let _ = answer.send(connection.prepare_all());
            }
            Order::Stop(stopped) => {
                let _ = stopped.send(());
                return;
            }
        }
        next = next.or_else(|| inbox.blocking_recv());
    }
}

/// Commits the first write together with those that wait behind it. Gives back an order that is none.
fn group(
    connection: &Connected,
    world: &World,
    first: Job,
    inbox: &mut mpsc::Receiver<Order>,
) -> Option<Order> {
    let mut done = Vec::new();
    let mut other = None;
    let mut state = connection.steer("BEGIN IMMEDIATE");
    let mut next = Some(first);
    while let Some(job) = next.take() {
        done.push(one(connection, world, job, &mut state));
        if done.len() < GROUP && state.is_ok() {
            match inbox.try_recv() {
                Ok(Order::Write(job)) => next = Some(job),
                Ok(order) => other = Some(order),
                Err(_) => {}
            }
        }
    }
    let committed = state.and_then(|()| finish(connection, &done));
    if committed.is_err() && !connection.transaction_lost() {
        // Nothing of it was acknowledged. If even this fails, the next BEGIN fails, and so does its group.
        let _ = connection.steer("ROLLBACK");
    }
    for job in done {
        (job.answer)(committed.clone());
    }
    other
}

/// Runs one write in a savepoint. `state` is the whole group's: an error there fails all of it.
fn one(connection: &Connected, world: &World, job: Job, state: &mut Result<(), StoreError>) -> Done {
    if state.is_ok() {
        *state = connection.steer("SAVEPOINT one");
    }
    let done = job(state.clone().map(|()| connection), world);
    if state.is_ok() {
        *state = if connection.transaction_lost() {
            Err(StoreError::Unavailable("SQLite gave the transaction up".into()))
        } else if done.worked {
            connection.steer("RELEASE one")
        } else {
            connection.steer("ROLLBACK TO one").and_then(|()| connection.steer("RELEASE one"))
        };
    }
    done
}

fn finish(connection: &Connected, done: &[Done]) -> Result<(), StoreError> {
    // With nothing to keep there is nothing to sync.
    let end = if done.iter().any(|job| job.worked) { "COMMIT" } else { "ROLLBACK" };
    connection.steer(end)
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
