//! Proof by password: one path, one time and one answer for whoever fails (ID-1).

use palisade_model::audit::Origin;
use palisade_model::{Action, AuditEvent, Denial, Refusal, Secret};
use palisade_store::User;

use crate::access::{Access, entry, unknowable, unrecorded};
use crate::name;
use crate::password::Verdict;

impl Access {
    /// The user who has this password.
    ///
    /// # Errors
    /// [`Denial::SignInFailed`] for an unknown or disabled user, one without a password, and a wrong
    /// password alike, each with one row in the trail; [`Denial::HashingBusy`]; the store's failures.
    pub(crate) async fn prove(
        &self,
        login: &str,
        password: &Secret,
        origin: &Origin,
    ) -> Result<User, Refusal> {
        let known = match name::as_kept(login) {
            Some(login) => self.store().user_by_login(&login).await.map_err(unknowable)?,
            None => None,
        };
        let able = known.as_ref().filter(|user| user.enabled);
        let verdict =
            self.0.passwords.verify(login, password, able.and_then(|user| user.password.as_deref())).await?;
        match (verdict, able) {
            (Verdict::Right, Some(user)) => Ok(user.clone()),
            (Verdict::RightButStale, Some(user)) => Ok(self.renew(user.clone(), password, origin).await),
            _ => Err(self.failed(known.as_ref(), origin).await),
        }
    }

    /// The one refusal for all, recorded. A name that nobody has is not written down: people type
    /// passwords into the wrong field.
    pub(crate) async fn failed(&self, user: Option<&User>, origin: &Origin) -> Refusal {
        let row = match user {
            Some(user) => entry(Action::SignInFailed, "user", &user.id, user, origin),
            None => AuditEvent::new(Action::SignInFailed, "user", "unknown").from(origin),
        };
        match self.store().append(vec![row]).await {
            Ok(()) => Refusal::new(Denial::SignInFailed, "unknown, disabled or wrong password"),
            Err(error) => unrecorded(error),
        }
    }

    /// A hash of another kind or cost than the policy's is made anew while the password is at hand (ID-3). If
    /// that does not work now, it will at the next sign-in.
    async fn renew(&self, mut user: User, password: &Secret, origin: &Origin) -> User {
        let Some(old) = user.password.clone() else { return user };
        let Ok(new) = self.0.passwords.hash(password).await else { return user };
        let row = entry(Action::HashRenewed, "user", &user.id, &user, origin);
        if self.store().renew_hash(user.id, &old, &new, vec![row]).await.is_ok() {
            user.password = Some(new);
        }
        user
    }

    /// Whether what was proven a moment ago still holds: hashing takes long enough for the user to be
    /// disabled or the password to be reset meanwhile. To be asked after the credential was made: whatever
    /// happens later ends the credential itself.
    pub(crate) async fn still_holds(&self, proven: &User) -> Result<bool, Refusal> {
        let now = self.store().user(proven.id).await.map_err(unknowable)?;
        Ok(now.is_some_and(|user| user.enabled && user.password == proven.password))
    }
}
