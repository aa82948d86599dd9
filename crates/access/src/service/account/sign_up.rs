//! Registration by oneself.

use data_encoding::HEXLOWER;
use palisade_model::audit::Origin;
use palisade_model::id::UserId;
use palisade_model::{Action, AuditEvent, Denial, Refusal, Secret, Token};
use palisade_store::{StoreError, User};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::access::{Access, entry, unchanged, unknowable, unrandom};
use crate::letter::Matter;
use crate::name;
use crate::password::{Subject, Verdict};
use crate::principal::Principal;
use crate::service::account::link::LIFE;
use crate::service::sign_in::enter::{Entered, First};

/// What a visitor writes to register.
#[derive(Clone, Debug)]
pub struct SignUp {
    /// The sign-in name.
    pub name: String,
    /// The e-mail address.
    pub email: Option<String>,
    /// The password.
    pub password: Secret,
}

/// What came of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedUp {
    /// The account is there.
    Made(UserId),
    /// A letter is on its way, to confirm the address or to tell its owner that they have an account.
    Awaiting,
}

/// A registration that waits for its address to be confirmed.
#[derive(Serialize, Deserialize)]
struct Held {
    name: String,
    email: String,
    hash: String,
}

impl Access {
    /// Registers a user with the policy's default roles.
    ///
    /// Where addresses are confirmed first, neither a name nor an address that is taken is told: the answer, the
    /// time and the work are the same. Elsewhere it is told that one of the two is taken, and not which.
    ///
    /// # Errors
    /// [`Denial::SignUpClosed`]; [`Denial::InvalidInput`] with the fields `name`, `email`, `password`;
    /// [`Denial::HashingBusy`]; the store's failures.
    pub async fn sign_up(&self, form: SignUp, origin: &Origin) -> Result<SignedUp, Refusal> {
        if !self.policy().identify.sign_up {
            return Err(Denial::SignUpClosed.into());
        }
        let (name, email) = name::judge_own(&form.name, form.email.as_deref())?;
        let verify = self.policy().identify.verify;
        if verify && email.is_none() {
            return Err(Refusal::field("email", "Write your e-mail address: a link goes there."));
        }
        let subject = Subject { name: &name, email: email.as_deref() };
        self.0.passwords.judge("password", &form.password, &subject, Vec::new()).await?;
        let hash = self.0.passwords.hash(&form.password).await?;
        match email {
            Some(email) if verify => {
                self.hold(Held { name, email, hash }, origin).await?;
                Ok(SignedUp::Awaiting)
            }
            email => {
                let user = self.registered(name, email, hash)?;
                let row = entry(Action::UserCreated, "user", &user.id, &user, origin);
                match self.store().register_user(&user, vec![row]).await {
                    Ok(()) => Ok(SignedUp::Made(user.id)),
                    Err(StoreError::Taken { .. }) => Err(taken()),
                    Err(error) => Err(unchanged(error)),
                }
            }
        }
    }

    /// Keeps a registration until its address is confirmed.
    async fn hold(&self, held: Held, origin: &Origin) -> Result<(), Refusal> {
        let owner = self.store().user_by_login(&held.email).await.map_err(unknowable)?;
        let token = Token::generate(&*self.0.world.entropy).map_err(unrandom)?;
        let digest = token.digest();
        let failed = |why: String| Refusal::new(Denial::Internal, why);
        let text =
            serde_json::to_vec(&held).map(Zeroizing::new).map_err(|error| failed(error.to_string()))?;
        let sealed = self
            .0
            .outbox
            .seal(&HEXLOWER.encode(&digest), &text, &self.0.world)
            .map_err(|error| failed(error.to_string()))?;
        let (letter, expires_at) = match &owner {
            None => {
                let matter = Matter::Register { token: token.expose().to_owned() };
                (self.letter(&held.email, &held.name, matter, origin)?, self.now().plus(LIFE))
            }
            Some(owner) => {
                (self.letter(&held.email, &owner.name, Matter::RegisteredAlready, origin)?, self.now())
            }
        };
        let row = AuditEvent::new(Action::SignUpRequested, "user", "unknown").from(origin);
        let allowance = self.allowance(&held.email);
        self.store()
            .keep_sign_up(&digest, sealed, expires_at, &letter, &allowance, vec![row])
            .await
            .map_err(unchanged)?;
        self.0.posted.notify_one();
        self.haze().await;
        Ok(())
    }

    /// The name that was asked for in the registration of this link, without using it.
    ///
    /// # Errors
    /// [`Denial::LinkInvalid`] for a link that was used, ran out or never was.
    pub async fn registered_name(&self, token: &str) -> Result<String, Refusal> {
        self.held(token).await.map(|(held, _)| held.name)
    }

    /// Makes the account of a registration and signs in. The password is asked for again: it proves that whoever
    /// opens the mail is who registered, so that nobody finishes a stranger's account and is shut out of it later.
    /// `name` may be another than before, if that one was taken meanwhile. `former` is whom the browser's cookie named
    /// before: that session ends.
    ///
    /// # Errors
    /// [`Denial::LinkInvalid`]; [`Denial::InvalidInput`] with the fields `name` and `password`; the store's failures.
    pub async fn confirm_sign_up(
        &self,
        token: &str,
        name: &str,
        password: &Secret,
        origin: &Origin,
        former: Option<&Principal>,
    ) -> Result<Entered, Refusal> {
        let (held, digest) = self.held(token).await?;
        if self.0.passwords.verify(&held.name, password, Some(&held.hash)).await? == Verdict::Wrong {
            let refusal = self.failed(None, origin).await;
            return Err(match refusal.denial {
                Denial::SignInFailed => {
                    Refusal::field("password", "Write the password that you registered with.")
                }
                _ => refusal,
            });
        }
        let (name, email) = name::judge_own(name, Some(&held.email))?;
        let mut user = self.registered(name, email, held.hash)?;
        user.email_verified_at = Some(user.created_at);
        let row = entry(Action::UserCreated, "user", &user.id, &user, origin);
        match self.store().finish_sign_up(&digest, &user, vec![row]).await {
            Ok(()) => self.enter(&user, First::Link, origin, former).await,
            Err(StoreError::Taken { what: "name" }) => {
                Err(Refusal::field("name", "Somebody has this name by now. Choose another."))
            }
            Err(StoreError::Taken { .. } | StoreError::Gone) => {
                Err(Refusal::new(Denial::LinkInvalid, "registration was finished or its address taken"))
            }
            Err(error) => Err(unchanged(error)),
        }
    }

    async fn held(&self, token: &str) -> Result<(Held, [u8; 32]), Refusal> {
        let invalid = |why: &'static str| Refusal::new(Denial::LinkInvalid, why);
        let digest = Token::digest_of(token).ok_or_else(|| invalid("link is malformed"))?;
        let sealed = self.store().sign_up(&digest, self.now()).await.map_err(unknowable)?;
        let sealed = sealed.ok_or_else(|| invalid("registration is unknown, finished or over"))?;
        let text = self
            .0
            .outbox
            .open(&HEXLOWER.encode(&digest), &sealed)
            .map_err(|_| invalid("registration was sealed under another secret"))?;
        let held = serde_json::from_slice(&text.secret).map_err(|_| invalid("registration is damaged"))?;
        Ok((held, digest))
    }

    fn registered(&self, name: String, email: Option<String>, hash: String) -> Result<User, Refusal> {
        let now = self.now();
        Ok(User {
            id: self.new_user_id().map_err(unrandom)?,
            name,
            email,
            email_verified_at: None,
            tenant: None,
            roles: self.default_roles(),
            password: Some(hash),
            password_at: Some(now),
            enabled: true,
            created_at: now,
        })
    }

    /// The policy's roles for newcomers.
    pub(crate) fn default_roles(&self) -> Vec<String> {
        self.policy().roles.names_of(self.policy().identify.default_roles).map(str::to_owned).collect()
    }
}

fn taken() -> Refusal {
    Refusal::field(
        "name",
        "This name or e-mail address cannot be used. Choose another, or sign in if it is yours.",
    )
}
