//! Signing in by a passkey alone: it knows its holder, and so is both factors (ID-17).

use palisade_model::audit::Origin;
use palisade_model::id::UserId;
use palisade_model::{Refusal, Secret};
use palisade_store::{FactorPurpose, FactorTaken, Passkey, User};

use crate::access::{Access, unknowable};
use crate::factor::passkeys;
use crate::principal::Principal;
use crate::service::session::{NewSession, Proof};
use crate::service::sign_in::show::{Challenge, passkey_use};

/// The kind of ceremony in which somebody signs in by a passkey alone.
const ANY_PASSKEY: &str = "passkey-any";

impl Access {
    /// A challenge for whoever wants to sign in by a passkey alone.
    ///
    /// # Errors
    /// `RouteUnknown` where there are no passkeys; the store's failures.
    pub async fn passkey_challenge(&self) -> Result<Challenge, Refusal> {
        let begun = self.0.passkeys.ask_anybody()?;
        self.begin_ceremony(ANY_PASSKEY, None, begun).await
    }

    /// Signs in by a passkey alone: it knows its holder, and so is both factors.
    ///
    /// # Errors
    /// `SignInFailed`, whatever was wrong; the store's failures.
    pub async fn sign_in_by_passkey(
        &self,
        ceremony: &Secret,
        credential: &Secret,
        origin: &Origin,
        former: Option<&Principal>,
    ) -> Result<NewSession, Refusal> {
        let Some(state) = self.end_ceremony(ANY_PASSKEY, None, ceremony).await? else {
            return Err(self.failed(None, origin).await);
        };
        let Some((user, passkey)) = self.claimed(credential).await? else {
            return Err(self.failed(None, origin).await);
        };
        let key = passkeys::opened(&passkey)?;
        let factor = match self.0.passkeys.discovered(&state, credential.expose(), &key)? {
            Ok(result) => passkey_use(&[passkey], &result)?,
            Err(doubt) => {
                self.doubt(&user, doubt, origin).await?;
                None
            }
        };
        let Some(factor) = factor else { return Err(self.failed(Some(&user), origin).await) };
        if self.take(&user, factor, FactorPurpose::First, Vec::new(), origin).await? == FactorTaken::Not {
            return Err(self.failed(Some(&user), origin).await);
        }
        let session = self.begin(&user, Proof { at: self.now(), strong: true }, origin).await?;
        self.leave(former, origin).await?;
        self.tell_of_device(&user, false, origin).await;
        Ok(session)
    }

    /// Whose passkey claims to be shown, and which. Nothing is verified yet.
    async fn claimed(&self, credential: &Secret) -> Result<Option<(User, Passkey)>, Refusal> {
        let Some((user, id)) = self.0.passkeys.claimed(credential.expose()) else { return Ok(None) };
        let user = self.store().user(UserId(user)).await.map_err(unknowable)?;
        let Some(user) = user.filter(|user| user.enabled) else { return Ok(None) };
        let of = self.store().passkeys(user.id).await.map_err(unknowable)?;
        Ok(of.into_iter().find(|passkey| passkey.id == id).map(|passkey| (user, passkey)))
    }
}
