//! Checking the chain from its first row to its head.

use super::chain::{GENESIS, Link, commit};
use super::rows::{Stored, stored};
use super::{AuditQuery, Ends};
use crate::{Store, StoreError};

/// Faults that a report lists at most.
const MOST: usize = 100;
/// Rows that are in memory at one time.
const PAGE: u32 = 1000;

/// What [`Store::verify_chain`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainReport {
    /// How many rows were read.
    pub rows: u64,
    /// The number of the last row, as the head row says.
    pub head_seq: i64,
    /// Its hash, as the head row says: worth keeping elsewhere.
    pub head_hash: [u8; 32],
    /// What does not fit, in order; the first 100.
    pub faults: Vec<ChainFault>,
}

impl ChainReport {
    /// Whether every row is there and as it was written, as far as the chain can tell.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.faults.is_empty()
    }
}

/// One place where the chain does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainFault {
    /// The number of the row there.
    pub seq: i64,
    /// What is wrong with it.
    pub kind: FaultKind,
}

/// What can be wrong with the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The row does not have the hash that its fields and the row before it give: it was changed, put in
    /// another place, or follows a row that was changed together with its hash.
    Changed,
    /// Rows are missing before this one.
    Gap,
    /// The trail ends before this row, which the head row says is the last.
    Truncated,
    /// The last row is not the one that the head row says.
    Head,
    /// Rows stand behind the last one that the head row says.
    Beyond,
    /// The personal part is not the one that the row was made with.
    PersonalChanged,
    /// The personal part is missing.
    PersonalMissing,
}

impl std::fmt::Display for ChainFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.kind {
            FaultKind::Changed => "was changed or does not follow the row before it",
            FaultKind::Gap => "comes after a gap",
            FaultKind::Truncated => "is the last by the head row, but the trail ends before it",
            FaultKind::Head => "is the last, but not the one that the head row says",
            FaultKind::Beyond => "stands behind the last row that the head row says",
            FaultKind::PersonalChanged => "has another personal part than it was made with",
            FaultKind::PersonalMissing => "has lost its personal part",
        };
        write!(f, "row {} {what}", self.seq)
    }
}

/// The walk along the chain.
struct Walk {
    rows: u64,
    seq: i64,
    hash: [u8; 32],
    faults: Vec<ChainFault>,
}

impl Walk {
    fn fault(&mut self, seq: i64, kind: FaultKind) {
        if self.faults.len() < MOST {
            self.faults.push(ChainFault { seq, kind });
        }
    }

    fn step(&mut self, stored: &Stored) {
        let row = &stored.row;
        self.rows += 1;
        if row.seq != self.seq + 1 {
            self.fault(row.seq, FaultKind::Gap);
        }
        let link = Link {
            seq: row.seq,
            at: row.at,
            action: &row.action,
            user: row.user,
            tenant: row.tenant.as_deref(),
            entity_type: &row.entity_type,
            entity_id: &row.entity_id,
            request_id: row.request_id.as_deref(),
            personal: &stored.commitment,
        };
        if link.hash(&self.hash) != row.hash {
            self.fault(row.seq, FaultKind::Changed);
        }
        match &stored.sealed {
            None => self.fault(row.seq, FaultKind::PersonalMissing),
            Some((salt, body)) if commit(salt, body) != stored.commitment => {
                self.fault(row.seq, FaultKind::PersonalChanged);
            }
            Some(_) => {}
        }
        // Goes on from the hash as it stands, so that one change is reported once.
        (self.seq, self.hash) = (row.seq, row.hash);
    }
}

impl Store {
    /// Reads the whole trail, a page at a time, and checks every row against the one before it, its personal
    /// part, and the head row. Rows that are appended meanwhile are not looked at.
    ///
    /// It finds changed, missing, moved and added rows and a cut tail. It cannot find that tail *and* head row
    /// were cut together, or that all was written anew: for that, keep the report's head elsewhere.
    ///
    /// # Errors
    /// When the database does not answer; that says nothing about the chain.
    pub async fn verify_chain(&self) -> Result<ChainReport, StoreError> {
        let Ends { seq: head_seq, hash: head_hash, last, .. } = self.ends().await?;
        let mut walk = Walk { rows: 0, seq: 0, hash: GENESIS, faults: Vec::new() };
        while walk.seq < head_seq {
            let page = AuditQuery {
                after: (walk.rows > 0).then_some(walk.seq),
                before: Some(head_seq.saturating_add(1)),
                limit: PAGE,
                ..AuditQuery::default()
            };
            let rows = self.db().list(page.statement()).await?;
            if rows.is_empty() {
                walk.fault(head_seq, FaultKind::Truncated);
                break;
            }
            for row in rows {
                walk.step(&stored(row)?);
            }
        }
        if walk.seq == head_seq && walk.hash != head_hash {
            walk.fault(head_seq, FaultKind::Head);
        }
        if last > head_seq {
            walk.fault(head_seq + 1, FaultKind::Beyond);
        }
        Ok(ChainReport { rows: walk.rows, head_seq, head_hash, faults: walk.faults })
    }
}
