//! The schema: numbered steps in the binary, forward only.
//!
//! Several nodes may start at once: on SQLite `BEGIN IMMEDIATE`, on PostgreSQL an advisory lock lets one of
//! them in at a time, and each step is committed together with its number.

use palisade_model::{Timestamp, World};
use rusqlite::Connection;
use uuid::Uuid;

use crate::StoreError;

/// The steps, the first one first. A step that was released is never edited.
const STEPS: &[&str] =
    &[include_str!("../migrations/0001_begin.sql"), include_str!("../migrations/0002_identity.sql")];

/// The schema's number that this program knows.
pub(crate) fn known() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// A name for a new store, which the first row of its trail carries.
pub(crate) fn new_store_id(world: &World) -> Result<String, StoreError> {
    let mut random = [0; 16];
    world.entropy.fill(&mut random)?;
    Ok(Uuid::from_bytes(random).simple().to_string())
}

/// The steps that come after number `found`, with their numbers.
fn missing(found: i64) -> Result<impl Iterator<Item = (i64, &'static str)>, StoreError> {
    let known = known();
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    Ok((1..).zip(STEPS.iter().copied()).skip_while(move |(number, _)| *number <= found))
}

/// Brings a SQLite database up to date.
pub(crate) fn sqlite(connection: &Connection, now: Timestamp, store_id: &str) -> Result<(), StoreError> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    match sqlite_steps(connection, now, store_id) {
        Ok(()) => Ok(connection.execute_batch("COMMIT")?),
        Err(error) => {
            connection.execute_batch("ROLLBACK")?;
            Err(error)
        }
    }
}

fn sqlite_steps(connection: &Connection, now: Timestamp, store_id: &str) -> Result<(), StoreError> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS palisade_schema (version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT",
    )?;
    let found: i64 =
        connection
            .query_row("SELECT COALESCE(MAX(version), 0) FROM palisade_schema", [], |row| row.get(0))?;
    for (number, step) in missing(found)? {
        connection.execute_batch(&Dialect::Sqlite.script(step))?;
        connection.execute(
            "INSERT INTO palisade_schema (version, applied_at) VALUES (?1, ?2)",
            (number, now.as_micros()),
        )?;
    }
    connection.execute(FIRST_HEAD_SQLITE, [store_id])?;
    Ok(())
}

/// Brings a PostgreSQL database up to date, in a schema of its own.
pub(crate) async fn postgres(
    client: &mut tokio_postgres::Client,
    now: Timestamp,
    store_id: &str,
) -> Result<(), StoreError> {
    let tx = client.transaction().await?;
    // Another node may be at it: wait for it, and let a step take its time.
    tx.batch_execute("SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0").await?;
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    // IF NOT EXISTS alone would ask for the right to make schemas even when there is one.
    if tx.query_opt("SELECT 1 FROM pg_namespace WHERE nspname = 'palisade'", &[]).await?.is_none() {
        tx.batch_execute("CREATE SCHEMA palisade").await?;
    }
    if tx.query_one("SELECT to_regclass('palisade.palisade_schema') IS NULL", &[]).await?.try_get(0)? {
        tx.batch_execute(
            "CREATE TABLE palisade_schema (version BIGINT PRIMARY KEY, applied_at BIGINT NOT NULL)",
        )
        .await?;
    }
    let found: i64 =
        tx.query_one("SELECT COALESCE(MAX(version), 0) FROM palisade_schema", &[]).await?.try_get(0)?;
    for (number, step) in missing(found)? {
        tx.batch_execute(&Dialect::Postgres.script(step)).await?;
        tx.execute(
            "INSERT INTO palisade_schema (version, applied_at) VALUES ($1, $2)",
            &[&number, &now.as_micros()],
        )
        .await?;
    }
    tx.execute(FIRST_HEAD_POSTGRES, &[&store_id]).await?;
    Ok(tx.commit().await?)
}

/// The advisory lock of whoever changes the schema: "palisade" in ASCII.
const LOCK: i64 = 0x7061_6c69_7361_6465;

const FIRST_HEAD_POSTGRES: &str = "INSERT INTO head (id, store_id, audit_seq, audit_hash, feed_seq, feed_floor) \
     SELECT 1, $1, 0, decode(repeat('00', 32), 'hex'), 0, 0 WHERE NOT EXISTS (SELECT 1 FROM head)";
const FIRST_HEAD_SQLITE: &str = "INSERT INTO head (id, store_id, audit_seq, audit_hash, feed_seq, feed_floor) \
     SELECT 1, ?1, 0, zeroblob(32), 0, 0 WHERE NOT EXISTS (SELECT 1 FROM head)";

/// Whose script is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Types `INTEGER` and `BLOB`, STRICT tables.
    Sqlite,
    /// As written.
    Postgres,
}

impl Dialect {
    /// A step's text for this database: parts marked for the other one are left out.
    pub(crate) fn script(self, step: &str) -> String {
        let mut wanted = true;
        let mut script = String::with_capacity(step.len());
        for line in step.lines() {
            match line {
                "--only sqlite" => wanted = self == Self::Sqlite,
                "--only postgres" => wanted = self == Self::Postgres,
                "--both" => wanted = true,
                line if wanted => {
                    script.push_str(line);
                    script.push('\n');
                }
                _ => {}
            }
        }
        match self {
            Self::Sqlite => {
                script.replace("BIGINT", "INTEGER").replace("BYTEA", "BLOB").replace("/*strict*/", "STRICT")
            }
            Self::Postgres => script,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_strict_on_sqlite() {
        for step in STEPS {
            let script = Dialect::Sqlite.script(step);
            assert_eq!(script.matches("CREATE TABLE").count(), script.matches(") STRICT;").count());
            assert!(!script.contains("plpgsql"));
            assert!(!Dialect::Postgres.script(step).contains("RAISE(ABORT"));
        }
    }

    #[test]
    fn a_newer_schema_is_refused() {
        assert!(matches!(missing(known() + 1), Err(StoreError::Newer { .. })));
        assert_eq!(missing(known()).map(Iterator::count), Ok(0));
    }
}
