//! A factor that is shown: verified as an attempt that counts, and used up. Challenges for passkeys.

use std::time::Duration;

use palisade_model::audit::Origin;
use palisade_model::id::UserId;
use palisade_model::{Action, AuditEvent, Denial, Refusal, Secret, Token};
use palisade_store::{FactorPurpose, FactorTaken, FactorUse, Passkey, Pending, StoreError, User};
use serde_json::Value;

use crate::access::{Access, entry, unchanged, unknowable, unrandom, unrecorded};
use crate::factor::passkeys::{self, Begun, Doubt};
use crate::factor::{codes, totp};
use crate::letter::Notice;
use crate::lockout::Subjects;

/// How long a challenge for a passkey may be answered.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// The kind of ceremony in which a known user shows a passkey.
const SHOW_PASSKEY: &str = "passkey-show";

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

impl Access {
    /// Verifies a factor as an attempt that is counted, and uses it up.
    pub(super) async fn show(
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
    pub(super) async fn take(
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
    pub(super) async fn doubt(&self, user: &User, doubt: Doubt, origin: &Origin) -> Result<(), Refusal> {
        if doubt == Doubt::Copied {
            let row = entry(Action::PasskeyCopied, "user", &user.id, user, origin);
            self.store().append(vec![row]).await.map_err(unrecorded)?;
        }
        Ok(())
    }

    pub(super) async fn challenge_of(&self, user: UserId) -> Result<Challenge, Refusal> {
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
}

/// A passkey that was verified, as it is to be used up.
pub(super) fn passkey_use(
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
