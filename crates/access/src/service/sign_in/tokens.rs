//! Access and refresh tokens for API clients (ID-9, ID-10).

use std::time::Duration;

use palisade_model::audit::Origin;
use palisade_model::id::FamilyId;
use palisade_model::{Action, Denial, Refusal, Secret, Token};
use palisade_store::{RefreshToken, Rotation, StoreError, Subject, User};

use crate::access::{Access, entry, unchanged, unknowable, unrandom};
use crate::principal::Principal;
use crate::service::sign_in::enter::{First, HalfIn};
use crate::token::claims::Holder;

/// What an API client is handed.
#[derive(Debug)]
pub struct Tokens {
    /// The access token: a JWT for `Authorization: Bearer`.
    pub access: String,
    /// The refresh token: for one use.
    pub refresh: Token,
    /// Life of the access token.
    pub expires_in: Duration,
    /// Life of the refresh token.
    pub refresh_expires_in: Duration,
}

/// What an API client's first proof led to.
#[derive(Debug)]
pub enum Issued {
    /// They have their tokens.
    Tokens(Tokens),
    /// They have a second factor and must show it.
    SecondFactor(HalfIn),
}

impl Issued {
    /// The tokens, where no second step can follow.
    ///
    /// # Errors
    /// [`Denial::SecondFactorNeeded`].
    pub fn tokens(self) -> Result<Tokens, Refusal> {
        match self {
            Self::Tokens(tokens) => Ok(tokens),
            Self::SecondFactor(_) => Err(Denial::SecondFactorNeeded.into()),
        }
    }
}

/// The reason in a [`Refusal`] that says a stolen token may be at large: worth an alert.
pub const TOKEN_REUSED: &str = "refresh token reused";

impl Access {
    /// Tokens for whoever has this password, the first of a new family; or the question for their second factor.
    ///
    /// # Errors
    /// As [`Access::sign_in`].
    pub async fn sign_in_tokens(
        &self,
        login: &str,
        password: &Secret,
        origin: &Origin,
    ) -> Result<Issued, Refusal> {
        let user = self.prove(login, password, origin).await?;
        let factors = self.store().factors(user.id).await.map_err(unknowable)?;
        if factors.any() {
            let half = self.ask(&user, factors, First::Password, true, origin).await?;
            return Ok(Issued::SecondFactor(half));
        }
        let tokens = self.begin_family(&user, false, origin).await?;
        self.tell_of_device(&user, true, origin).await;
        Ok(Issued::Tokens(tokens))
    }

    /// The first tokens of a family for a user whose proof was just given, with a second factor if it is `strong`.
    pub(crate) async fn begin_family(
        &self,
        user: &User,
        strong: bool,
        origin: &Origin,
    ) -> Result<Tokens, Refusal> {
        let (now, entropy) = (self.now(), &*self.0.world.entropy);
        let refresh = Token::generate(entropy).map_err(unrandom)?;
        let family = FamilyId::generate(now, entropy).map_err(unrandom)?;
        let first = RefreshToken {
            digest: refresh.digest(),
            family,
            user: user.id,
            strong,
            issued_at: now,
            expires_at: now.plus(self.policy().identify.tokens.refresh),
            used_at: None,
            successor: None,
        };
        let row = entry(Action::TokenIssued, "family", &family, user, origin);
        match self.store().create_family(&first, vec![row]).await {
            Ok(()) => {}
            Err(StoreError::Gone) => return Err(self.failed(Some(user), origin).await),
            Err(error) => return Err(unchanged(error)),
        }
        if !self.still_holds(user).await? {
            let row = entry(Action::TokenRevoked, "family", &family, user, origin);
            self.store().revoke_family(family, vec![row]).await.map_err(unchanged)?;
            return Err(self.failed(Some(user), origin).await);
        }
        self.issue(user, refresh, &first)
    }

    /// New tokens for a refresh token, which is used up by it. The same token once more within the policy's
    /// race window gives the same successor (two tabs); later it revokes the whole family (ID-10).
    ///
    /// # Errors
    /// [`Denial::CredentialInvalid`] for a token that is unknown, expired, revoked or used, with
    /// [`TOKEN_REUSED`] as its reason where that revoked a family; the store's failures.
    pub async fn refresh(&self, token: &str, origin: &Origin) -> Result<Tokens, Refusal> {
        let invalid = |why: &'static str| Refusal::new(Denial::CredentialInvalid, why);
        let token = Token::parse(token).ok_or_else(|| invalid("refresh token is malformed"))?;
        let known = self.store().refresh_token(&token.digest()).await.map_err(unknowable)?;
        let known = known.ok_or_else(|| invalid("refresh token is unknown"))?;
        let successor = self.0.successors.of(&token, known.successor);
        let successor = successor.ok_or_else(|| Refusal::new(Denial::Internal, "no successor"))?;
        let user = self.store().user(known.user).await.map_err(unknowable)?;
        let user = user.ok_or_else(|| invalid("refresh token of nobody"))?;
        let row = |action| vec![entry(action, "family", &known.family, &user, origin)];
        let (now, policy) = (self.now(), &self.policy().identify.tokens);
        let rotated = self
            .store()
            .rotate_refresh(
                &token.digest(),
                &successor.digest(),
                now,
                now.plus(policy.refresh),
                policy.race,
                row(Action::TokenRefreshed),
                row(Action::TokenReused),
            )
            .await
            .map_err(unchanged)?;
        match rotated {
            Rotation::Rotated(next, user) | Rotation::Raced(next, user) if user.enabled => {
                self.issue(&user, successor, &next)
            }
            Rotation::Rotated(..) | Rotation::Raced(..) => Err(invalid("refresh token of a disabled user")),
            Rotation::Reused(family, _) => {
                self.revoke(&[Subject::Family(family)]);
                Err(invalid(TOKEN_REUSED))
            }
            Rotation::Unknown => Err(invalid("refresh token is unknown or revoked")),
            Rotation::Expired => Err(invalid("refresh token has expired")),
        }
    }

    fn issue(&self, user: &User, refresh: Token, kept: &RefreshToken) -> Result<Tokens, Refusal> {
        let principal = Principal::of_token(user, kept.family, kept.strong, self.policy());
        let holder = Holder {
            user: user.id,
            family: kept.family,
            tenant: principal.tenant(),
            roles: principal.role_names(),
        };
        Ok(Tokens {
            access: self.keyring().issue(&holder, &self.0.world)?,
            refresh,
            expires_in: self.policy().identify.tokens.access,
            refresh_expires_in: kept.expires_at.since(self.now()),
        })
    }
}
