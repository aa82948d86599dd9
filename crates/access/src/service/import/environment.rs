//! Users that the environment brings (ID-5), and the first administrator.

use palisade_model::audit::Origin;
use palisade_model::id::UserId;
use palisade_model::{Action, Refusal, Token};
use palisade_store::{StoreError, User};

use crate::access::{Access, entry, unchanged, unknowable};
use crate::error::AccessError;
use crate::name;

/// The first administrator's name.
const ADMINISTRATOR: &str = "admin";

/// Users read at once while looking for one with a password.
const PAGE: u32 = 200;

impl Access {
    /// Makes each user of AUTH_USERS that is not there yet. One that is there stays as it is: the hash may
    /// have been renewed and the password changed since.
    pub(crate) async fn import_users(&self) -> Result<(), AccessError> {
        // All are judged before one is made.
        for (name, hash) in &self.policy().identify.auth_users {
            if name::parse_name(name).as_ref() != Some(name) {
                return Err(AccessError::UserName { name: name.clone() });
            }
            if !self.0.passwords.can_read(hash.expose()) {
                return Err(AccessError::UserHash { name: name.clone() });
            }
        }
        for (name, hash) in &self.policy().identify.auth_users {
            match self.store().user_by_login(name).await? {
                None => {
                    let roles = self.default_roles();
                    self.import(name, Some(hash.expose().to_owned()), roles).await?;
                }
                Some(user) if user.password.as_deref() == Some(hash.expose()) => {}
                Some(_) => tracing::warn!(
                    user = name,
                    "AUTH_USERS names a user who is there already and keeps the password they have; \
                     take the name out, or set a password with 'palisade user link'"
                ),
            }
        }
        Ok(())
    }

    /// When no user has a password yet: the user `admin` with the policy's role of administrators, without a password,
    /// and a one-time link to set one. `None` as soon as anybody can sign in.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn first_administrator(&self) -> Result<Option<Token>, Refusal> {
        if self.anybody_has_a_password().await? {
            return Ok(None);
        }
        let admin = match self.store().user_by_login(ADMINISTRATOR).await.map_err(unknowable)? {
            Some(user) => user.id,
            None => {
                let roles = self.policy().roles.administrator().map(str::to_owned).into_iter().collect();
                self.import(ADMINISTRATOR, None, roles).await.map_err(unchanged)?
            }
        };
        self.issue_link(admin, None, &Origin::default()).await.map(Some)
    }

    /// Makes a user on the server's own account; one that another node made meanwhile is as good.
    async fn import(
        &self,
        name: &str,
        password: Option<String>,
        roles: Vec<String>,
    ) -> Result<UserId, StoreError> {
        let now = self.now();
        let user = User {
            id: self.new_user_id()?,
            name: name.to_owned(),
            email: None,
            email_verified_at: None,
            tenant: None,
            roles,
            password_at: password.as_ref().map(|_| now),
            password,
            enabled: true,
            created_at: now,
        };
        let mut row = entry(Action::UserCreated, "user", &user.id, &user, &Origin::default());
        row.user = None;
        match self.store().create_user(&user, vec![row]).await {
            Ok(()) => Ok(user.id),
            Err(StoreError::Taken { .. }) => {
                self.store().user_by_login(name).await?.map(|user| user.id).ok_or(StoreError::Gone)
            }
            Err(error) => Err(error),
        }
    }

    async fn anybody_has_a_password(&self) -> Result<bool, Refusal> {
        let mut after = None;
        loop {
            let page = self.store().users(after, PAGE).await.map_err(unknowable)?;
            if page.iter().any(|user| user.password.is_some()) {
                return Ok(true);
            }
            match page.last() {
                Some(last) => after = Some(last.id),
                None => return Ok(false),
            }
        }
    }
}
