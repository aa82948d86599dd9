//! The trail: append-only rows in a chain of hashes. The format is docs/decisions/0001-audit-chain.md.

mod chain;
mod rows;
mod verify;

use palisade_model::world::Entropy;
use palisade_model::{Action, AuditEvent, Timestamp};
use serde_json::{Map, Value as Json};

pub use rows::{AuditQuery, AuditRow, Personal};
pub use verify::{ChainFault, ChainReport, FaultKind};

use crate::sql::{Query, statements, values};
use crate::value::{Row, without_nul};
use crate::{Store, StoreError};
use chain::Link;

/// Rows of the trail by all filters that are given. The first one is repeated plainly, so that an index can
/// serve it.
macro_rules! rows {
    ($first:literal, $order:literal) => {
        concat!(
            "SELECT a.seq, a.at, a.action, a.user_id, a.tenant, a.entity_type, a.entity_id, a.request_id, \
             a.personal, a.hash, p.salt, p.body FROM audit a LEFT JOIN audit_personal p ON p.seq = a.seq \
             WHERE a.seq > $1 AND a.seq < $2 AND a.at >= $3 AND a.at < $4 \
             AND (a.user_id = $5 OR $5 IS NULL) AND (a.tenant = $6 OR $6 IS NULL) \
             AND (a.action = $7 OR $7 IS NULL) AND (a.entity_type = $8 OR $8 IS NULL) \
             AND (a.entity_id = $9 OR $9 IS NULL) ",
            $first,
            " ORDER BY a.seq ",
            $order,
            " LIMIT $10"
        )
    };
}

statements! {
    LOCK_HEAD = "SELECT audit_seq, audit_hash, feed_seq FROM head WHERE id = 1 FOR NO KEY UPDATE";
    MOVE_HEAD = "UPDATE head SET audit_seq = $1, audit_hash = $2, feed_seq = $3 WHERE id = 1";
    READ_HEAD = "SELECT audit_seq, audit_hash, store_id, (SELECT COALESCE(MAX(seq), 0) FROM audit) \
                 FROM head WHERE id = 1";
    APPEND = "INSERT INTO audit (seq, at, action, user_id, tenant, entity_type, entity_id, request_id, \
              personal, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    APPEND_PERSONAL = "INSERT INTO audit_personal (seq, salt, body) VALUES ($1, $2, $3)";
    FORWARD = rows!("", "ASC");
    BACKWARD = rows!("", "DESC");
    USER_FORWARD = rows!("AND a.user_id = $5", "ASC");
    USER_BACKWARD = rows!("AND a.user_id = $5", "DESC");
    TENANT_FORWARD = rows!("AND a.tenant = $6", "ASC");
    TENANT_BACKWARD = rows!("AND a.tenant = $6", "DESC");
    ENTITY_FORWARD = rows!("AND a.entity_type = $8 AND a.entity_id = $9", "ASC");
    ENTITY_BACKWARD = rows!("AND a.entity_type = $8 AND a.entity_id = $9", "DESC");
}

/// Where the trail and the feed end, as the locked head row says.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    pub(crate) audit_seq: i64,
    pub(crate) audit_hash: [u8; 32],
    pub(crate) feed_seq: i64,
}

/// Locks the head row until the commit.
pub(crate) fn lock_head() -> Query {
    LOCK_HEAD.with([])
}

/// What [`lock_head`] answered.
pub(crate) fn read_head(rows: Vec<Row>) -> Result<Head, StoreError> {
    let mut row = rows.into_iter().next().ok_or(StoreError::Corrupt("there is no head row"))?;
    Ok(Head { audit_seq: row.read()?, audit_hash: row.read()?, feed_seq: row.read()? })
}

/// Moves the head row on.
pub(crate) fn move_head(audit_seq: i64, hash: &[u8; 32], feed_seq: i64) -> Query {
    MOVE_HEAD.with(values![audit_seq, hash, feed_seq])
}

/// Queues rows behind the head; the new last number and hash.
pub(crate) fn push(
    queue: &mut Vec<Query>,
    head: &Head,
    at: Timestamp,
    events: Vec<AuditEvent>,
    entropy: &dyn Entropy,
) -> Result<(i64, [u8; 32]), StoreError> {
    let (mut seq, mut hash) = (head.audit_seq, head.audit_hash);
    for event in events {
        seq += 1;
        let mut salt = [0; 16];
        entropy.fill(&mut salt)?;
        let body = personal_body(&event);
        let personal = chain::commit(&salt, &body);
        let (tenant, request) =
            (event.tenant.as_ref().map(|it| it.as_str()), event.request_id.as_ref().map(|it| it.as_str()));
        let entity_id = without_nul(&event.entity_id);
        let link = Link {
            seq,
            at,
            action: event.action.name(),
            user: event.user,
            tenant,
            entity_type: event.entity_type,
            entity_id: &entity_id,
            request_id: request,
            personal: &personal,
        };
        hash = link.hash(&hash);
        queue.push(APPEND.with(values![
            seq,
            at,
            event.action.name(),
            event.user,
            tenant,
            event.entity_type,
            entity_id,
            request,
            personal,
            hash,
        ]));
        queue.push(APPEND_PERSONAL.with(values![seq, salt, body]));
    }
    Ok((seq, hash))
}

/// The part that can name a person, as one JSON object with its keys in order.
fn personal_body(event: &AuditEvent) -> String {
    let mut body = Map::new();
    if let Some(address) = event.address {
        body.insert("address".into(), address.to_string().into());
        body.insert("address_known".into(), address.is_known().into());
    }
    if let Some(agent) = &event.agent {
        body.insert("agent".into(), agent.as_str().into());
    }
    if !event.changes.is_empty() {
        body.insert("changes".into(), Json::Object(event.changes.clone()));
    }
    if let Some(email) = &event.email {
        body.insert("email".into(), email.as_str().into());
    }
    Json::Object(body).to_string()
}

impl Store {
    /// Adds to the trail what is not part of another write.
    ///
    /// # Errors
    /// When it could not be written; then none of it was.
    pub async fn append(&self, audit: Vec<AuditEvent>) -> Result<(), StoreError> {
        self.db()
            .write(move |tx| {
                tx.record(audit);
                Box::pin(std::future::ready(Ok(())))
            })
            .await
    }

    /// Where the trail ends: the last row's number and hash, as the head row says. What an outside witness
    /// keeps to detect later that the tail and the head were cut together.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit_head(&self) -> Result<(i64, [u8; 32]), StoreError> {
        let ends = self.ends().await?;
        Ok((ends.seq, ends.hash))
    }

    async fn ends(&self) -> Result<Ends, StoreError> {
        Ends::read(self.db().point(READ_HEAD.with([])).await?)
    }

    /// Writes the first row of a new trail, once.
    pub(crate) async fn open_trail(&self) -> Result<(), StoreError> {
        let open = |ends: &Ends| ends.seq == 0 && ends.last == 0;
        if !open(&self.ends().await?) {
            return Ok(());
        }
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let ends = Ends::read(tx.rows(READ_HEAD.with([])).await?)?;
                    if open(&ends) {
                        tx.record(vec![AuditEvent::new(Action::TrailOpened, "store", ends.store_id)]);
                    }
                    Ok(())
                })
            })
            .await
    }
}

/// Both ends of the trail: what the head row says, and what is there.
struct Ends {
    seq: i64,
    hash: [u8; 32],
    store_id: String,
    last: i64,
}

impl Ends {
    fn read(rows: Vec<Row>) -> Result<Self, StoreError> {
        let mut row = rows.into_iter().next().ok_or(StoreError::Corrupt("there is no head row"))?;
        Ok(Self { seq: row.read()?, hash: row.read()?, store_id: row.read()?, last: row.read()? })
    }
}
