//! Lockouts: failed proofs, counted exactly over restarts and nodes (LIMIT-3).
//!
//! An attempt *takes a place* before anything is verified and gives it back when it succeeds. Both are
//! transactions, so that however many try at once, no more get to the verification than may fail; and an attempt that
//! is cut off has failed.

mod rule;

use palisade_model::{AuditEvent, Timestamp};
use serde_json::Value as Json;

use crate::sql::{Query, statements, values};
use crate::value::Row;
use crate::{Store, StoreError};

use rule::State;
pub use rule::{LockoutRule, Standing};

/// What failures are counted by: an address, an account, a device.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// A keyed digest of the subject.
    pub key: [u8; 32],
    /// The key of the subject that this one belongs to, and with which it is unlocked.
    pub owner: Option<[u8; 32]>,
    /// How failures lead to a lockout.
    pub rule: LockoutRule,
    /// Whether an attempt takes no place anywhere while it is locked out here.
    pub stops: bool,
    /// What the trail says when a lockout begins; its end is added.
    pub row: AuditEvent,
}

statements! {
    FIND = "SELECT key, failures, pending, lockings, locked_until FROM lockouts WHERE key IN ($1, $2)";
    KEEP = "INSERT INTO lockouts (key, owner, failures, pending, lockings, locked_until, expires_at) \
            VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (key) DO UPDATE SET failures = excluded.failures, \
            pending = excluded.pending, lockings = excluded.lockings, locked_until = excluded.locked_until, \
            expires_at = excluded.expires_at";
    FORGET = "DELETE FROM lockouts WHERE key = $1";
    UNLOCK = "DELETE FROM lockouts WHERE key = $1 OR owner = $1 RETURNING 1";
    UNLOCK_ALL = "DELETE FROM lockouts RETURNING 1";
    PRUNE = "DELETE FROM lockouts WHERE key IN \
             (SELECT key FROM lockouts WHERE expires_at <= $1 LIMIT 1000) RETURNING 1";
}

/// Removes up to 1,000 rows that count nothing any more.
pub(crate) fn prune(now: Timestamp) -> Query {
    PRUNE.with(values![now])
}

impl Store {
    /// Takes a place for an attempt that began `now`, in each of these one or two buckets that is free; in none when
    /// one that stops is locked, or any is busy. Where each of them stands, in order.
    ///
    /// # Errors
    /// When the database does not answer: then no place was taken.
    pub async fn reserve_attempt(
        &self,
        buckets: Vec<Bucket>,
        now: Timestamp,
    ) -> Result<Vec<Standing>, StoreError> {
        self.on_lockouts(buckets, Vec::new(), move |buckets, states| {
            let mut look = |(bucket, state): (&Bucket, &mut State)| state.standing(&bucket.rule, now);
            let standings: Vec<Standing> = buckets.iter().zip(states.iter_mut()).map(&mut look).collect();
            let stops = |(bucket, at): (&Bucket, &Standing)| {
                *at == Standing::Busy || bucket.stops && *at != Standing::Free
            };
            let stopped = buckets.iter().zip(&standings).any(stops);
            if !stopped {
                for (bucket, state) in buckets.iter().zip(states) {
                    state.reserve(&bucket.rule, now);
                }
            }
            standings
        })
        .await
    }

    /// The attempt that took places in these buckets `at` that time failed, as `audit` tells. Where each stands now.
    ///
    /// # Errors
    /// When the database does not answer; the places stay taken until they count as failures.
    pub async fn fail_attempt(
        &self,
        buckets: Vec<Bucket>,
        at: Timestamp,
        now: Timestamp,
        audit: Vec<AuditEvent>,
    ) -> Result<Vec<Standing>, StoreError> {
        self.on_lockouts(buckets, audit, move |buckets, states| {
            let pairs = buckets.iter().zip(states);
            pairs.map(|(bucket, state)| state.fail(at, &bucket.rule, now)).collect()
        })
        .await
    }

    /// The attempt that took places in these buckets `at` that time gives them back. `clear` says that what failed
    /// before counts no more either.
    ///
    /// # Errors
    /// When the database does not answer; the places stay taken until they count as failures.
    pub async fn give_attempt_back(
        &self,
        buckets: Vec<Bucket>,
        at: Timestamp,
        clear: bool,
    ) -> Result<(), StoreError> {
        self.on_lockouts(buckets, Vec::new(), move |_, states| {
            for state in states {
                state.give_back(at);
                if clear {
                    *state = State::default();
                }
            }
            Vec::new()
        })
        .await
        .map(drop)
    }

    /// Forgets what failed under these keys, and under keys that they own. How many were forgotten; the trail hears
    /// of it if there were any.
    ///
    /// # Errors
    /// When the database does not answer; then nothing is forgotten.
    pub async fn unlock(&self, keys: Vec<[u8; 32]>, audit: Vec<AuditEvent>) -> Result<u64, StoreError> {
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let mut forgotten = 0_u64;
                    for key in keys {
                        let [rows] = tx.all([UNLOCK.with(values![key])]).await?;
                        forgotten += rows.len() as u64;
                    }
                    if forgotten > 0 {
                        tx.record(audit);
                    }
                    Ok(forgotten)
                })
            })
            .await
    }

    /// Forgets what failed under any key.
    ///
    /// # Errors
    /// When the database does not answer; then nothing is forgotten.
    pub async fn unlock_all(&self, audit: Vec<AuditEvent>) -> Result<u64, StoreError> {
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let [rows] = tx.all([UNLOCK_ALL.with([])]).await?;
                    if !rows.is_empty() {
                        tx.record(audit);
                    }
                    Ok(rows.len() as u64)
                })
            })
            .await
    }

    /// Reads the buckets, takes a step, and writes them back, alone among all nodes.
    async fn on_lockouts(
        &self,
        buckets: Vec<Bucket>,
        audit: Vec<AuditEvent>,
        step: impl FnOnce(&[Bucket], &mut [State]) -> Vec<Standing> + Send + 'static,
    ) -> Result<Vec<Standing>, StoreError> {
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    tx.record(audit);
                    let (Some(first), Some(last)) = (buckets.first(), buckets.last()) else {
                        return Ok(Vec::new());
                    };
                    let [rows] = tx.all([FIND.with(values![first.key, last.key])]).await?;
                    let known = rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
                    let of = |bucket: &Bucket| known.iter().find(|(key, _)| *key == bucket.key).cloned();
                    let mut states: Vec<State> =
                        buckets.iter().map(|bucket| of(bucket).unwrap_or_default().1).collect();
                    let standings = step(&buckets, &mut states);
                    for (n, (bucket, state)) in buckets.iter().zip(&states).enumerate() {
                        let former = of(bucket).map(|(_, state)| state);
                        let changed = former.as_ref() != Some(state);
                        match state.expires_at(&bucket.rule) {
                            // An account that is locked is written like any other: it takes the same time.
                            Some(expiry) if changed || !bucket.stops => tx.later(keep(bucket, state, expiry)),
                            None if former.is_some() => tx.later(FORGET.with(values![bucket.key])),
                            _ => {}
                        }
                        if let Some(Standing::Locked { until, began: true }) = standings.get(n) {
                            tx.record(vec![bucket.row.clone().change(
                                "locked_until",
                                Json::Null,
                                until.to_string(),
                            )]);
                        }
                    }
                    Ok(standings)
                })
            })
            .await
    }
}

fn keep(bucket: &Bucket, state: &State, expiry: Timestamp) -> Query {
    KEEP.with(values![
        bucket.key,
        bucket.owner.map(|owner| owner.to_vec()),
        pack(&state.failures),
        pack(&state.pending),
        i64::from(state.lockings),
        state.locked_until,
        expiry,
    ])
}

fn pack(times: &[Timestamp]) -> Vec<u8> {
    times.iter().flat_map(|at| at.as_micros().to_be_bytes()).collect()
}

fn unpack(packed: &[u8]) -> Result<Vec<Timestamp>, StoreError> {
    match packed.as_chunks::<8>() {
        (times, []) => Ok(times.iter().map(|at| Timestamp::from_micros(i64::from_be_bytes(*at))).collect()),
        _ => Err(StoreError::Corrupt("a lockout")),
    }
}

fn read(mut row: Row) -> Result<([u8; 32], State), StoreError> {
    let key = row.read()?;
    let (failures, pending): (Vec<u8>, Vec<u8>) = (row.read()?, row.read()?);
    let state = State {
        failures: unpack(&failures)?,
        pending: unpack(&pending)?,
        lockings: row.read()?,
        locked_until: row.read()?,
    };
    Ok((key, state))
}
