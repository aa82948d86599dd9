//! Whatever lets somebody in without a new proof, ended in one step: of everybody, a tenant or a user (INC-2).

use palisade_model::id::UserId;
use palisade_model::{AuditEvent, TenantId};
use serde_json::Value;

use crate::feed::Subject;
use crate::sql::{statements, values};
use crate::{Store, StoreError};

/// Whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All users.
    Everybody,
    /// The users of one tenant.
    Tenant(TenantId),
    /// One user.
    User(UserId),
}

/// How much was ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revoked {
    /// Sessions.
    pub sessions: u64,
    /// Families of refresh tokens, with their access tokens.
    pub families: u64,
    /// Tokens of administrators, users and programs.
    pub tokens: u64,
    /// One-time links that nobody has used.
    pub links: u64,
}

macro_rules! whose {
    () => {
        "(SELECT u.id FROM users u WHERE (u.tenant = $1 OR $1 IS NULL) AND (u.id = $2 OR $2 IS NULL))"
    };
}

statements! {
    END_SESSIONS = concat!("DELETE FROM sessions WHERE user_id IN ", whose!(), " RETURNING 1");
    REVOKE_FAMILIES = concat!("UPDATE families SET revoked_at = $3 WHERE revoked_at IS NULL AND user_id IN ", whose!(),
                              " RETURNING 1");
    // A breakglass token that was used lets nobody in any more, and waits for its report.
    DISABLE_TOKENS = concat!("UPDATE api_tokens SET enabled = 0 WHERE enabled = 1 AND used_at IS NULL AND user_id IN ",
                             whose!(), " RETURNING 1");
    FORGET_LINKS = concat!("DELETE FROM links WHERE used_at IS NULL AND user_id IN ", whose!(), " RETURNING 1");
    FORGET_PENDING = concat!("DELETE FROM pending WHERE user_id IN ", whose!());
}

impl Store {
    /// Ends every session, token, half sign-in and unused one-time link of these users. The trail hears of it
    /// whether there were any or not: somebody found it necessary.
    ///
    /// # Errors
    /// When the database does not answer; then nothing has ended.
    pub async fn revoke_access(&self, reach: &Reach, audit: Vec<AuditEvent>) -> Result<Revoked, StoreError> {
        let (tenant, user, subject) = match reach {
            Reach::Everybody => (None, None, Subject::Everybody),
            Reach::Tenant(tenant) => (Some(tenant.clone()), None, Subject::Everybody),
            Reach::User(user) => (None, Some(*user), Subject::User(*user)),
        };
        let now = self.world().now();
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let tenant = tenant.as_ref();
                    let [sessions, families, tokens, links, _] = tx
                        .all([
                            END_SESSIONS.with(values![tenant, user]),
                            REVOKE_FAMILIES.with(values![tenant, user, now]),
                            DISABLE_TOKENS.with(values![tenant, user]),
                            FORGET_LINKS.with(values![tenant, user]),
                            FORGET_PENDING.with(values![tenant, user]),
                        ])
                        .await?;
                    let count = |rows: Vec<_>| rows.len() as u64;
                    let revoked = Revoked {
                        sessions: count(sessions),
                        families: count(families),
                        tokens: count(tokens),
                        links: count(links),
                    };
                    tx.changed(subject);
                    tx.record(audit.into_iter().map(|row| counted(row, &revoked)).collect());
                    Ok(revoked)
                })
            })
            .await
    }
}

fn counted(row: AuditEvent, revoked: &Revoked) -> AuditEvent {
    row.change("sessions", revoked.sessions, Value::Null)
        .change("families", revoked.families, Value::Null)
        .change("tokens", revoked.tokens, Value::Null)
        .change("links", revoked.links, Value::Null)
}
