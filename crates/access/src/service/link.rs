//! One-time links: how somebody without a password gets one.

use std::time::Duration;

use palisade_model::audit::Origin;
use palisade_model::id::UserId;
use palisade_model::{Action, Denial, Refusal, Secret, Token};
use palisade_store::{Link, User};

use crate::access::{Access, entry, unchanged, unknowable, unrandom};
use crate::service::enter::{Entered, First};

/// How long a link may be used (ID-4).
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

const PURPOSE: &str = "password";

impl Access {
    /// A link with which `user` sets a password: for one use within 24 hours. The store drops it when the
    /// password changes by other means and when the user is disabled. Shown this once; its digest is kept.
    ///
    /// # Errors
    /// [`Denial::LinkInvalid`] when there is no such user, or a disabled one; the store's failures.
    pub async fn issue_link(&self, user: UserId, origin: &Origin) -> Result<Token, Refusal> {
        let user = self.store().user(user).await.map_err(unknowable)?;
        let user = user.filter(|user| user.enabled).ok_or(Denial::LinkInvalid)?;
        let token = Token::generate(&*self.0.world.entropy).map_err(unrandom)?;
        let link = Link {
            digest: token.digest(),
            user: user.id,
            purpose: PURPOSE.to_owned(),
            expires_at: self.now().plus(LIFE),
            used_at: None,
        };
        let row = entry(Action::LinkIssued, "user", &user.id, &user, origin);
        self.store().create_link(&link, vec![row]).await.map_err(unchanged)?;
        Ok(token)
    }

    /// For whom a link is, without using it.
    ///
    /// # Errors
    /// [`Denial::LinkInvalid`] for a link that was used, ran out, was overtaken or never was.
    pub async fn link_user(&self, token: &str) -> Result<User, Refusal> {
        let invalid = |why: &'static str| Refusal::new(Denial::LinkInvalid, why);
        let digest = Token::digest_of(token).ok_or_else(|| invalid("link is malformed"))?;
        let link = self.store().link(&digest).await.map_err(unknowable)?;
        let link = link.ok_or_else(|| invalid("link is unknown"))?;
        if link.used_at.is_some() || link.expires_at <= self.now() || link.purpose != PURPOSE {
            return Err(invalid("link was used, has run out or is for something else"));
        }
        let user = self.store().user(link.user).await.map_err(unknowable)?;
        user.filter(|user| user.enabled).ok_or_else(|| invalid("link of a disabled user"))
    }

    /// Sets the password with a link and signs in, which a second factor is not spared by. The new password is judged first: a refused one does not
    /// use up the link.
    ///
    /// # Errors
    /// [`Denial::LinkInvalid`]; [`Denial::InvalidInput`] with the field `password`; the store's failures.
    pub async fn redeem_link(&self, token: &str, new: &Secret, origin: &Origin) -> Result<Entered, Refusal> {
        let user = self.link_user(token).await?;
        self.judge_new(&user, "password", new).await?;
        let hash = self.0.passwords.hash(new).await?;
        let digest = Token::digest_of(token).ok_or(Denial::LinkInvalid)?;
        let row = entry(Action::LinkUsed, "user", &user.id, &user, origin);
        let used = self.store().use_link(&digest, self.now(), vec![row]).await.map_err(unchanged)?;
        // Of many at once, the store lets one through.
        used.filter(|link| link.user == user.id)
            .ok_or_else(|| Refusal::new(Denial::LinkInvalid, "link was used meanwhile"))?;
        let user = self.write_password(user, hash, origin).await?;
        self.enter(&user, First::Link, origin, None).await
    }
}
