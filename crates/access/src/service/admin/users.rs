//! What administrators do to users. Each is one row in the trail.

use palisade_model::audit::Origin;
use palisade_model::id::UserId;
use palisade_model::{Action, AuditEvent, FieldFault, Refusal, Secret, TenantId};
use palisade_store::{StoreError, User};

use crate::access::{Access, unchanged, unknowable, unrandom};
use crate::name;
use crate::password::Subject;

/// A user to be made by an administrator.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    /// The sign-in name.
    pub name: String,
    /// The e-mail address.
    pub email: Option<String>,
    /// Whether the address is known to be theirs. An address that is not confirmed is not told to applications.
    pub email_verified: bool,
    /// The tenant.
    pub tenant: Option<TenantId>,
    /// Names of roles of the policy; the policy's default roles when it is `None`.
    pub roles: Option<Vec<String>>,
    /// The password. Better none, and a one-time link ([`Access::issue_link`]).
    pub password: Option<Secret>,
}

impl Access {
    /// Makes a user. `by` is the administrator, `None` on the command line.
    ///
    /// # Errors
    /// `InvalidInput` with the fields `name`, `email`, `roles`, `password`; the store's failures.
    pub async fn create_user(
        &self,
        new: NewUser,
        by: Option<UserId>,
        origin: &Origin,
    ) -> Result<UserId, Refusal> {
        let (name, email) = name::judge(&new.name, new.email.as_deref())?;
        let roles = new.roles.unwrap_or_else(|| self.default_roles());
        self.judge_roles(&roles)?;
        let password = match &new.password {
            Some(password) => {
                let subject = Subject { name: &name, email: email.as_deref() };
                self.0.passwords.judge("password", password, &subject, Vec::new()).await?;
                Some(self.0.passwords.hash(password).await?)
            }
            None => None,
        };
        let now = self.now();
        let user = User {
            id: self.new_user_id().map_err(unrandom)?,
            name,
            email_verified_at: email.as_ref().filter(|_| new.email_verified).map(|_| now),
            email,
            tenant: new.tenant,
            roles,
            password_at: password.as_ref().map(|_| now),
            password,
            enabled: true,
            created_at: now,
        };
        let row = about(Action::UserCreated, &user, by, origin);
        match self.store().create_user(&user, vec![row]).await {
            Ok(()) => Ok(user.id),
            Err(StoreError::Taken { what }) => {
                Err(Refusal::field(what, "Somebody has this one. Choose another."))
            }
            Err(error) => Err(unchanged(error)),
        }
    }

    /// Gives a user these roles instead of the present ones, from the next request on. Sessions get another id at
    /// their next use (ID-8).
    ///
    /// # Errors
    /// `InvalidInput` with the field `user` or `roles`; the store's failures.
    pub async fn set_roles(
        &self,
        user: UserId,
        roles: &[String],
        by: Option<UserId>,
        origin: &Origin,
    ) -> Result<(), Refusal> {
        self.judge_roles(roles)?;
        let user = self.found(user).await?;
        let row =
            about(Action::UserChanged, &user, by, origin).change("roles", user.roles.clone(), roles.to_vec());
        self.store().set_roles(user.id, roles, vec![row]).await.map_err(unchanged)?;
        self.revoke_user(user.id);
        Ok(())
    }

    /// Moves a user to this tenant, or to none, from the next request on. Sessions get another id at their next use
    /// (ID-8).
    ///
    /// # Errors
    /// `InvalidInput` with the field `user`; the store's failures.
    pub async fn set_tenant(
        &self,
        user: UserId,
        tenant: Option<&TenantId>,
        by: Option<UserId>,
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let user = self.found(user).await?;
        let name = |tenant: Option<&TenantId>| tenant.map_or("-", TenantId::as_str).to_owned();
        let row = about(Action::UserChanged, &user, by, origin).change(
            "tenant",
            name(user.tenant.as_ref()),
            name(tenant),
        );
        self.store().set_tenant(user.id, tenant, vec![row]).await.map_err(unchanged)?;
        self.revoke_user(user.id);
        Ok(())
    }

    /// Gives a user this address instead of the present one. It counts as confirmed: whoever has the command line answers
    /// for it. Links that were mailed before end.
    ///
    /// # Errors
    /// `InvalidInput` with the field `user` or `email`; the store's failures.
    pub async fn set_email(
        &self,
        user: UserId,
        email: &str,
        by: Option<UserId>,
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let email = name::parse_email(email.trim())
            .ok_or_else(|| Refusal::field("email", "Write an e-mail address such as name@example.com."))?;
        let user = self.found(user).await?;
        let row = about(Action::UserChanged, &user, by, origin);
        let row = row.change("email", user.email.clone(), email.clone());
        match self.store().set_email(&user, &email, self.now(), vec![row]).await {
            Ok(()) => {}
            Err(StoreError::Taken { .. }) => {
                return Err(Refusal::field("email", "Somebody has this one. Choose another."));
            }
            Err(error) => return Err(unchanged(error)),
        }
        self.revoke_user(user.id);
        Ok(())
    }

    /// Locks a user out: sessions and tokens end with it.
    ///
    /// # Errors
    /// `InvalidInput` with the field `user`; the store's failures.
    pub async fn disable(&self, user: UserId, by: Option<UserId>, origin: &Origin) -> Result<(), Refusal> {
        self.set_enabled(user, false, by, origin).await
    }

    /// Lets a user sign in again.
    ///
    /// # Errors
    /// `InvalidInput` with the field `user`; the store's failures.
    pub async fn enable(&self, user: UserId, by: Option<UserId>, origin: &Origin) -> Result<(), Refusal> {
        self.set_enabled(user, true, by, origin).await
    }

    /// Ends all sessions of a user.
    ///
    /// # Errors
    /// `InvalidInput` with the field `user`; the store's failures.
    pub async fn end_sessions_of(
        &self,
        user: UserId,
        by: Option<UserId>,
        origin: &Origin,
    ) -> Result<u64, Refusal> {
        let user = self.found(user).await?;
        let row = about(Action::SessionRevoked, &user, by, origin);
        let ended = self.store().end_sessions_of(user.id, None, vec![row]).await.map_err(unchanged)?;
        self.revoke_user(user.id);
        Ok(ended)
    }

    /// What the rules say of a password, in the field `password`: empty when it may be taken. Costs
    /// milliseconds of processor time: not for a request's thread.
    #[must_use]
    pub fn check_password_rules(&self, password: &Secret, subject: &Subject<'_>) -> Vec<FieldFault> {
        self.0.passwords.faults("password", password, subject)
    }

    async fn set_enabled(
        &self,
        user: UserId,
        enabled: bool,
        by: Option<UserId>,
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let user = self.found(user).await?;
        let action = if enabled { Action::UserEnabled } else { Action::UserDisabled };
        let row = about(action, &user, by, origin);
        self.store().set_enabled(user.id, enabled, vec![row]).await.map_err(unchanged)?;
        self.revoke_user(user.id);
        Ok(())
    }

    async fn found(&self, user: UserId) -> Result<User, Refusal> {
        let found = self.store().user(user).await.map_err(unknowable)?;
        found.ok_or_else(|| Refusal::field("user", "There is no such user."))
    }

    pub(crate) fn judge_roles(&self, roles: &[String]) -> Result<(), Refusal> {
        let unknown = |name: &&String| self.policy().roles.index(name).is_none();
        if roles.iter().any(|name| unknown(&name)) {
            let known = self.policy().roles.names().join(", ");
            return Err(Refusal::field("roles", format!("Choose roles of the policy: {known}.")));
        }
        Ok(())
    }
}

/// An entry of the trail about what was done to `user` by somebody else.
pub(crate) fn about(action: Action, user: &User, by: Option<UserId>, origin: &Origin) -> AuditEvent {
    let mut row = AuditEvent::new(action, "user", user.id.to_string()).from(origin);
    row.user = by;
    row.tenant.clone_from(&user.tenant);
    row
}
