//! PostgreSQL: a pool of connections, statements sent one behind the other without waiting for answers.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use palisade_model::{Secret, World};
use tokio::sync::Semaphore;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Config, NoTls};

use super::Work;
use super::tx::{Tx, Wire};
use crate::sql::{self, Query};
use crate::value::{Row, Value};
use crate::{StoreError, migrate};

/// Connections at most.
const CONNECTIONS: usize = 16;
/// Connections that write at the same time at most.
const WRITERS: usize = 8;
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
    /// Writers have to wait for each other in any case; they must not hold what readers need.
    writers: Arc<Semaphore>,
    world: World,
}

impl Postgres {
    /// Connects and brings the schema up to date.
    pub(crate) async fn open(url: &Secret, world: &World) -> Result<Self, StoreError> {
        let pool = pool(url)?;
        let mut first = pool.get().await.map_err(no_connection)?;
        migrate::postgres(&mut first, world.now(), &migrate::new_store_id(world)?).await?;
        drop(first);
        Ok(Self { pool, writers: Arc::new(Semaphore::new(WRITERS)), world: world.clone() })
    }

    /// The rows of a query, in one round trip. A connection that turns out to be broken is replaced once.
    pub(crate) async fn rows(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        let batch = [query];
        in_time(async {
            let client = self.pool.get().await.map_err(no_connection)?;
            let answer = run(&client, &batch, Around::default()).await;
            let answers = match answer {
                Err(_) if client.is_closed() => {
                    let client = self.pool.get().await.map_err(no_connection)?;
                    run(&client, &batch, Around::default()).await?
                }
                answer => answer?,
            };
            Ok(answers.into_iter().next().unwrap_or_default())
        })
        .await
    }

    /// Runs a write as a task of its own, so that it comes to its end even when nobody waits any more.
    pub(crate) async fn write<R: Send + 'static>(&self, work: impl Work<R>) -> Result<R, StoreError> {
        let (pool, world, writers) = (self.pool.clone(), self.world.clone(), self.writers.clone());
        let task = tokio::spawn(in_time(async move {
            let _turn = writers.acquire().await.map_err(|_| super::sqlite::closed())?;
            let lease = Lease::take(&pool).await?;
            let wire = Wire::Postgres(Transaction { client: lease.client()?, begun: false });
            let mut tx = Tx::new(wire, &world);
            match work(&mut tx).await {
                Ok(value) => {
                    tx.seal().await?;
                    lease.give_back();
                    Ok(value)
                }
                Err(error) => {
                    if lease.client()?.batch_execute("ROLLBACK").await.is_ok() {
                        lease.give_back();
                    }
                    Err(error)
                }
            }
        }));
        task.await.map_err(|_| StoreError::Unavailable("a write broke off".into()))?
    }

    pub(crate) fn close(&self) {
        self.pool.close();
    }

    pub(crate) async fn prepare_all(&self) -> Result<usize, StoreError> {
        let client = self.pool.get().await.map_err(no_connection)?;
        let mut prepared = 0;
        for sql in sql::all() {
            client.prepare_cached(sql.text).await?;
            prepared += 1;
        }
        Ok(prepared)
    }
}

async fn in_time<R>(doing: impl Future<Output = Result<R, StoreError>>) -> Result<R, StoreError> {
    let late = |_| StoreError::Unavailable("PostgreSQL took too long".into());
    tokio::time::timeout(PATIENCE, doing).await.map_err(late)?
}

/// A connection for one transaction. Unless it is given back in order it is closed, and the server rolls back.
struct Lease(Option<Object>);

impl Lease {
    async fn take(pool: &Pool) -> Result<Self, StoreError> {
        pool.get().await.map(|client| Self(Some(client))).map_err(no_connection)
    }

    fn client(&self) -> Result<&Object, StoreError> {
        self.0.as_ref().ok_or(StoreError::Corrupt("a connection was given back too early"))
    }

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

/// A transaction, as [`Tx`] uses it.
pub(crate) struct Transaction<'a> {
    client: &'a Object,
    begun: bool,
}

impl Transaction<'_> {
    /// Runs the statements in order and in one round trip, behind BEGIN if they are the first, and before
    /// COMMIT if they are the last.
    pub(crate) async fn run(&mut self, batch: &[Query], commit: bool) -> Result<Vec<Vec<Row>>, StoreError> {
        let begin = !std::mem::replace(&mut self.begun, true);
        if begin && commit && batch.is_empty() {
            return Ok(Vec::new());
        }
        run(self.client, batch, Around { begin, commit }).await
    }
}

/// What stands around a batch.
#[derive(Clone, Copy, Default)]
struct Around {
    begin: bool,
    commit: bool,
}

/// A statement on its way; sent when it is first polled.
type Sent<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;
type Answer = Result<Vec<tokio_postgres::Row>, tokio_postgres::Error>;

/// Sends all statements without waiting for answers in between; then the answers, or the first error.
///
/// After an error inside a transaction the server refuses the rest and takes COMMIT for ROLLBACK, so that
/// nothing of a failed batch stays.
async fn run(client: &Object, batch: &[Query], around: Around) -> Result<Vec<Vec<Row>>, StoreError> {
    let mut statements = Vec::with_capacity(batch.len());
    for query in batch {
        query.check()?;
        statements.push(client.prepare_cached(query.sql.text).await?);
    }
    let mut sent: Vec<Sent<'_>> = Vec::with_capacity(batch.len() + 2);
    if around.begin {
        sent.push(plain(client, "BEGIN"));
    }
    for (query, statement) in batch.iter().zip(&statements) {
        sent.push(Box::pin(async move {
            let values: Vec<_> = query.values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
            client.query(statement, &values).await
        }));
    }
    if around.commit {
        sent.push(plain(client, "COMMIT"));
    }
    let answers = in_order(sent).await?;
    let of_batch = answers.into_iter().skip(usize::from(around.begin)).take(batch.len());
    of_batch.map(|rows| rows.iter().map(row).collect()).collect()
}

fn plain<'a>(client: &'a Object, text: &'static str) -> Sent<'a> {
    Box::pin(async move { client.batch_execute(text).await.map(|()| Vec::new()) })
}

/// Polls each future once, which sends it, and then waits for their answers one after the other.
async fn in_order(mut sent: Vec<Sent<'_>>) -> Result<Vec<Vec<tokio_postgres::Row>>, tokio_postgres::Error> {
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
    let mut failed = None;
    for (future, early) in sent.into_iter().zip(early) {
        let answer = match early {
            Some(answer) => answer,
            None => future.await,
        };
        match answer {
            Ok(answer) => answers.push(answer),
            // The others are still waited for, so that the connection is at rest.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(answers), Err)
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

fn no_connection(error: deadpool_postgres::PoolError) -> StoreError {
    use deadpool_postgres::PoolError;
    match error {
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => error.into(),
        PoolError::Closed => super::sqlite::closed(),
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
