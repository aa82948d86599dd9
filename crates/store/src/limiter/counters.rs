//! The limiter's counters between two runs of the server (LIMIT-4).

use palisade_model::Timestamp;

use crate::limiter::CounterRow;
use crate::sql::{Query, statements, values};
use crate::value::Row;
use crate::{Store, StoreError};

/// Rows in one transaction: enough to be fast, few enough not to hold up other writes.
const CHUNK: usize = 1000;

statements! {
    SAVE = "INSERT INTO counters (key, slot, count, span, hits, expires_at) VALUES ($1, $2, $3, $4, $5, $6) \
            ON CONFLICT (key, slot) DO UPDATE SET count = excluded.count, span = excluded.span, \
            hits = excluded.hits, expires_at = excluded.expires_at";
    LOAD = "SELECT key, slot, count, span, hits FROM counters WHERE expires_at > $1";
    FORGET = "DELETE FROM counters WHERE key = $1";
    PRUNE = "DELETE FROM counters WHERE expires_at <= $1";
}

/// Removes counters that count nothing any more.
pub(crate) fn prune(now: Timestamp) -> Query {
    PRUNE.with(values![now])
}

impl Store {
    /// Keeps counters; those of the same key are replaced.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn save_counters(&self, rows: &[CounterRow]) -> Result<(), StoreError> {
        for chunk in rows.chunks(CHUNK) {
            let queries: Vec<_> = chunk.iter().map(save).collect();
            self.db()
                .write(move |tx| {
                    queries.into_iter().for_each(|query| tx.later(query));
                    Box::pin(std::future::ready(Ok(())))
                })
                .await?;
        }
        Ok(())
    }

    /// The counters that still count something.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn load_counters(&self, now: Timestamp) -> Result<Vec<CounterRow>, StoreError> {
        self.db().list(LOAD.with(values![now])).await?.into_iter().map(read).collect()
    }

    /// Removes a key's counters, when somebody is let in again: see [`Limiter::forget`](crate::Limiter::forget).
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn forget_counters(&self, key: &[u8; 16]) -> Result<(), StoreError> {
        let forget = FORGET.with(values![*key]);
        self.db()
            .write(move |tx| {
                tx.later(forget);
                Box::pin(std::future::ready(Ok(())))
            })
            .await
    }
}

fn save(row: &CounterRow) -> Query {
    let hits: Vec<u8> = row
        .hits
        .iter()
        .flat_map(|(at, hits)| at.as_micros().to_be_bytes().into_iter().chain(hits.to_be_bytes()))
        .collect();
    let span = i64::try_from(row.window.as_micros()).unwrap_or(i64::MAX);
    SAVE.with(values![row.key, i64::from(row.slot), i64::from(row.count), span, hits, row.expires_at()])
}

fn read(mut row: Row) -> Result<CounterRow, StoreError> {
    let (key, slot, count) = (row.read()?, row.read()?, row.read()?);
    let window = std::time::Duration::from_micros(row.read()?);
    let packed: Vec<u8> = row.read()?;
    let (packed, rest) = packed.as_chunks::<12>();
    if !rest.is_empty() {
        return Err(StoreError::Corrupt("a counter"));
    }
    let hits = packed.iter().map(|[a, b, c, d, e, f, g, h, hits @ ..]| {
        let at = i64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
        (Timestamp::from_micros(at), u32::from_be_bytes(*hits))
    });
    Ok(CounterRow { key, slot, count, window, hits: hits.collect() })
}
