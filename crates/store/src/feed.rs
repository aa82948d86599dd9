//! The feed: which users, sessions, families and keys changed, for the caches of all nodes.

use palisade_model::Timestamp;
use palisade_model::id::{FamilyId, KeyId, SessionId, UserId};
use uuid::Uuid;

use crate::sql::{Query, statements, values};
use crate::value::Row;
use crate::{Store, StoreError};

/// What caches have to forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A user, with all of their sessions and refresh families.
    User(UserId),
    /// One session.
    Session(SessionId),
    /// One refresh family.
    Family(FamilyId),
    /// The signing keys, all of them: they have to be read anew.
    SigningKeys,
    /// One opaque token.
    Key(KeyId),
    /// Everybody: nothing that was read of anybody holds.
    Everybody,
}

statements! {
    PUSH = "INSERT INTO feed (seq, at, kind, id) VALUES ($1, $2, $3, $4)";
    AFTER = "SELECT h.feed_seq, h.feed_floor, f.seq, f.kind, f.id FROM head h \
             LEFT JOIN feed f ON f.seq > $1 ORDER BY f.seq LIMIT 10000";
    FORGET = "DELETE FROM feed WHERE at < $1";
    RAISE_FLOOR = "UPDATE head SET feed_floor = COALESCE((SELECT MIN(seq) - 1 FROM feed), feed_seq)";
}

/// Queues entries behind `seq`; the new end.
pub(crate) fn push(queue: &mut Vec<Query>, mut seq: i64, now: Timestamp, subjects: &[Subject]) -> i64 {
    for subject in subjects {
        seq += 1;
        let (kind, id) = match subject {
            Subject::User(id) => (0_i64, id.0),
            Subject::Session(id) => (1, id.0),
            Subject::Family(id) => (2, id.0),
            Subject::Everybody => (8, Uuid::nil()),
            Subject::SigningKeys => (9, Uuid::nil()),
            Subject::Key(id) => (3, id.0),
        };
        queue.push(PUSH.with(values![seq, now, kind, id]));
    }
    seq
}

/// Queries that forget what was appended before `before`.
pub(crate) fn forget(before: Timestamp) -> [Query; 2] {
    [FORGET.with(values![before]), RAISE_FLOOR.with([])]
}

impl Store {
    /// What changed after number `seq`, in order of commit, and the number to go on from.
    ///
    /// At most 10,000 at once: ask again until nothing comes. A negative `seq` only asks where the feed ends
    /// now, which is what a cache does before it takes in anything.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when part of what was asked for is pruned: the caller must then forget all.
    pub async fn invalidations_after(&self, seq: i64) -> Result<(i64, Vec<Subject>), StoreError> {
        let from = if seq < 0 { i64::MAX } else { seq };
        let mut end = None;
        let mut subjects = Vec::new();
        for mut row in self.db().point(AFTER.with(values![from])).await? {
            let (head, floor): (i64, i64) = (row.read()?, row.read()?);
            if seq >= 0 && seq < floor {
                return Err(StoreError::Gone);
            }
            let Some(seq) = row.read::<Option<i64>>()? else {
                end = Some(head);
                break;
            };
            subjects.push(subject(&mut row)?);
            end = Some(seq);
        }
        Ok((end.ok_or(StoreError::Corrupt("there is no head row"))?, subjects))
    }
}

fn subject(row: &mut Row) -> Result<Subject, StoreError> {
    let kind: i64 = row.read()?;
    let id = Uuid::from_bytes(row.read()?);
    match kind {
        0 => Ok(Subject::User(UserId(id))),
        1 => Ok(Subject::Session(SessionId(id))),
        2 => Ok(Subject::Family(FamilyId(id))),
        8 => Ok(Subject::Everybody),
        9 => Ok(Subject::SigningKeys),
        3 => Ok(Subject::Key(KeyId(id))),
        _ => Err(StoreError::Corrupt("an unknown kind in the feed")),
    }
}
