//! Proof by password: one path, one time and one answer for whoever fails (ID-1).

use palisade_model::audit::Origin;
use palisade_model::{Action, AuditEvent, Denial, Refusal, Secret};
use palisade_store::User;

use crate::access::{Access, entry, unknowable, unrecorded};
use crate::lockout::Subjects;
use crate::name;
use crate::password::Verdict;
use crate::service::sign_in::attempt::Attempt;

/// What became of an attempt.
pub(crate) enum Tried {
    /// The password.
    Right,
    /// The password, under a hash that is due to be renewed.
    Stale,
    /// Not the password. Whoever says so to the client says it through this, so that it counts.
    Wrong(Attempt),
}

impl Access {
    /// The user who has this password.
    ///
    /// A locked account takes the same way as any other, and what its hash says is not heard: neither the answer
    /// nor its time tells that it is locked. A flood of it costs no more than one of made-up names.
    ///
    /// # Errors
    /// [`Denial::SignInFailed`] for an unknown, disabled or locked user, one without a password, and a wrong
    /// password alike, each with one row in the trail; [`Denial::LockedOut`] for an address or a known device;
    /// [`Denial::HashingBusy`]; the store's failures.
    pub(crate) async fn prove(
        &self,
        login: &str,
        password: &Secret,
        origin: &Origin,
    ) -> Result<User, Refusal> {
        let kept = name::as_kept(login);
        let known = match &kept {
            Some(login) => self.store().user_by_login(login).await.map_err(unknowable)?,
            None => None,
        };
        let subjects = Subjects::login(kept.as_deref().unwrap_or_default(), known.as_ref());
        let able = known.as_ref().filter(|user| user.enabled);
        let verdict = self.verify_counted(subjects, login, password, able, origin).await?;
        let refusal = || Refusal::new(Denial::SignInFailed, "unknown, disabled, locked or wrong password");
        match (verdict, able) {
            (Tried::Right, Some(user)) => Ok(user.clone()),
            (Tried::Stale, Some(user)) => Ok(self.renew(user.clone(), password, origin).await),
            (Tried::Wrong(attempt), _) => {
                Err(attempt.failed(failure(known.as_ref(), origin), refusal()).await)
            }
            _ => Err(refusal()),
        }
    }

    /// Verifies a password as an attempt that is counted. `able` is whose it has to be.
    ///
    /// # Errors
    /// [`Denial::LockedOut`], [`Denial::HashingBusy`], the store's failures.
    pub(crate) async fn verify_counted(
        &self,
        subjects: Subjects<'_>,
        login: &str,
        password: &Secret,
        able: Option<&User>,
        origin: &Origin,
    ) -> Result<Tried, Refusal> {
        let attempt = self.attempt(subjects, origin).await?;
        let hash = able.and_then(|user| user.password.as_deref());
        let verdict = match self.0.passwords.verify(login, password, hash).await {
            Ok(verdict) => verdict,
            Err(refusal) => {
                attempt.withdrawn().await?;
                return Err(refusal);
            }
        };
        // A hash of nobody is nobody's password, and a locked account has none that is right, whatever comes out.
        match (verdict, hash.filter(|_| !attempt.barred())) {
            (Verdict::Right, Some(_)) => attempt.succeeded().await.map(|()| Tried::Right),
            (Verdict::RightButStale, Some(_)) => attempt.succeeded().await.map(|()| Tried::Stale),
            _ => Ok(Tried::Wrong(attempt)),
        }
    }

    /// The refusal of somebody who proved it a moment ago, and for whom it does not hold any more.
    pub(crate) async fn failed(&self, user: Option<&User>, origin: &Origin) -> Refusal {
        match self.store().append(vec![failure(user, origin)]).await {
            Ok(()) => Refusal::new(Denial::SignInFailed, "disabled or changed meanwhile"),
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

/// A failed sign-in. A name that nobody has is not written down: people type passwords into the wrong field.
pub(crate) fn failure(user: Option<&User>, origin: &Origin) -> AuditEvent {
    match user {
        Some(user) => entry(Action::SignInFailed, "user", &user.id, user, origin),
        None => AuditEvent::new(Action::SignInFailed, "user", "unknown").from(origin),
    }
}
