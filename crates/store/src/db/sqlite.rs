//! SQLite: one writer thread with group commit, readers in parallel on the write-ahead log.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

use palisade_model::World;
use parking_lot::Mutex;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql};

use super::Work;
use super::wire::{Answers, Failure, Step, Wire};
use super::writer::{self, Inbox, Order, Writer, closed};
use crate::sql::Query;
use crate::value::{Row, Value};
use crate::{StoreError, folder, migrate};

/// How long a writer waits for another process that is writing the same file.
const BUSY: Duration = Duration::from_secs(5);
/// Read connections that are kept open when nobody reads.
const IDLE_READERS: usize = 8;
/// Prepared statements kept by each connection: more than there are.
const STATEMENTS: usize = 256;

/// A SQLite database, in a file or in memory.
pub(crate) struct Sqlite {
    writer: Writer,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// `None` in memory: there, reads go through the writer, and so never see what is not committed.
    readers: Option<Readers>,
}

impl Sqlite {
    /// Opens the file at `path`, or a database in memory, and brings its schema up to date.
    pub(crate) async fn open(path: Option<&Path>, world: &World) -> Result<Self, StoreError> {
        let file = path.map(Path::to_owned);
        let now = world.now();
        let store_id = migrate::new_store_id(world)?;
        let opening = tokio::task::spawn_blocking(move || {
            let connection = match &file {
                Some(path) => open_file(path)?,
                None => Connection::open_in_memory()?,
            };
            prepare(&connection)?;
            migrate::sqlite(&connection, now, &store_id)?;
            Ok::<_, StoreError>(connection)
        });
        let connection = opening.await.map_err(|_| StoreError::Unavailable("opening failed".into()))??;
        let (writer, inbox) = Writer::new();
        let world = world.clone();
        let thread = std::thread::Builder::new()
            .name("palisade-store".into())
            .spawn(move || serve(&Connected(Mutex::new(connection)), &world, inbox))
            .map_err(|_| StoreError::Unavailable("no thread to be had".into()))?;
        Ok(Self { writer, thread: Mutex::new(Some(thread)), readers: path.map(Readers::new) })
    }

    pub(crate) async fn point(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        match &self.readers {
            // A read by key takes microseconds: less than to hand it to another thread.
            Some(readers) => readers.rows(&query),
            None => self.through_writer(query).await,
        }
    }

    pub(crate) async fn list(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        let Some(readers) = &self.readers else { return self.through_writer(query).await };
        let readers = readers.clone();
        tokio::task::spawn_blocking(move || readers.rows(&query))
            .await
            .map_err(|_| StoreError::Unavailable("a read was stopped".into()))?
    }

    async fn through_writer(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        self.write(move |tx| Box::pin(async move { tx.rows(query).await })).await
    }

    pub(crate) async fn write<R: Send + 'static>(&self, work: impl Work<R>) -> Result<R, StoreError> {
        self.writer.write(work).await
    }

    pub(crate) async fn close(&self) {
        if let Some(readers) = &self.readers {
            readers.close();
        }
        self.writer.stop().await;
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // It has nothing left to do but to close its connection.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    pub(crate) async fn prepare_all(&self) -> Result<usize, StoreError> {
        self.writer.prepare_all().await
    }
}

/// A file that only its owner may read, since it holds password hashes and people's names.
fn open_file(path: &Path) -> Result<Connection, StoreError> {
    if let Some(above) = path.parent() {
        folder::make_private(above).map_err(|_| StoreError::Location("its folder cannot be made"))?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|_| StoreError::Location("the file cannot be opened for writing"))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Location("the file system does not allow a write-ahead log"));
    }
    Ok(connection)
}

fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // A file from elsewhere must not run anything by its schema, nor be changed behind its schema's back.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    Ok(())
}

/// A connection that threads may share, one at a time.
pub(crate) struct Connected(Mutex<Connection>);

impl Wire for &Connected {
    /// Another process may write the same file: it waits now, and not when it is too late.
    fn begin(&self) -> &'static str {
        "BEGIN IMMEDIATE"
    }

    fn send<'a>(&'a mut self, steps: &'a [Step]) -> Pin<Box<dyn Future<Output = Answers> + Send + 'a>> {
        Box::pin(std::future::ready(self.run(steps)))
    }
}

impl Connected {
    /// Runs the steps in order: the rows of those that worked, up to the first that failed.
    fn run(&self, steps: &[Step]) -> Answers {
        let connection = self.0.lock();
        let mut answers = Vec::with_capacity(steps.len());
        for step in steps {
            let answer = match step {
                Step::Plain(text) => steer(&connection, text).map(|()| Vec::new()),
                Step::Head(query) | Step::Query(query) => rows(&connection, query),
            };
            match answer {
                Ok(rows) => answers.push(rows),
                // SQLite gives a transaction up by itself when the disk is full, among others.
                Err(error) => return (answers, Some(Failure { error, fatal: connection.is_autocommit() })),
            }
        }
        (answers, None)
    }

    /// Leaves no transaction open. If even that fails, the next one cannot begin, and says so.
    fn tidy(&self) {
        let connection = self.0.lock();
        if !connection.is_autocommit() {
            let _ = steer(&connection, "ROLLBACK");
        }
    }

    pub(crate) fn prepare_all(&self) -> Result<usize, StoreError> {
        let connection = self.0.lock();
        crate::statements()
            .map(|sql| connection.prepare_cached(sql.for_sqlite()).map(|_| 1))
            .sum::<Result<_, _>>()
            .map_err(StoreError::from)
    }
}

/// The writer thread: a transaction after another, for as long as there is something to write.
fn serve(connection: &Connected, world: &World, mut inbox: Inbox) {
    let mut next = inbox.blocking_recv();
    while let Some(order) = next.take() {
        match order {
            Order::Write(first) => {
                let writing = writer::group(connection, world, first, &mut inbox);
                // Nothing in it ever waits on SQLite, so it is done when it is polled once.
                if let Poll::Ready((other, _)) = pin!(writing).poll(&mut Context::from_waker(Waker::noop())) {
                    next = other;
                }
                connection.tidy();
            }
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

fn steer(connection: &Connection, text: &str) -> Result<(), StoreError> {
    connection.prepare_cached(text)?.raw_execute()?;
    Ok(())
}

fn rows(connection: &Connection, query: &Query) -> Result<Vec<Row>, StoreError> {
    query.check()?;
    let mut statement = connection.prepare_cached(query.sql.for_sqlite())?;
    for (index, value) in query.values.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, value)?;
    }
    if statement.parameter_count() != query.values.len() {
        return Err(StoreError::Corrupt("a statement has another number of parameters"));
    }
    let width = statement.column_count();
    let mut found = Vec::new();
    let mut answer = statement.raw_query();
    while let Some(row) = answer.next()? {
        let values = (0..width).map(|index| row.get_ref(index).map_err(StoreError::from).and_then(value));
        found.push(Row::new(values.collect::<Result<_, _>>()?));
    }
    Ok(found)
}

fn value(from: ValueRef<'_>) -> Result<Value, StoreError> {
    match from {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(number) => Ok(Value::Int(number)),
        ValueRef::Text(text) => String::from_utf8(text.to_vec())
            .map(Value::Text)
            .map_err(|_| StoreError::Corrupt("text is not UTF-8")),
        ValueRef::Blob(bytes) => Ok(Value::Bytes(bytes.to_vec())),
        ValueRef::Real(_) => Err(StoreError::Corrupt("a number is not whole")),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Read-only connections, each used by one thread at a time.
#[derive(Clone)]
struct Readers(std::sync::Arc<Pool>);

struct Pool {
    path: PathBuf,
    /// `None` once closed.
    idle: Mutex<Option<Vec<Connection>>>,
}

impl Readers {
    fn new(path: &Path) -> Self {
        Self(std::sync::Arc::new(Pool { path: path.to_owned(), idle: Mutex::new(Some(Vec::new())) }))
    }

    fn rows(&self, query: &Query) -> Result<Vec<Row>, StoreError> {
        let connection = self.take()?;
        let found = rows(&connection, query)?;
        if let Some(idle) = self.0.idle.lock().as_mut().filter(|idle| idle.len() < IDLE_READERS) {
            idle.push(connection);
        }
        Ok(found)
    }

    fn take(&self) -> Result<Connection, StoreError> {
        let idle = self.0.idle.lock().as_mut().ok_or_else(closed)?.pop();
        match idle {
            Some(connection) => Ok(connection),
            None => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let connection = Connection::open_with_flags(&self.0.path, flags)?;
                prepare(&connection)?;
                Ok(connection)
            }
        }
    }

    fn close(&self) {
        self.0.idle.lock().take();
    }
}
