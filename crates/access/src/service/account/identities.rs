//! One's accounts at other sites: seen and unlinked (ID-6).

use palisade_model::audit::Origin;
use palisade_model::{Action, Denial, Refusal};
use palisade_store::Identity;

use crate::access::{Access, entry, unchanged, unknowable};
use crate::letter::Notice;
use crate::principal::{Principal, Via};

impl Access {
    /// The principal's accounts at other sites, the oldest link first.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn identities(&self, principal: &Principal) -> Result<Vec<Identity>, Refusal> {
        self.store().identities_of(principal.user()).await.map_err(unknowable)
    }

    /// Takes an account elsewhere off the principal's, and ends the sessions that it began, all but the one that asks.
    /// `false` when they have no such account.
    ///
    /// # Errors
    /// [`Denial::ProofNeeded`]; [`Denial::LastWayIn`] when nothing else would let them in; the store's failures.
    pub async fn unlink(
        &self,
        principal: &Principal,
        issuer: &str,
        subject: &str,
        origin: &Origin,
    ) -> Result<bool, Refusal> {
        self.fresh(principal)?;
        let user = self.store().user(principal.user()).await.map_err(unknowable)?;
        let user = user.ok_or(Denial::CredentialInvalid)?;
        let mine = self.identities(principal).await?;
        let Some(identity) = mine.into_iter().find(|one| one.issuer == issuer && one.subject == subject)
        else {
            return Ok(false);
        };
        let except = match principal.via() {
            Via::Session(id) => Some(id),
            _ => None,
        };
        let row = entry(Action::IdentityUnlinked, "identity", &identity.provider, &user, origin);
        let row = row.change("subject", identity.subject.clone(), serde_json::Value::Null);
        let unlinked = self.store().unlink_identity(user.id, issuer, subject, except, vec![row]).await;
        if !unlinked.map_err(unchanged)? {
            return Ok(false);
        }
        // Which sessions ended, the store's feed tells; on this node all of the user's are read again.
        self.revoke_user(user.id);
        let provider = self.provider(&identity.provider).map(|provider| provider.settings.label.clone());
        let provider = provider.unwrap_or(identity.provider);
        self.notify(&user, Notice::IdentityUnlinked { provider }, origin).await;
        Ok(true)
    }
}
