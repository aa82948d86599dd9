//! Reading the trail.

use palisade_model::id::UserId;
use palisade_model::{TenantId, Timestamp};
use serde_json::{Map, Value as Json};

use super::{
    BACKWARD, ENTITY_BACKWARD, ENTITY_FORWARD, FORWARD, TENANT_BACKWARD, TENANT_FORWARD, USER_BACKWARD,
    USER_FORWARD,
};
use crate::sql::{Query, values};
use crate::value::Row;
use crate::{Store, StoreError};

/// Rows in one answer at most.
const MOST: u32 = 1000;

/// Which rows of the trail.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Only rows with a higher number.
    pub after: Option<i64>,
    /// Only rows with a lower number.
    pub before: Option<i64>,
    /// Only rows of this time or later.
    pub from: Option<Timestamp>,
    /// Only rows before this time.
    pub until: Option<Timestamp>,
    /// Only what this user did.
    pub user: Option<UserId>,
    /// Only rows of this tenant (AUD-3).
    pub tenant: Option<TenantId>,
    /// Only this action, by its name.
    pub action: Option<String>,
    /// Only about this kind of thing.
    pub entity_type: Option<String>,
    /// Only about this thing.
    pub entity_id: Option<String>,
    /// The newest first, instead of the oldest.
    pub newest_first: bool,
    /// At most so many, and never more than 1,000. 0 stands for 100.
    pub limit: u32,
}

/// A row of the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number; the first row's is 1, and there are no gaps.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// What was done: a name of [`Action`](palisade_model::Action).
    pub action: String,
    /// Who did it.
    pub user: Option<UserId>,
    /// In which tenant.
    pub tenant: Option<String>,
    /// To what kind of thing.
    pub entity_type: String,
    /// To which thing.
    pub entity_id: String,
    /// In which request.
    pub request_id: Option<String>,
    /// What can name a person; `None` once erased.
    pub personal: Option<Personal>,
    /// The row's place in the chain.
    pub hash: [u8; 32],
}

/// The part of a row that can name a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Personal {
    /// The user's e-mail or sign-in name at the time.
    pub email: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// Whether that is the client's own address and not a proxy's.
    pub address_known: bool,
    /// With which user agent.
    pub agent: Option<String>,
    /// `{field: {"old": .., "new": ..}}`.
    pub changes: Map<String, Json>,
}

/// A row with what its hash is made of.
pub(super) struct Stored {
    pub(super) row: AuditRow,
    pub(super) commitment: [u8; 32],
    pub(super) sealed: Option<([u8; 16], String)>,
}

impl AuditQuery {
    pub(super) fn statement(&self) -> Query {
        let limit = if self.limit == 0 { 100 } else { self.limit.min(MOST) };
        let (forward, backward) = if self.user.is_some() {
            (&USER_FORWARD, &USER_BACKWARD)
        } else if self.entity_type.is_some() && self.entity_id.is_some() {
            (&ENTITY_FORWARD, &ENTITY_BACKWARD)
        } else if self.tenant.is_some() {
            (&TENANT_FORWARD, &TENANT_BACKWARD)
        } else {
            (&FORWARD, &BACKWARD)
        };
        let sql = if self.newest_first { backward } else { forward };
        sql.with(values![
            self.after.unwrap_or(i64::MIN),
            self.before.unwrap_or(i64::MAX),
            self.from.unwrap_or(Timestamp::from_micros(i64::MIN)),
            self.until.unwrap_or(Timestamp::from_micros(i64::MAX)),
            self.user,
            self.tenant.as_ref(),
            self.action.as_ref(),
            self.entity_type.as_ref(),
            self.entity_id.as_ref(),
            i64::from(limit),
        ])
    }
}

pub(super) fn stored(mut row: Row) -> Result<Stored, StoreError> {
    let mut public = AuditRow {
        seq: row.read()?,
        at: row.read()?,
        action: row.read()?,
        user: row.read()?,
        tenant: row.read()?,
        entity_type: row.read()?,
        entity_id: row.read()?,
        request_id: row.read()?,
        personal: None,
        hash: [0; 32],
    };
    let commitment = row.read()?;
    public.hash = row.read()?;
    let salt: Option<[u8; 16]> = row.read()?;
    let body: Option<String> = row.read()?;
    Ok(Stored { row: public, commitment, sealed: salt.zip(body) })
}

fn personal(body: &str) -> Result<Personal, StoreError> {
    const BAD: StoreError = StoreError::Corrupt("a personal part of the trail");
    let Ok(Json::Object(mut body)) = serde_json::from_str(body) else { return Err(BAD) };
    let mut text = |key: &str| match body.remove(key) {
        None => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(_) => Err(BAD),
    };
    let (email, address, agent) = (text("email")?, text("address")?, text("agent")?);
    let address_known = body.remove("address_known") == Some(Json::Bool(true));
    let changes = match body.remove("changes") {
        None => Map::new(),
        Some(Json::Object(changes)) => changes,
        Some(_) => return Err(BAD),
    };
    Ok(Personal { email, address, address_known, agent, changes })
}

impl Store {
    /// The rows that `query` asks for. Page through them with `after` or `before`.
    ///
    /// # Errors
    /// When the database does not answer or holds something that does not fit.
    pub async fn audit_rows(&self, query: &AuditQuery) -> Result<Vec<AuditRow>, StoreError> {
        let rows = self.db().list(query.statement()).await?;
        rows.into_iter()
            .map(|row| {
                let Stored { mut row, sealed, .. } = stored(row)?;
                row.personal = sealed.map(|(_, body)| personal(&body)).transpose()?;
                Ok(row)
            })
            .collect()
    }
}
