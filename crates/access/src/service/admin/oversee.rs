//! What administrators see and end of others (ID-8, INC-2). One of a tenant oversees that tenant alone.

use palisade_model::audit::Origin;
use palisade_model::id::{SessionId, UserId};
use palisade_model::{Action, AuditEvent, Denial, Refusal, TenantId};
use palisade_store::{Reach, Revoked, Session, Subject, User};

use crate::access::{Access, unchanged, unknowable};
use crate::principal::Principal;

impl Access {
    /// The users that `by` oversees, in order of their making, behind `after`; or the one with that login.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn overseen(
        &self,
        by: &Principal,
        login: Option<&str>,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<User>, Refusal> {
        let Some(login) = login else {
            return self.store().users_of(by.tenant(), after, limit).await.map_err(unknowable);
        };
        let found = self.store().user_by_login(login).await.map_err(unknowable)?;
        Ok(found.filter(|user| oversees(by, user)).into_iter().collect())
    }

    /// The live sessions of a user whom `by` oversees.
    ///
    /// # Errors
    /// `RouteUnknown` for a user of another tenant as for one that is not there; the store's failures.
    pub async fn sessions_of(&self, by: &Principal, user: UserId) -> Result<Vec<Session>, Refusal> {
        let user = self.subordinate(by, user).await?;
        self.live_sessions(user.id).await
    }

    /// Ends one session of a user whom `by` oversees. `false` when they have none of that id.
    ///
    /// # Errors
    /// As [`Access::sessions_of`]; then nothing has ended.
    pub async fn end_session_of(
        &self,
        by: &Principal,
        user: UserId,
        session: SessionId,
        origin: &Origin,
    ) -> Result<bool, Refusal> {
        let user = self.subordinate(by, user).await?;
        let row = about("session", &session, user.tenant.as_ref(), Some(by), origin);
        let ended = self.store().end_session(session, user.id, vec![row]).await.map_err(unchanged)?;
        self.revoke(&[Subject::Session(session)]);
        Ok(ended)
    }

    /// Signs a user whom `by` oversees out everywhere: every session and token of theirs ends.
    ///
    /// # Errors
    /// As [`Access::sessions_of`]; then nothing has ended.
    pub async fn sign_out_of(
        &self,
        by: &Principal,
        user: UserId,
        origin: &Origin,
    ) -> Result<Revoked, Refusal> {
        let user = self.subordinate(by, user).await?;
        let row = about("user", &user.id, user.tenant.as_ref(), Some(by), origin);
        self.end_access(&Reach::User(user.id), row).await
    }

    /// Ends every session, token and unused one-time link of these users, on every node: for an incident.
    ///
    /// # Errors
    /// The store's failures; then nothing has ended.
    pub async fn revoke_access(&self, reach: &Reach, origin: &Origin) -> Result<Revoked, Refusal> {
        let row = match reach {
            Reach::Everybody => about("users", &"all", None, None, origin),
            Reach::Tenant(tenant) => about("tenant", tenant, Some(tenant), None, origin),
            Reach::User(user) => {
                let found = self.store().user(*user).await.map_err(unknowable)?;
                let tenant = found.and_then(|user| user.tenant);
                about("user", user, tenant.as_ref(), None, origin)
            }
        };
        self.end_access(reach, row).await
    }

    async fn end_access(&self, reach: &Reach, row: AuditEvent) -> Result<Revoked, Refusal> {
        let revoked = self.store().revoke_access(reach, vec![row]).await.map_err(unchanged)?;
        match reach {
            Reach::User(user) => self.revoke_user(*user),
            Reach::Everybody | Reach::Tenant(_) => self.revoke(&[Subject::Everybody]),
        }
        Ok(revoked)
    }

    pub(crate) async fn subordinate(&self, by: &Principal, user: UserId) -> Result<User, Refusal> {
        let found = self.store().user(user).await.map_err(unknowable)?;
        found
            .filter(|user| oversees(by, user))
            .ok_or_else(|| Refusal::new(Denial::RouteUnknown, "no such user, or one of another tenant"))
    }
}

/// An administrator without a tenant oversees everybody, one of a tenant only that.
pub(crate) fn oversees(by: &Principal, user: &User) -> bool {
    by.tenant().is_none_or(|tenant| user.tenant.as_ref() == Some(tenant))
}

fn about(
    entity_type: &'static str,
    entity_id: &impl ToString,
    tenant: Option<&TenantId>,
    by: Option<&Principal>,
    origin: &Origin,
) -> AuditEvent {
    let action = if entity_type == "session" { Action::SessionRevoked } else { Action::AccessRevoked };
    let mut row = AuditEvent::new(action, entity_type, entity_id.to_string()).from(origin);
    row.user = by.map(Principal::user);
    row.email = by.map(|by| by.email().unwrap_or(by.name()).to_owned());
    row.tenant = tenant.cloned();
    row
}
