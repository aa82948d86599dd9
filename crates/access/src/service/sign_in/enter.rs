//! What follows a first proof: a session, or the question for a second factor (ID-17).

use std::time::Duration;

use palisade_model::audit::Origin;
use palisade_model::{Action, Denial, Refusal, Timestamp, Token};
use palisade_store::{Factors, Pending, SessionKind, Source, StoreError, User};
use serde::{Deserialize, Serialize};

use crate::access::{Access, entry, unchanged, unknowable, unrandom};
use crate::principal::Principal;
use crate::service::session::{NewSession, Proof};

/// How long somebody may take to show a second factor.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// The kind of ceremony that a sign-in becomes when it waits for its second factor.
pub(crate) const SECOND: &str = "second";

/// What somebody proved first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum First {
    /// That they know the password.
    Password,
    /// That they read the mail of the account.
    Link,
    /// An account elsewhere.
    Provider {
        /// The issuer's URL.
        issuer: String,
        /// Their name there.
        subject: String,
        /// Their session there, which a back-channel logout names.
        sid: Option<String>,
        /// What it wants to see at sign-out, sealed.
        hint: Option<Vec<u8>>,
        /// The issuer says that it asked for a second factor itself, and the policy believes it.
        strong: bool,
    },
    /// A passkey that also knows its holder: both factors in one.
    Passkey,
}

impl First {
    /// By which account elsewhere the session begins, so that it ends with that.
    pub(crate) fn source(&self) -> Option<Source> {
        match self {
            Self::Provider { issuer, subject, sid, hint, .. } => Some(Source {
                issuer: issuer.clone(),
                subject: subject.clone(),
                sid: sid.clone(),
                hint: hint.clone(),
            }),
            _ => None,
        }
    }

    /// Whether no second factor is asked for any more.
    const fn is_strong(&self) -> bool {
        matches!(self, Self::Passkey | Self::Provider { strong: true, .. })
    }
}

/// What a second factor can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// A passkey.
    Passkey,
    /// A code of an authenticator application (RFC 6238).
    Totp,
    /// One of the codes that were written down when the factor was set up.
    RecoveryCode,
}

impl Method {
    /// Its name for programs, and in the trail.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passkey => "passkey",
            Self::Totp => "totp",
            Self::RecoveryCode => "recovery_code",
        }
    }

    /// Those that a user has, the best first.
    pub(crate) fn of(factors: Factors) -> Vec<Self> {
        let has = [
            (factors.passkeys > 0, Self::Passkey),
            (factors.totp, Self::Totp),
            (factors.recovery_codes > 0, Self::RecoveryCode),
        ];
        has.into_iter().filter_map(|(has, method)| has.then_some(method)).collect()
    }
}

/// A sign-in that waits for its second factor: good for nothing else.
#[derive(Debug)]
pub struct HalfIn {
    /// To be shown with the second factor; shown this once.
    pub ticket: Token,
    /// What can be shown.
    pub methods: Vec<Method>,
    /// When the ticket ends.
    pub expires_at: Timestamp,
}

/// What a first proof led to.
#[derive(Debug)]
pub enum Entered {
    /// They are signed in.
    Session(NewSession),
    /// They have a second factor and must show it.
    SecondFactor(HalfIn),
}

impl Entered {
    /// The session, where no second step can follow.
    ///
    /// # Errors
    /// [`Denial::SecondFactorNeeded`].
    pub fn session(self) -> Result<NewSession, Refusal> {
        match self {
            Self::Session(session) => Ok(session),
            Self::SecondFactor(_) => Err(Denial::SecondFactorNeeded.into()),
        }
    }
}

/// What a waiting sign-in remembers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Waiting {
    /// What was proven first.
    pub(crate) first: First,
    /// Whether tokens are wanted, and no session.
    pub(crate) tokens: bool,
}

impl Access {
    /// Lets somebody in who has proven `first` a moment ago, `user` being the record that it was proven by: with a
    /// session, or with the question for their second factor. `former` is whom the browser's cookie named before:
    /// that session ends with a new one, so that nobody who planted or knew it comes along (session fixation).
    ///
    /// # Errors
    /// [`Denial::SignInFailed`] when the proof was overtaken meanwhile; the store's failures.
    pub(crate) async fn enter(
        &self,
        user: &User,
        first: First,
        origin: &Origin,
        former: Option<&Principal>,
    ) -> Result<Entered, Refusal> {
        let factors = self.store().factors(user.id).await.map_err(unknowable)?;
        if factors.any() && !first.is_strong() {
            return Ok(Entered::SecondFactor(self.ask(user, factors, first, false, origin).await?));
        }
        let proof = Proof { at: self.now(), strong: first.is_strong() };
        let session = self.begin_from(user, proof, first.source(), origin).await?;
        self.leave(former, origin).await?;
        // A link has told by itself.
        if first != First::Link {
            self.tell_of_device(user, false, origin).await;
        }
        Ok(Entered::Session(session))
    }

    /// Asks for the second factor. No session is made; the one that the browser has goes on until there is another.
    pub(crate) async fn ask(
        &self,
        user: &User,
        factors: Factors,
        first: First,
        tokens: bool,
        origin: &Origin,
    ) -> Result<HalfIn, Refusal> {
        let ticket = Token::generate(&*self.0.world.entropy).map_err(unrandom)?;
        let expires_at = self.now().plus(PATIENCE);
        let state = serde_json::to_vec(&Waiting { first, tokens })
            .map_err(|_| Refusal::new(Denial::Internal, "a waiting sign-in could not be written"))?;
        let pending = Pending {
            digest: ticket.digest(),
            kind: SECOND.to_owned(),
            user: Some(user.id),
            state,
            tries: 0,
            expires_at,
        };
        let row = entry(Action::SecondFactorAsked, "user", &user.id, user, origin);
        match self.store().begin_pending(&pending, vec![row]).await {
            Ok(()) => {}
            Err(StoreError::Gone) => return Err(self.failed(Some(user), origin).await),
            Err(error) => return Err(unchanged(error)),
        }
        // Whatever changes the password from now on ends the ticket too.
        if !self.still_holds(user).await? {
            self.store().take_pending(&pending.digest, SECOND).await.map_err(unchanged)?;
            return Err(self.failed(Some(user), origin).await);
        }
        Ok(HalfIn { ticket, methods: Method::of(factors), expires_at })
    }

    /// Whether somebody proved recently enough who they are for what is sensitive: by `identify.second_factor.fresh`.
    /// Whoever has a second factor has shown it in that proof: no session without it exists.
    ///
    /// # Errors
    /// [`Denial::ProofNeeded`]; always for tokens, which nobody can be asked through. [`Denial::Forbidden`] for a session
    /// that was begun with one.
    pub fn fresh(&self, principal: &Principal) -> Result<(), Refusal> {
        let window = self.policy().identify.second_factor.fresh;
        match principal.proven_at() {
            // A token tells of nobody, and there is nothing to prove anew.
            Some(_) if principal.kind() == SessionKind::Guest => {
                Err(Refusal::new(Denial::Forbidden, "the session was begun with a token"))
            }
            Some(at) if self.now().since(at) <= window => Ok(()),
            Some(_) => Err(Refusal::new(Denial::ProofNeeded, "the last proof is too long ago")),
            None => Err(Refusal::new(Denial::ProofNeeded, "not in a session")),
        }
    }
}
