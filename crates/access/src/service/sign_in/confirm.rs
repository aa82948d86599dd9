//! Proof anew in a session, which goes on under another cookie (ID-17).

use palisade_model::audit::Origin;
use palisade_model::{Action, Denial, Refusal, Token};
use palisade_store::{FactorPurpose, FactorTaken, Renewal, Session, Subject, User};

use crate::access::{Access, entry, unchanged, unknowable, unrandom};
use crate::lockout::{Subjects, Trial};
use crate::principal::{Principal, Via};
use crate::service::session::NewSession;
use crate::service::sign_in::enter::Method;
use crate::service::sign_in::prove::{Tried, failure};
use crate::service::sign_in::show::{Challenge, Shown};

impl Access {
    /// What somebody in a session can show to prove anew who they are. Nothing for whoever has neither a second
    /// factor nor a password: they sign in again.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn confirmable(&self, principal: &Principal) -> Result<(Vec<Method>, bool), Refusal> {
        let factors = self.store().factors(principal.user()).await.map_err(unknowable)?;
        if factors.any() {
            return Ok((Method::of(factors), false));
        }
        let user = self.store().user(principal.user()).await.map_err(unknowable)?;
        Ok((Vec::new(), user.is_some_and(|user| user.password.is_some())))
    }

    /// A challenge for a passkey of somebody in a session.
    ///
    /// # Errors
    /// [`Denial::RouteUnknown`] where there are no passkeys; the store's failures.
    pub async fn confirm_challenge(&self, principal: &Principal) -> Result<Challenge, Refusal> {
        self.challenge_of(principal.user()).await
    }

    /// Proves anew who holds this session: by their second factor if they have one, by their password otherwise. The
    /// session goes on under another cookie.
    ///
    /// # Errors
    /// [`Denial::FactorWrong`]; [`Denial::InvalidInput`] with the field `password`; the store's failures.
    pub async fn confirm(
        &self,
        principal: &Principal,
        shown: &Shown,
        origin: &Origin,
    ) -> Result<NewSession, Refusal> {
        let user = self.store().user(principal.user()).await.map_err(unknowable)?;
        let user = user.filter(|user| user.enabled).ok_or(Denial::CredentialInvalid)?;
        let (cookie, renewal) = self.renewal(principal)?;
        let row = entry(Action::Confirmed, "session", &renewal.session, &user, origin);
        let renewed = if let Shown::Password(password) = shown {
            let subjects = Subjects::within(Trial::Password, &user, principal);
            let tried = self.verify_counted(subjects, &user.name, password, Some(&user), origin).await?;
            if let Tried::Wrong(attempt) = tried {
                return Err(attempt.failed(failure(Some(&user), origin), wrong_password()).await);
            }
            // Whoever has a second factor gets no further by a password: the store sees to it.
            self.store().renew_session(user.id, renewal, vec![row]).await.map_err(unchanged)?
        } else {
            let subjects = Subjects::within(Trial::Factor, &user, principal);
            let purpose = FactorPurpose::Renewal(renewal);
            match self.show(subjects, &user, shown, purpose, vec![row], origin).await? {
                FactorTaken::Renewed(session) => session,
                _ => return Err(Refusal::new(Denial::Internal, "the session was not renewed")),
            }
        };
        self.renewed(&user, &renewed, cookie, origin)
    }

    /// A new cookie for the session that asks.
    pub(crate) fn renewal(&self, principal: &Principal) -> Result<(Token, Renewal), Refusal> {
        let Via::Session(session) = principal.via() else {
            return Err(Refusal::new(Denial::ProofNeeded, "not in a session"));
        };
        let cookie = Token::generate(&*self.0.world.entropy).map_err(unrandom)?;
        let renewal = Renewal { session, was: *principal.binding(), becomes: cookie.digest() };
        Ok((cookie, renewal))
    }

    /// A session that goes on under that cookie; the former one is believed no more.
    pub(crate) fn renewed(
        &self,
        user: &User,
        session: &Session,
        cookie: Token,
        origin: &Origin,
    ) -> Result<NewSession, Refusal> {
        self.revoke(&[Subject::Session(session.id)]);
        self.handed(user, session, cookie, origin)
    }
}

fn wrong_password() -> Refusal {
    Refusal::field("password", "Write the password that you sign in with.")
}
