//! Tokens that another system made, as Semptify keeps them: digests without names (ID-15).

use data_encoding::HEXLOWER;
use palisade_model::audit::Origin;
use palisade_model::digest::sha256;
use palisade_model::id::UserId;
use palisade_model::{Action, Refusal, Timestamp};
use palisade_store::{StoreError, TokenKind};

use crate::access::{Access, entry, unchanged, unknowable};
use crate::scope::Scopes;
use crate::service::api_key::make::NewKey;

/// A token of another system.
#[derive(Clone, Debug)]
pub struct Inherited {
    /// SHA-256 of its text.
    pub digest: [u8; 32],
    /// Whether it counts.
    pub enabled: bool,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

impl Access {
    /// Takes over an administrator's token, for this user. Whether it was new here.
    ///
    /// # Errors
    /// `InvalidInput` with the field `user`; the store's failures.
    pub async fn inherit_admin_token(&self, token: &Inherited, user: UserId) -> Result<bool, Refusal> {
        self.inherit(token, TokenKind::Admin, user).await
    }

    /// Takes over a user token, with a user of its own as visitors have them. Whether it was new here.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn inherit_user_token(&self, token: &Inherited) -> Result<bool, Refusal> {
        // The same name each time, so that a second import finds the user; nothing of the digest shows in it.
        let digest = HEXLOWER.encode(&sha256(&[b"inherited user", &token.digest]));
        let name = format!("guest-{}", digest.get(..24).unwrap_or_default());
        let known = self.store().user_by_login(&name).await.map_err(unknowable)?;
        let user = match known {
            Some(user) => user.id,
            None => self.inherit_user(&name).await?,
        };
        self.inherit(token, TokenKind::User, user).await
    }

    async fn inherit(&self, token: &Inherited, kind: TokenKind, user: UserId) -> Result<bool, Refusal> {
        let new = NewKey {
            kind,
            user,
            name: "imported".to_owned(),
            scopes: Scopes::everything(),
            networks: Vec::new(),
            expires_at: token.expires_at,
        };
        let made = self.import_api_key(token.digest, new, token.enabled, &Origin::default()).await?;
        Ok(made.is_some())
    }

    async fn inherit_user(&self, name: &str) -> Result<UserId, Refusal> {
        let user = self.bearer_user(name.to_owned(), self.guest_roles())?;
        let mut row = entry(Action::UserCreated, "user", &user.id, &user, &Origin::default());
        row.user = None;
        match self.store().create_user(&user, vec![row]).await {
            Ok(()) => Ok(user.id),
            Err(StoreError::Taken { .. }) => {
                let known = self.store().user_by_login(name).await.map_err(unknowable)?;
                known.map(|user| user.id).ok_or_else(|| unchanged(StoreError::Gone))
            }
            Err(error) => Err(unchanged(error)),
        }
    }
}
