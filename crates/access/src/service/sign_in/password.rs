//! Sign-in by name and password (ID-1).

use palisade_model::audit::Origin;
use palisade_model::{Refusal, Secret};

use crate::access::Access;
use crate::principal::Principal;
use crate::service::sign_in::enter::{Entered, First};

impl Access {
    /// A new session for whoever has this password, or the question for their second factor. `former` is whom the
    /// browser's cookie named before: that session ends, so that nobody who planted or knew it comes along (session
    /// fixation).
    ///
    /// # Errors
    /// `SignInFailed`, `HashingBusy`, and the store's failures.
    pub async fn sign_in(
        &self,
        login: &str,
        password: &Secret,
        origin: &Origin,
        former: Option<&Principal>,
    ) -> Result<Entered, Refusal> {
        let user = self.prove(login, password, origin).await?;
        self.enter(&user, First::Password, origin, former).await
    }
}
