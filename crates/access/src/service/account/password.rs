//! Changing one's password.

use palisade_model::audit::Origin;
use palisade_model::{Action, Denial, Refusal, Secret};
use palisade_store::{NewPassword, Renewal, Session, User};

use crate::access::{Access, entry, unchanged, unknowable};
use crate::letter::Notice;
use crate::lockout::{Subjects, Trial};
use crate::password::Subject;
use crate::principal::{Principal, Via};
use crate::service::session::{NewSession, Proof};
use crate::service::sign_in::prove::{Tried, failure};

impl Access {
    /// Sets a new password for whoever knows the old one. All sessions and tokens of the user end; the session
    /// that asked goes on under a new cookie (ID-8), and still ends with the provider's session that it began by.
    ///
    /// # Errors
    /// [`Denial::InvalidInput`] with the field `old_password` or `new_password`; [`Denial::LockedOut`] when the old one
    /// was wrong too often in this session; the store's failures.
    pub async fn change_password(
        &self,
        principal: &Principal,
        old: &Secret,
        new: &Secret,
        origin: &Origin,
    ) -> Result<NewSession, Refusal> {
        let user = self.store().user(principal.user()).await.map_err(unknowable)?;
        let user = user.filter(|user| user.enabled).ok_or(Denial::CredentialInvalid)?;
        let subjects = Subjects::within(Trial::Password, &user, principal);
        if let Tried::Wrong(attempt) =
            self.verify_counted(subjects, &user.name, old, Some(&user), origin).await?
        {
            let refusal = Refusal::field("old_password", "Write the password that you sign in with now.");
            return Err(attempt.failed(failure(Some(&user), origin), refusal).await);
        }
        self.renew_password(user, principal, new, origin).await
    }

    /// Whether the principal has a password: whoever came by an account elsewhere may have none.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn has_password(&self, principal: &Principal) -> Result<bool, Refusal> {
        let user = self.store().user(principal.user()).await.map_err(unknowable)?;
        Ok(user.is_some_and(|user| user.password.is_some()))
    }

    /// Sets a password for whoever has none yet and has just proven who they are. What ends and what goes on is as in
    /// [`Access::change_password`].
    ///
    /// # Errors
    /// [`Denial::ProofNeeded`]; [`Denial::InvalidInput`] with the field `new_password`, or with `old_password` when
    /// there is a password after all; the store's failures.
    pub async fn set_first_password(
        &self,
        principal: &Principal,
        new: &Secret,
        origin: &Origin,
    ) -> Result<NewSession, Refusal> {
        self.fresh(principal)?;
        let user = self.store().user(principal.user()).await.map_err(unknowable)?;
        let user = user.filter(|user| user.enabled).ok_or(Denial::CredentialInvalid)?;
        if user.password.is_some() {
            return Err(Refusal::field("old_password", "Enter your current password."));
        }
        self.renew_password(user, principal, new, origin).await
    }

    /// Judges and sets a password. A password proves nothing of a second factor: what was proven before, and when, goes
    /// on in the session that asked; for a token there is a new session.
    async fn renew_password(
        &self,
        user: User,
        principal: &Principal,
        new: &Secret,
        origin: &Origin,
    ) -> Result<NewSession, Refusal> {
        self.judge_new(&user, "new_password", new).await?;
        let hash = self.0.passwords.hash(new).await?;
        let (cookie, renewal) = match principal.via() {
            Via::Session(_) => {
                self.renewal(principal).map(|(cookie, renewal)| (Some(cookie), Some(renewal)))?
            }
            Via::Token(_) | Via::Key(_) => (None, None),
        };
        let (user, renewed) = self.write_password(user, hash, renewal, origin).await?;
        if let (Some(cookie), Some(session)) = (cookie, renewed) {
            return self.renewed(&user, &session, cookie, origin);
        }
        let proof =
            Proof { at: principal.proven_at().unwrap_or(user.created_at), strong: principal.strong() };
        self.begin(&user, proof, origin).await
    }

    pub(crate) async fn judge_new(
        &self,
        user: &User,
        field: &'static str,
        new: &Secret,
    ) -> Result<(), Refusal> {
        // The present one is the first of the history.
        let former = self.policy().identify.passwords.history.saturating_add(1);
        let former = self.store().password_history(user.id, former).await.map_err(unknowable)?;
        let subject = Subject { name: &user.name, email: user.email.as_deref() };
        self.0.passwords.judge(field, new, &subject, former).await
    }

    /// Sets the password and ends everything that rested on the old one; the user as they are now, and the session that
    /// goes on.
    async fn write_password(
        &self,
        mut user: User,
        hash: String,
        renewal: Option<Renewal>,
        origin: &Origin,
    ) -> Result<(User, Option<Session>), Refusal> {
        let now = self.now();
        let new = NewPassword { hash, at: now, keep_history: self.policy().identify.passwords.history };
        let row = entry(Action::PasswordChanged, "user", &user.id, &user, origin);
        let notice = self.notice(&user, Notice::PasswordChanged, origin)?;
        let renewed = self.store().set_password(&user, &new, renewal, notice.as_ref(), vec![row]).await;
        let renewed = renewed.map_err(unchanged)?;
        self.revoke_user(user.id);
        if notice.is_some() {
            self.0.posted.notify_one();
        }
        user.password = Some(new.hash);
        user.password_at = Some(now);
        Ok((user, renewed))
    }
}
