//! PostgreSQL: a pool of connections, statements sent one behind the other without waiting for answers.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::str::FromStr;
use std::task::Poll;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use palisade_model::{Secret, World};
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Config, NoTls, Statement};

use super::Work;
use super::wire::{Answers, Failure, Step, Wire};
use super::writer::{self, Inbox, Job, Order, Writer};
use crate::sql::Query;
use crate::value::{Row, Value};
use crate::{StoreError, migrate};

/// Connections at most: one of them writes.
const CONNECTIONS: usize = 16;
/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one read or write may take in all. Longer than the server's own limits below, which tell more.
const PATIENCE: Duration = Duration::from_secs(20);

/// What every connection is told first. A commit that is answered is on disk, whatever the server's default;
/// a client that has gone cannot hold the head row for long.
const SETTINGS: &str = "SET search_path = palisade; SET synchronous_commit = on; \
    SET default_transaction_isolation = 'read committed'; SET statement_timeout = '15s'; \
    SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '15s'";

/// A PostgreSQL database.
pub(crate) struct Postgres {
    pool: Pool,
    writer: Writer,
}

impl Postgres {
    /// Connects and brings the schema up to date.
    pub(crate) async fn open(url: &Secret, world: &World) -> Result<Self, StoreError> {
        let pool = pool(url)?;
        let mut first = pool.get().await.map_err(no_connection)?;
        migrate::postgres(&mut first, world.now(), &migrate::new_store_id(world)?).await?;
        drop(first);
        let (writer, inbox) = Writer::new();
        tokio::spawn(serve(pool.clone(), world.clone(), inbox));
        Ok(Self { pool, writer })
    }

    /// The rows of a query, in one round trip. Connections that turn out to be broken are replaced: all of them are
    /// after the server was restarted.
    pub(crate) async fn rows(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        query.check()?;
        let step = [Step::Query(query)];
        let late = |_| StoreError::Unavailable("PostgreSQL took too long".into());
        tokio::time::timeout(PATIENCE, self.read(&step)).await.map_err(late)?
    }

    async fn read(&self, step: &[Step]) -> Result<Vec<Row>, StoreError> {
        let mut others = CONNECTIONS;
        loop {
            let failure = match self.pool.get().await {
                Ok(client) => {
                    let (answers, failure) = send(&client, step).await;
                    let Some(failure) = failure else {
                        return Ok(answers.into_iter().next().unwrap_or_default());
                    };
                    if failure.fatal {
                        drop(Object::take(client));
                    }
                    failure
                }
                Err(error) => Failure { fatal: broke(&error), error: no_connection(error) },
            };
            if !failure.fatal || others == 0 {
                return Err(failure.error);
            }
            others -= 1;
        }
    }

    pub(crate) async fn write<R: Send + 'static>(&self, work: impl Work<R>) -> Result<R, StoreError> {
        self.writer.write(work).await
    }

    pub(crate) async fn close(&self) {
        self.writer.stop().await;
        self.pool.close();
    }

    pub(crate) async fn prepare_all(&self) -> Result<usize, StoreError> {
        self.writer.prepare_all().await
    }
}

/// The writer's task: a transaction after another, for as long as the store is open.
async fn serve(pool: Pool, world: World, mut inbox: Inbox) {
    let mut next = inbox.recv().await;
    while let Some(order) = next.take() {
        match order {
            Order::Write(first) => next = write_group(&pool, &world, first, &mut inbox).await,
            Order::Prepare(answer) => {
                let _ = answer.send(prepare_all(&pool).await);
            }
            Order::Stop(stopped) => {
                let _ = stopped.send(());
                return;
            }
        }
        if next.is_none() {
            next = inbox.recv().await;
        }
    }
}

async fn write_group(pool: &Pool, world: &World, first: Job, inbox: &mut Inbox) -> Option<Order> {
    let client = match pool.get().await {
        Ok(client) => client,
        Err(error) => return writer::refuse(first, inbox, &no_connection(error)).await,
    };
    let lease = Lease(Some(client));
    let Some(client) = &lease.0 else { return None };
    let writing = writer::group(client, world, first, inbox);
    // Too late: the connection is closed, the server rolls back, and whoever waits hears of it.
    let (other, committed) = tokio::time::timeout(PATIENCE, writing).await.ok()?;
    if committed.is_ok() {
        lease.give_back();
    }
    other
}

async fn prepare_all(pool: &Pool) -> Result<usize, StoreError> {
    let client = pool.get().await.map_err(no_connection)?;
    let mut prepared = 0;
    for sql in crate::statements() {
        client.prepare_cached(sql.text).await?;
        prepared += 1;
    }
    Ok(prepared)
}

/// A connection for one transaction. Unless it is given back in order it is closed, and the server rolls back.
struct Lease(Option<Object>);

impl Lease {
    /// Back to the pool, with no transaction open.
    fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Object::take(client));
        }
    }
}

/// A statement on its way; sent when it is first polled.
type Sent<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;
type Answer = Result<Vec<tokio_postgres::Row>, tokio_postgres::Error>;

/// Sends all steps without waiting for answers in between: the rows of those that worked, up to the first that
/// failed. After an error inside a transaction the server refuses the rest, so that nothing slips through.
impl Wire for &Object {
    fn begin(&self) -> &'static str {
        "BEGIN"
    }

    fn send<'a>(&'a mut self, steps: &'a [Step]) -> Pin<Box<dyn Future<Output = Answers> + Send + 'a>> {
        Box::pin(send(self, steps))
    }
}

async fn send(client: &Object, steps: &[Step]) -> Answers {
    let mut sent: Vec<Sent<'_>> = Vec::with_capacity(steps.len());
    for step in steps {
        match step {
            Step::Plain(text) => sent.push(plain(client, text)),
            Step::Head(query) | Step::Query(query) => match client.prepare_cached(query.sql.text).await {
                Ok(statement) => sent.push(prepared(client, statement, query)),
                Err(error) => return (Vec::new(), Some(Failure { error: error.into(), fatal: true })),
            },
        }
    }
    let mut answers = Vec::with_capacity(sent.len());
    for answer in in_order(sent).await {
        let ended = answer.as_ref().is_err_and(ended);
        match answer.map_err(StoreError::from).and_then(|rows| rows.iter().map(row).collect()) {
            Ok(rows) => answers.push(rows),
            Err(error) => {
                return (answers, Some(Failure { error, fatal: ended || client.is_closed() }));
            }
        }
    }
    (answers, None)
}

/// Whether the server says with this that it ends the connection, which it then does: it stops, has crashed, or somebody
/// terminated it.
fn ended(error: &tokio_postgres::Error) -> bool {
    matches!(error.code(), Some(&SqlState::ADMIN_SHUTDOWN | &SqlState::CRASH_SHUTDOWN))
}

fn prepared<'a>(client: &'a Object, statement: Statement, query: &'a Query) -> Sent<'a> {
    Box::pin(async move {
        let values: Vec<_> = query.values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        client.query(&statement, &values).await
    })
}

fn plain<'a>(client: &'a Object, text: &'static str) -> Sent<'a> {
    Box::pin(async move { client.batch_execute(text).await.map(|()| Vec::new()) })
}

/// Polls each future once, which sends it, and then waits for their answers one after the other: for all of
/// them, so that the connection is at rest.
async fn in_order(mut sent: Vec<Sent<'_>>) -> Vec<Answer> {
    let mut early: Vec<Option<Answer>> = Vec::with_capacity(sent.len());
    poll_fn(|cx| {
        early = sent
            .iter_mut()
            .map(|future| match future.as_mut().poll(cx) {
                Poll::Ready(answer) => Some(answer),
                Poll::Pending => None,
            })
            .collect();
        Poll::Ready(())
    })
    .await;
    let mut answers = Vec::with_capacity(sent.len());
    for (future, early) in sent.into_iter().zip(early) {
        answers.push(match early {
            Some(answer) => answer,
            None => future.await,
        });
    }
    answers
}

fn row(from: &tokio_postgres::Row) -> Result<Row, StoreError> {
    let values = (0..from.len()).map(|index| from.try_get::<_, Value>(index).map_err(StoreError::from));
    Ok(Row::new(values.collect::<Result<_, _>>()?))
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        match *kind {
            Type::INT8 => i64::from_sql(kind, raw).map(Self::Int),
            Type::INT4 => i32::from_sql(kind, raw).map(|number| Self::Int(number.into())),
            Type::TEXT => String::from_sql(kind, raw).map(Self::Text),
            _ => Vec::from_sql(kind, raw).map(Self::Bytes),
        }
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8 | Type::INT4 | Type::TEXT | Type::BYTEA)
    }
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut tokio_postgres::types::private::BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match (self, kind) {
            (Self::Null, _) => Ok(IsNull::Yes),
            (Self::Int(number), &Type::INT8) => number.to_sql(kind, out),
            (Self::Text(text), &Type::TEXT) => text.to_sql(kind, out),
            (Self::Bytes(bytes), &Type::BYTEA) => bytes.to_sql(kind, out),
            _ => Err("a value of another type than its parameter".into()),
        }
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8 | Type::TEXT | Type::BYTEA)
    }

    to_sql_checked!();
}

fn pool(url: &Secret) -> Result<Pool, StoreError> {
    const BAD: StoreError = StoreError::Location("it is not a PostgreSQL URL that Palisade understands");
    // A certificate is always checked, with its name: the weaker modes of other clients mean this here.
    let url = url.expose().replace("sslmode=verify-full", "sslmode=require");
    let url = url.replace("sslmode=verify-ca", "sslmode=require");
    let mut config = Config::from_str(&url).map_err(|_| BAD)?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(BAD);
    }
    if !url.contains("sslmode=") {
        config.ssl_mode(SslMode::Disable);
    }
    config.application_name("palisade").connect_timeout(CONNECT).tcp_user_timeout(PATIENCE);
    let how = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = match config.get_ssl_mode() {
        SslMode::Disable => Manager::from_config(config, NoTls, how),
        _ => Manager::from_config(config, tls()?, how),
    };
    Pool::builder(manager)
        .max_size(CONNECTIONS)
        .wait_timeout(Some(CONNECT))
        .create_timeout(Some(CONNECT))
        .runtime(Runtime::Tokio1)
        .post_create(Hook::async_fn(|client, _| {
            Box::pin(async move { client.batch_execute(SETTINGS).await.map_err(HookError::Backend) })
        }))
        .build()
        .map_err(|_| BAD)
}

/// The rows of a statement of [`crate::user::foreign`], whose columns are all text, on a connection that can only read.
pub(crate) async fn foreign_rows(url: &Secret, text: &str) -> Result<Vec<Vec<Option<String>>>, StoreError> {
    let client = pool(url)?.get().await.map_err(no_connection)?;
    // The other program's tables stand in its own schema.
    client
        .batch_execute(
            "RESET search_path; SET default_transaction_read_only = on; SET statement_timeout = '10min'",
        )
        .await?;
    let rows = client.query(text, &[]).await?;
    let read = |row: &tokio_postgres::Row| (0..row.len()).map(|at| row.try_get(at)).collect();
    rows.iter().map(read).collect::<Result<_, _>>().map_err(StoreError::from)
}

/// TLS that trusts what the machine trusts.
fn tls() -> Result<tokio_postgres_rustls::MakeRustlsConnect, StoreError> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| StoreError::Location("TLS cannot be set up"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(tokio_postgres_rustls::MakeRustlsConnect::new(config))
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let why = match error.code() {
            // Rows refer to users and families only.
            Some(&SqlState::FOREIGN_KEY_VIOLATION) => return Self::Gone,
            Some(code) => match code.code() {
                "28P01" | "28000" => "PostgreSQL refused the user or password".into(),
                "3D000" => "PostgreSQL has no such database".into(),
                "42501" => "PostgreSQL does not give its user the right to do this".into(),
                code => format!("PostgreSQL code {code}"),
            },
            None if error.is_closed() => "the connection to PostgreSQL broke".into(),
            None => "PostgreSQL cannot be reached or does not speak as it should".into(),
        };
        Self::Unavailable(why)
    }
}

/// Whether a connection was ended while it was made. One that cannot be made at all was not.
fn broke(error: &deadpool_postgres::PoolError) -> bool {
    use deadpool_postgres::PoolError;
    match error {
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
            error.is_closed() || ended(error)
        }
        _ => false,
    }
}

fn no_connection(error: deadpool_postgres::PoolError) -> StoreError {
    use deadpool_postgres::PoolError;
    match error {
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => error.into(),
        PoolError::Closed => writer::closed(),
        _ => StoreError::Unavailable("no connection to PostgreSQL in time".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: AUD-5
    #[test]
    fn a_bad_url_is_refused_without_being_shown() {
        for url in ["postgres://ann:hunter2@h:notaport/db", "mysql://ann:hunter2@h/db", "hunter2", ""] {
            let error = pool(&Secret::new(url)).expect_err(url);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
