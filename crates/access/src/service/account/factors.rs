//! One's second factors: seen, set up, given up (ID-17). Whatever changes them asks for recent proof, and ends all
//! other sessions and tokens.

use palisade_model::audit::Origin;
use palisade_model::id::UserId;
use palisade_model::{Action, AuditEvent, Denial, Refusal, Secret, Timestamp, Token};
use palisade_store::{FactorChange, Passkey, Pending, StoreError, User};
use zeroize::Zeroizing;

use crate::access::{Access, entry, unchanged, unknowable, unrandom};
use crate::error::AccessError;
use crate::factor::{codes, passkeys, totp};
use crate::letter::Notice;
use crate::principal::Principal;
use crate::service::session::NewSession;
use crate::service::sign_in::show::{Challenge, PATIENCE};

/// The kind of ceremony in which an authenticator application is set up.
const NEW_TOTP: &str = "totp-new";

/// The kind of ceremony in which a passkey is made.
const NEW_PASSKEY: &str = "passkey-new";

/// How often a first code may be tried.
const TRIES: u32 = 10;

/// The most passkeys that one user may have.
const MOST: usize = 20;

/// The longest name of a passkey, in characters.
const NAME: usize = 64;

/// What second factors somebody has.
#[derive(Clone, Debug)]
pub struct Held {
    /// Since when they have an authenticator application.
    pub totp: Option<Timestamp>,
    /// Their passkeys, the oldest first.
    pub passkeys: Vec<Passkey>,
    /// How many recovery codes are left.
    pub recovery_codes: u32,
}

/// The secret for an authenticator application that is being set up.
#[derive(Debug)]
pub struct TotpOffer {
    /// Names the offer when it is confirmed.
    pub ceremony: Secret,
    /// The secret as people type it.
    pub secret: Secret,
    /// The `otpauth:` address for a QR code.
    pub uri: Secret,
}

/// What a change of factors gave.
#[derive(Debug)]
pub struct Changed {
    /// The session goes on like this; when its user proved who they are has not moved.
    pub session: NewSession,
    /// New recovery codes, shown this once.
    pub codes: Option<Vec<Secret>>,
}

impl Access {
    /// Whether passkeys can be used on this site: on https, and on localhost; never at an IP address.
    #[must_use]
    pub fn passkeys_possible(&self) -> bool {
        self.0.passkeys.possible()
    }

    /// What second factors somebody has.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn held_factors(&self, principal: &Principal) -> Result<Held, Refusal> {
        let user = principal.user();
        Ok(Held {
            totp: self.store().totp(user).await.map_err(unknowable)?.map(|totp| totp.created_at),
            passkeys: self.store().passkeys(user).await.map_err(unknowable)?,
            recovery_codes: self.store().factors(user).await.map_err(unknowable)?.recovery_codes,
        })
    }

    /// A secret for an authenticator application, new each time: nobody can have seen it before.
    ///
    /// # Errors
    /// [`Denial::ProofNeeded`]; [`Denial::InvalidInput`] when there is an application already; the store's failures.
    pub async fn offer_totp(&self, principal: &Principal) -> Result<TotpOffer, Refusal> {
        self.fresh(principal)?;
        if self.store().totp(principal.user()).await.map_err(unknowable)?.is_some() {
            return Err(Refusal::field("code", "You have an authenticator app already. Remove it first."));
        }
        let secret = totp::generate(&self.0.world).map_err(unrandom)?;
        let name = principal.user().to_string();
        let sealed = self.0.factors.seal(&name, &secret, &self.0.world).map_err(|why| unsealed(&why))?;
        let ceremony = Token::generate(&*self.0.world.entropy).map_err(unrandom)?;
        let pending = Pending {
            digest: ceremony.digest(),
            kind: NEW_TOTP.to_owned(),
            user: Some(principal.user()),
            state: sealed,
            tries: 0,
            expires_at: self.now().plus(PATIENCE * 2),
        };
        self.store().begin_pending(&pending, Vec::new()).await.map_err(unchanged)?;
        Ok(self.offered(principal, ceremony.expose(), &secret))
    }

    /// The same offer once more, for whoever mistyped the code.
    ///
    /// # Errors
    /// [`Denial::TicketInvalid`] when it is over.
    pub async fn offered_totp(&self, principal: &Principal, ceremony: &Secret) -> Result<TotpOffer, Refusal> {
        let digest = Token::digest_of(ceremony.expose()).ok_or(Denial::TicketInvalid)?;
        let pending = self.store().pending(&digest, NEW_TOTP).await.map_err(unknowable)?;
        let secret = self.secret_of(principal, pending)?;
        Ok(self.offered(principal, ceremony.expose(), &secret))
    }

    /// Sets up the application that has the offered secret, as its first code shows.
    ///
    /// # Errors
    /// [`Denial::ProofNeeded`]; [`Denial::InvalidInput`] with the field `code`; [`Denial::TicketInvalid`] when the
    /// offer is over; the store's failures.
    pub async fn add_totp(
        &self,
        principal: &Principal,
        ceremony: &Secret,
        code: &Secret,
        origin: &Origin,
    ) -> Result<Changed, Refusal> {
        self.fresh(principal)?;
        let digest = Token::digest_of(ceremony.expose()).ok_or(Denial::TicketInvalid)?;
        let pending = self.store().try_pending(&digest, NEW_TOTP, TRIES).await.map_err(unchanged)?;
        let secret = self.secret_of(principal, pending)?;
        let step = totp::step_of(&secret, code.expose(), self.now());
        let step = step.ok_or_else(|| Refusal::field("code", "Write the code that the app shows now."))?;
        let name = principal.user().to_string();
        let sealed = self.0.factors.seal(&name, &secret, &self.0.world).map_err(|why| unsealed(&why))?;
        self.change(principal, FactorChange::AddTotp { sealed, step }, "an authenticator app", origin).await
    }

    /// A challenge for a new passkey.
    ///
    /// # Errors
    /// [`Denial::ProofNeeded`]; [`Denial::RouteUnknown`] where there can be none; the store's failures.
    pub async fn new_passkey_challenge(&self, principal: &Principal) -> Result<Challenge, Refusal> {
        self.fresh(principal)?;
        let kept = self.store().passkeys(principal.user()).await.map_err(unknowable)?;
        if kept.len() >= MOST {
            return Err(Refusal::field(
                "passkey",
                "You have as many passkeys as you can have. Remove one first.",
            ));
        }
        let present = kept.iter().map(passkeys::opened).collect::<Result<Vec<_>, _>>()?;
        let begun = self.0.passkeys.register(principal.user().0, principal.name(), &present)?;
        self.begin_ceremony(NEW_PASSKEY, Some(principal.user()), begun).await
    }

    /// Keeps a new passkey under a name.
    ///
    /// # Errors
    /// [`Denial::ProofNeeded`]; [`Denial::InvalidInput`] with the field `name` or `passkey`; the store's failures.
    pub async fn add_passkey(
        &self,
        principal: &Principal,
        name: &str,
        ceremony: &Secret,
        credential: &Secret,
        origin: &Origin,
    ) -> Result<Changed, Refusal> {
        self.fresh(principal)?;
        let name = name.trim();
        if name.is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control) {
            return Err(Refusal::field("name", "Write a name of at most 64 characters."));
        }
        let user = self.changing(principal).await?;
        let state = self.end_ceremony(NEW_PASSKEY, Some(&user), ceremony).await?;
        let refused = || Refusal::field("passkey", "The passkey could not be added. Try again.");
        let state = state.ok_or_else(refused)?;
        let passkey = self.0.passkeys.registered(&state, credential.expose())?.map_err(|_| refused())?;
        let kept = Passkey {
            id: passkey.cred_id().to_vec(),
            user: user.id,
            name: name.to_owned(),
            credential: passkeys::kept(&passkey)?,
            created_at: self.now(),
            last_used: None,
        };
        self.change(principal, FactorChange::AddPasskey(kept), "a passkey", origin).await
    }

    /// Gives up the authenticator application.
    ///
    /// # Errors
    /// [`Denial::ProofNeeded`]; [`Denial::InvalidInput`] when there is none; the store's failures.
    pub async fn remove_totp(&self, principal: &Principal, origin: &Origin) -> Result<Changed, Refusal> {
        self.fresh(principal)?;
        self.change(principal, FactorChange::RemoveTotp, "an authenticator app", origin).await
    }

    /// Gives up a passkey, by its credential's id.
    ///
    /// # Errors
    /// As [`Access::remove_totp`]; [`Denial::LastWayIn`] when nothing else would let them in.
    pub async fn remove_passkey(
        &self,
        principal: &Principal,
        id: &[u8],
        origin: &Origin,
    ) -> Result<Changed, Refusal> {
        self.fresh(principal)?;
        self.change(principal, FactorChange::RemovePasskey(id.to_vec()), "a passkey", origin).await
    }

    /// Makes new recovery codes; the former ones are void.
    ///
    /// # Errors
    /// [`Denial::ProofNeeded`]; [`Denial::InvalidInput`] for whoever has no second factor; the store's failures.
    pub async fn renew_recovery_codes(
        &self,
        principal: &Principal,
        origin: &Origin,
    ) -> Result<Changed, Refusal> {
        self.fresh(principal)?;
        self.change(principal, FactorChange::RenewCodes, "recovery codes", origin).await
    }

    /// Removes all second factors of somebody who has lost them, and ends their sessions and tokens. `by` is the
    /// administrator, `None` on the command line.
    ///
    /// # Errors
    /// [`Denial::InvalidInput`] with the field `user` when there is no such user, or nothing to remove; the store's
    /// failures.
    pub async fn reset_factors(
        &self,
        user: UserId,
        by: Option<UserId>,
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let user = self.store().user(user).await.map_err(unknowable)?;
        let user = user.ok_or_else(|| Refusal::field("user", "There is no such user."))?;
        let mut row = AuditEvent::new(Action::FactorsReset, "user", user.id.to_string()).from(origin);
        row.user = by;
        row.tenant.clone_from(&user.tenant);
        match self.store().change_factors(user.id, FactorChange::RemoveAll, None, None, vec![row]).await {
            Ok(_) => {}
            Err(StoreError::Gone) => {
                return Err(Refusal::field(
                    "user",
                    "There is nothing to remove: no second factor, or a disabled user.",
                ));
            }
            Err(error) => return Err(unchanged(error)),
        }
        self.revoke_user(user.id);
        let notice = Notice::FactorChanged { factor: "a second step".to_owned(), added: false };
        self.notify(&user, notice, origin).await;
        Ok(())
    }

    /// The same, by an administrator who proved recently who they are, for a user whom they oversee.
    ///
    /// # Errors
    /// [`Denial::ProofNeeded`]; [`Denial::RouteUnknown`] for a user of another tenant as for one that is not there; as
    /// [`Access::reset_factors`].
    pub async fn reset_factors_of(
        &self,
        by: &Principal,
        user: UserId,
        origin: &Origin,
    ) -> Result<(), Refusal> {
        self.fresh(by)?;
        let user = self.subordinate(by, user).await?;
        self.reset_factors(user.id, Some(by.user()), origin).await
    }

    async fn change(
        &self,
        principal: &Principal,
        change: FactorChange,
        what: &'static str,
        origin: &Origin,
    ) -> Result<Changed, Refusal> {
        let user = self.changing(principal).await?;
        let (cookie, renewal) = self.renewal(principal)?;
        let (action, added, coded) = match change {
            FactorChange::AddTotp { .. } | FactorChange::AddPasskey(_) => {
                let left = self.store().factors(user.id).await.map_err(unknowable)?.recovery_codes;
                (Action::FactorAdded, true, left == 0)
            }
            FactorChange::RenewCodes => (Action::RecoveryCodesMade, true, true),
            _ => (Action::FactorRemoved, false, false),
        };
        let codes = coded.then(|| codes::generate(&self.0.world)).transpose().map_err(unrandom)?;
        let digests = codes
            .as_ref()
            .map(|codes| codes.iter().filter_map(|code| codes::digest_of(user.id, code.expose())).collect());
        let row = entry(action, "user", &user.id, &user, origin).change("factor", "", what);
        let changed = self.store().change_factors(user.id, change, digests, Some(renewal), vec![row]).await;
        let session = match changed {
            Ok(Some(session)) => session,
            Ok(None) => return Err(Refusal::new(Denial::Internal, "the session was not renewed")),
            Err(StoreError::Gone) => {
                return Err(Refusal::field("factor", "There was nothing to change. Look at the page again."));
            }
            Err(error) => return Err(unchanged(error)),
        };
        self.revoke_user(user.id);
        self.notify(&user, Notice::FactorChanged { factor: what.to_owned(), added }, origin).await;
        Ok(Changed { session: self.renewed(&user, &session, cookie, origin)?, codes })
    }

    async fn changing(&self, principal: &Principal) -> Result<User, Refusal> {
        let user = self.store().user(principal.user()).await.map_err(unknowable)?;
        user.filter(|user| user.enabled).ok_or_else(|| Denial::CredentialInvalid.into())
    }

    fn offered(&self, principal: &Principal, ceremony: &str, secret: &[u8]) -> TotpOffer {
        let account = principal.email().unwrap_or(principal.name());
        TotpOffer {
            ceremony: Secret::new(ceremony),
            secret: Secret::new(totp::readable(secret).as_str()),
            uri: Secret::new(totp::uri(&self.policy().app.name, account, secret).as_str()),
        }
    }

    fn secret_of(
        &self,
        principal: &Principal,
        pending: Option<Pending>,
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let pending = pending.filter(|pending| pending.user == Some(principal.user()));
        let pending = pending.ok_or_else(|| Refusal::new(Denial::TicketInvalid, "the offer is over"))?;
        let opened = self.0.factors.open(&principal.user().to_string(), &pending.state);
        Ok(opened.map_err(|why| unsealed(&why))?.secret)
    }
}

fn unsealed(why: &AccessError) -> Refusal {
    Refusal::new(Denial::Internal, why.to_string())
}
