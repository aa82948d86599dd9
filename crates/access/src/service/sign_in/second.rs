//! The second step of a sign-in, and proof anew in a session (ID-17).

use std::time::Duration;

use palisade_model::audit::Origin;
use palisade_model::id::UserId;
use palisade_model::{Action, AuditEvent, Denial, Refusal, Secret, Timestamp, Token};
use palisade_store::{
    FactorPurpose, FactorTaken, FactorUse, Passkey, Pending, Renewal, Session, StoreError, Subject, User,
};
use serde_json::Value;

use crate::access::{Access, entry, unchanged, unknowable, unrandom, unrecorded};
use crate::factor::passkeys::{self, Begun, Doubt};
use crate::factor::{codes, totp};
use crate::letter::Notice;
use crate::lockout::{Subjects, Trial};
use crate::principal::{Principal, Via};
use crate::service::session::{NewSession, Proof};
use crate::service::sign_in::enter::{First, Method, SECOND, Waiting};
use crate::service::sign_in::prove::{Tried, failure};
use crate::service::sign_in::tokens::Tokens;

/// How often a second factor may be tried with one ticket.
const TRIES: u32 = 5;

/// How long a challenge for a passkey may be answered.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// The kind of ceremony in which a known user shows a passkey.
const SHOW_PASSKEY: &str = "passkey-show";

/// The kind of ceremony in which somebody signs in by a passkey alone.
const ANY_PASSKEY: &str = "passkey-any";

/// What somebody shows to prove who they are.
#[derive(Clone, Debug)]
pub enum Shown {
    /// The password; enough only for whoever has no second factor.
    Password(Secret),
    /// A code of an authenticator application, or a recovery code.
    Code(Secret),
    /// A passkey's answer to a challenge.
    Passkey {
        /// The token that came with the challenge.
        ceremony: Secret,
        /// What `navigator.credentials.get` gave, as JSON.
        credential: Secret,
    },
}

/// A challenge for a passkey.
#[derive(Debug)]
pub struct Challenge {
    /// Names the challenge when it is answered; shown this once.
    pub ceremony: Token,
    /// For `navigator.credentials`, as JSON (WebAuthn level 3, section 5.1.8).
    pub options: Value,
}

/// What a second step led to.
#[derive(Debug)]
pub enum Completed {
    /// A session.
    Session(NewSession),
    /// Tokens, as they were asked for in the first step.
    Tokens(Tokens),
}

impl Access {
    /// What can be shown for a ticket, until when, and whose it is. Looking changes nothing.
    ///
    /// # Errors
    /// [`Denial::TicketInvalid`] for one that is over, was tried too often, or never was.
    pub async fn waiting(&self, ticket: &str) -> Result<(Vec<Method>, Timestamp), Refusal> {
        let digest = Token::digest_of(ticket).ok_or(Denial::TicketInvalid)?;
        let pending = self.store().pending(&digest, SECOND).await.map_err(unknowable)?;
        let pending = pending.filter(|pending| pending.tries < TRIES).ok_or(Denial::TicketInvalid)?;
        let user = pending.user.ok_or(Denial::TicketInvalid)?;
        let factors = self.store().factors(user).await.map_err(unknowable)?;
        Ok((Method::of(factors), pending.expires_at))
    }

    /// A challenge for a passkey of whoever holds this ticket.
    ///
    /// # Errors
    /// [`Denial::TicketInvalid`]; [`Denial::RouteUnknown`] where there are no passkeys; the store's failures.
    pub async fn second_challenge(&self, ticket: &str) -> Result<Challenge, Refusal> {
        let digest = Token::digest_of(ticket).ok_or(Denial::TicketInvalid)?;
        let pending = self.store().pending(&digest, SECOND).await.map_err(unknowable)?;
        let user = pending.and_then(|pending| pending.user).ok_or(Denial::TicketInvalid)?;
        self.challenge_of(user).await
    }

    /// Signs in whoever holds this ticket and shows their second factor. Each try counts, whatever becomes of it.
    ///
    /// # Errors
    /// [`Denial::FactorWrong`]; [`Denial::TicketInvalid`]; the store's failures.
    pub async fn second(
        &self,
        ticket: &str,
        shown: &Shown,
        origin: &Origin,
        former: Option<&Principal>,
    ) -> Result<Completed, Refusal> {
        let over = |why: &'static str| Refusal::new(Denial::TicketInvalid, why);
        let digest = Token::digest_of(ticket).ok_or_else(|| over("the ticket is malformed"))?;
        let pending = self.store().try_pending(&digest, SECOND, TRIES).await.map_err(unchanged)?;
        let pending = pending.ok_or_else(|| over("the ticket is unknown, over, or was tried too often"))?;
        let waiting: Waiting = serde_json::from_slice(&pending.state)
            .map_err(|_| Refusal::new(Denial::Internal, "a waiting sign-in could not be read"))?;
        let user = self.user_of(&pending).await?.ok_or_else(|| over("the ticket of nobody"))?;
        let purpose = FactorPurpose::Second { kind: SECOND, digest };
        let subjects = Subjects::user(Trial::Factor, &user);
        self.show(subjects, &user, shown, purpose, Vec::new(), origin).await?;
        if waiting.tokens {
            let tokens = self.begin_family(&user, true, origin).await?;
            self.tell_of_device(&user, true, origin).await;
            return Ok(Completed::Tokens(tokens));
        }
        let proof = Proof { at: self.now(), strong: true };
        let session = self.begin_from(&user, proof, waiting.first.source(), origin).await?;
        self.leave(former, origin).await?;
        if waiting.first != First::Link {
            self.tell_of_device(&user, false, origin).await;
        }
        Ok(Completed::Session(session))
    }

    /// A challenge for whoever wants to sign in by a passkey alone.
    ///
    /// # Errors
    /// [`Denial::RouteUnknown`] where there are no passkeys; the store's failures.
    pub async fn passkey_challenge(&self) -> Result<Challenge, Refusal> {
        let begun = self.0.passkeys.ask_anybody()?;
        self.begin_ceremony(ANY_PASSKEY, None, begun).await
    }

    /// Signs in by a passkey alone: it knows its holder, and so is both factors.
    ///
    /// # Errors
    /// [`Denial::SignInFailed`], whatever was wrong; the store's failures.
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

    /// Verifies a factor as an attempt that is counted, and uses it up.
    async fn show(
        &self,
        subjects: Subjects<'_>,
        user: &User,
        shown: &Shown,
        purpose: FactorPurpose,
        rows: Vec<AuditEvent>,
        origin: &Origin,
    ) -> Result<FactorTaken, Refusal> {
        let attempt = self.attempt(subjects, origin).await?;
        let outcome = match self.verify(user, shown, origin).await {
            // A locked account has no factor that is right, whatever comes out.
            Ok(Some(factor)) if !attempt.barred() => self.take(user, factor, purpose, rows, origin).await,
            Ok(_) => Ok(FactorTaken::Not),
            Err(refusal) => Err(refusal),
        };
        match outcome {
            Ok(FactorTaken::Not) => {
                let row = entry(Action::SecondFactorFailed, "user", &user.id, user, origin);
                let refusal =
                    Refusal::new(Denial::FactorWrong, "wrong, used before, or the account is locked");
                Err(attempt.failed(row, refusal).await)
            }
            Ok(taken) => attempt.succeeded().await.map(|()| taken),
            Err(refusal) => {
                attempt.withdrawn().await?;
                Err(refusal)
            }
        }
    }

    /// The factor that was shown, if it is right; it is not used up yet.
    async fn verify(
        &self,
        user: &User,
        shown: &Shown,
        origin: &Origin,
    ) -> Result<Option<FactorUse>, Refusal> {
        match shown {
            Shown::Password(_) => Ok(None),
            Shown::Code(code) => match codes::digest_of(user.id, code.expose()) {
                Some(digest) => Ok(Some(FactorUse::RecoveryCode(digest))),
                None => self.verify_totp(user, code).await,
            },
            Shown::Passkey { ceremony, credential } => {
                let state = self.end_ceremony(SHOW_PASSKEY, Some(user), ceremony).await?;
                let Some(state) = state else { return Ok(None) };
                match self.0.passkeys.shown(&state, credential.expose())? {
                    Ok(result) => {
                        let of = self.store().passkeys(user.id).await.map_err(unknowable)?;
                        passkey_use(&of, &result)
                    }
                    Err(doubt) => self.doubt(user, doubt, origin).await.map(|()| None),
                }
            }
        }
    }

    async fn verify_totp(&self, user: &User, code: &Secret) -> Result<Option<FactorUse>, Refusal> {
        let Some(totp) = self.store().totp(user.id).await.map_err(unknowable)? else { return Ok(None) };
        let name = user.id.to_string();
        let sealer = &self.0.factors;
        let sealed = |why: crate::AccessError| Refusal::new(Denial::Internal, why.to_string());
        let opened = sealer.open(&name, &totp.sealed).map_err(sealed)?;
        let Some(step) = totp::step_of(&opened.secret, code.expose(), self.now()) else { return Ok(None) };
        let becomes = if opened.stale {
            sealer.seal(&name, &opened.secret, &self.0.world).map_err(sealed)?
        } else {
            totp.sealed.clone()
        };
        Ok(Some(FactorUse::Totp { was: totp.sealed, becomes, step }))
    }

    /// Uses a factor up. A recovery code is told of.
    async fn take(
        &self,
        user: &User,
        factor: FactorUse,
        purpose: FactorPurpose,
        mut rows: Vec<AuditEvent>,
        origin: &Origin,
    ) -> Result<FactorTaken, Refusal> {
        let recovery = matches!(factor, FactorUse::RecoveryCode(_));
        if recovery {
            rows.push(entry(Action::RecoveryCodeUsed, "user", &user.id, user, origin));
        }
        let taken = match self.store().use_factor(user.id, factor, purpose, rows).await {
            Ok(taken) => taken,
            Err(StoreError::Gone) => {
                return Err(Refusal::new(Denial::TicketInvalid, "what the factor was shown for is over"));
            }
            Err(error) => return Err(unchanged(error)),
        };
        if recovery && taken != FactorTaken::Not {
            let left = self.store().factors(user.id).await.map_or(0, |factors| factors.recovery_codes);
            self.notify(user, Notice::RecoveryCodeUsed { left }, origin).await;
        }
        Ok(taken)
    }

    /// A passkey that may have been copied is worth a row of its own.
    async fn doubt(&self, user: &User, doubt: Doubt, origin: &Origin) -> Result<(), Refusal> {
        if doubt == Doubt::Copied {
            let row = entry(Action::PasskeyCopied, "user", &user.id, user, origin);
            self.store().append(vec![row]).await.map_err(unrecorded)?;
        }
        Ok(())
    }

    async fn challenge_of(&self, user: UserId) -> Result<Challenge, Refusal> {
        let kept = self.store().passkeys(user).await.map_err(unknowable)?;
        let of = kept.iter().map(passkeys::opened).collect::<Result<Vec<_>, _>>()?;
        if of.is_empty() {
            return Err(Refusal::new(Denial::RouteUnknown, "no passkeys to ask for"));
        }
        self.begin_ceremony(SHOW_PASSKEY, Some(user), self.0.passkeys.ask(&of)?).await
    }

    /// Keeps what a ceremony remembers, under a token for its holder.
    pub(crate) async fn begin_ceremony(
        &self,
        kind: &str,
        user: Option<UserId>,
        begun: Begun,
    ) -> Result<Challenge, Refusal> {
        let ceremony = Token::generate(&*self.0.world.entropy).map_err(unrandom)?;
        let pending = Pending {
            digest: ceremony.digest(),
            kind: kind.to_owned(),
            user,
            state: begun.state,
            tries: 0,
            expires_at: self.now().plus(PATIENCE),
        };
        self.store().begin_pending(&pending, Vec::new()).await.map_err(unchanged)?;
        Ok(Challenge { ceremony, options: begun.options })
    }

    /// What a ceremony remembers: once, whatever comes of it, and only for the user whose it is.
    pub(crate) async fn end_ceremony(
        &self,
        kind: &str,
        user: Option<&User>,
        ceremony: &Secret,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(digest) = Token::digest_of(ceremony.expose()) else { return Ok(None) };
        let pending = self.store().take_pending(&digest, kind).await.map_err(unchanged)?;
        let pending = pending.filter(|pending| pending.user == user.map(|user| user.id));
        Ok(pending.map(|pending| pending.state))
    }

    async fn user_of(&self, pending: &Pending) -> Result<Option<User>, Refusal> {
        let Some(id) = pending.user else { return Ok(None) };
        let user = self.store().user(id).await.map_err(unknowable)?;
        Ok(user.filter(|user| user.enabled))
    }
}

/// A passkey that was verified, as it is to be used up.
fn passkey_use(
    of: &[Passkey],
    result: &webauthn_rs::prelude::AuthenticationResult,
) -> Result<Option<FactorUse>, Refusal> {
    let id: &[u8] = result.cred_id();
    // Asked for, and so answered: a passkey that does not know its holder is one factor at most.
    let Some(kept) = of.iter().find(|kept| kept.id == id).filter(|_| result.user_verified()) else {
        return Ok(None);
    };
    let mut passkey = passkeys::opened(kept)?;
    passkey.update_credential(result);
    let becomes = passkeys::kept(&passkey)?;
    Ok(Some(FactorUse::Passkey { id: kept.id.clone(), was: kept.credential.clone(), becomes }))
}

fn wrong_password() -> Refusal {
    Refusal::field("password", "Write the password that you sign in with.")
}
