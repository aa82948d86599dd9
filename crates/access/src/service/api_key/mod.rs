//! Opaque tokens: API keys, administrators' and user tokens, each in the trail from beginning to end.

mod bearer;
pub(crate) mod breakglass;
pub(crate) mod guest;
pub(crate) mod make;
mod shown;

use palisade_model::audit::Origin;
use palisade_model::id::{KeyId, UserId};
use palisade_model::{Action, AuditEvent, Refusal};
use palisade_store::{ApiToken, Subject, TokenKind};

use crate::access::{Access, unchanged, unknowable};
use crate::principal::Principal;
use crate::service::admin::oversee::oversees;

impl Access {
    /// One's own tokens, the newest first.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn own_api_keys(&self, principal: &Principal) -> Result<Vec<ApiToken>, Refusal> {
        let mut keys = self.store().api_tokens_of(principal.user()).await.map_err(unknowable)?;
        // What let somebody in once is no key of theirs.
        keys.retain(|key| key.kind != TokenKind::Breakglass);
        Ok(keys)
    }

    /// Ends a token for good. With `owner`, only one of theirs: `false` when they have none of that id.
    ///
    /// # Errors
    /// The store's failures; then nothing has ended.
    pub async fn revoke_api_key(
        &self,
        id: KeyId,
        owner: Option<UserId>,
        by: Option<UserId>,
        origin: &Origin,
    ) -> Result<bool, Refusal> {
        let row = done(Action::ApiKeyRevoked, id, by, origin);
        let ended = self.store().revoke_api_token(id, owner, vec![row]).await.map_err(unchanged)?;
        self.revoke(&[Subject::Key(id)]);
        Ok(ended)
    }

    /// Lets a token count, or no more. `false` when there is none of that id.
    ///
    /// # Errors
    /// The store's failures; then nothing has changed.
    pub async fn set_api_key_enabled(
        &self,
        id: KeyId,
        enabled: bool,
        by: Option<UserId>,
        origin: &Origin,
    ) -> Result<bool, Refusal> {
        let action = if enabled { Action::ApiKeyEnabled } else { Action::ApiKeyDisabled };
        let row = done(action, id, by, origin);
        let set =
            self.store().set_api_token_enabled(id, None, enabled, vec![row]).await.map_err(unchanged)?;
        self.revoke(&[Subject::Key(id)]);
        Ok(set)
    }

    /// Ends all tokens of a user for good; how many.
    ///
    /// # Errors
    /// The store's failures; then nothing has ended.
    pub async fn revoke_api_keys_of(
        &self,
        user: UserId,
        by: Option<UserId>,
        origin: &Origin,
    ) -> Result<u64, Refusal> {
        let mut row = AuditEvent::new(Action::ApiKeyRevoked, "user", user.to_string()).from(origin);
        row.user = by;
        let ended = self.store().revoke_api_tokens_of(user, vec![row]).await.map_err(unchanged)?;
        self.revoke_user(user);
        Ok(ended)
    }

    /// The tokens of users whom `by` oversees, in order of their making, behind `after`; 100 at most.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn overseen_api_keys(
        &self,
        by: &Principal,
        after: Option<KeyId>,
    ) -> Result<Vec<ApiToken>, Refusal> {
        self.store().api_tokens(by.tenant(), after, 100).await.map_err(unknowable)
    }

    /// Lets a token of a user whom `by` oversees count, or no more. `false` when there is none of that id.
    ///
    /// # Errors
    /// The store's failures; then nothing has changed.
    pub async fn set_overseen_api_key_enabled(
        &self,
        by: &Principal,
        id: KeyId,
        enabled: bool,
        origin: &Origin,
    ) -> Result<bool, Refusal> {
        let Some(token) = self.store().api_token(id).await.map_err(unknowable)? else { return Ok(false) };
        if !self.oversees_owner(by, &token).await? {
            return Ok(false);
        }
        self.set_api_key_enabled(id, enabled, Some(by.user()), origin).await
    }

    async fn oversees_owner(&self, by: &Principal, token: &ApiToken) -> Result<bool, Refusal> {
        let owner = self.store().user(token.user).await.map_err(unknowable)?;
        Ok(owner.is_some_and(|owner| oversees(by, &owner)))
    }

    /// Everybody's tokens in order of their making, behind `after`; at most `limit`, and never more than 1,000.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn api_keys(&self, after: Option<KeyId>, limit: u32) -> Result<Vec<ApiToken>, Refusal> {
        self.store().api_tokens(None, after, limit).await.map_err(unknowable)
    }
}

/// An entry of the trail about what was done to a token.
pub(crate) fn done(action: Action, id: KeyId, by: Option<UserId>, origin: &Origin) -> AuditEvent {
    let mut row = AuditEvent::new(action, "api_key", id.to_string()).from(origin);
    row.user = by;
    row
}
