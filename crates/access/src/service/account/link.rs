//! One-time links: how somebody without a password, or who forgot it, gets one.

use std::time::Duration;

use palisade_model::audit::Origin;
use palisade_model::id::UserId;
use palisade_model::{Action, Denial, Refusal, Secret, Timestamp, Token};
use palisade_store::{Link, NewPassword, StoreError, UNDO, User};

use crate::access::{Access, entry, unchanged, unknowable, unrandom};
use crate::letter::Notice;
use crate::principal::Principal;
use crate::service::admin::users::about;
use crate::service::sign_in::enter::{Entered, First};

/// How long a link may be used (ID-4).
pub(crate) const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a former address can have its account back: people do not read mail every day.
const UNDO_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An administrator handed it over: it sets a password.
    Password,
    /// It was mailed on request: it sets a password, and proves the address.
    Reset,
    /// It was mailed to a former address: it sets a password, and brings that address back.
    Undo,
    /// It was mailed to an address to be, for whoever is signed in.
    Email,
}

impl Purpose {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Reset => "reset",
            Self::Undo => UNDO,
            Self::Email => "email",
        }
    }

    const fn life(self) -> Duration {
        match self {
            Self::Undo => UNDO_LIFE,
            Self::Password | Self::Reset | Self::Email => LIFE,
        }
    }

    fn sets_a_password(purpose: &str) -> bool {
        [Self::Password, Self::Reset, Self::Undo].iter().any(|one| one.name() == purpose)
    }
}

/// A link that is still good, and whose.
#[derive(Debug)]
pub struct OpenLink {
    /// Whose.
    pub user: User,
    /// The former address that it brings back to the account.
    pub restores: Option<String>,
    digest: [u8; 32],
    by_mail: bool,
}

fn invalid(why: &'static str) -> Refusal {
    Refusal::new(Denial::LinkInvalid, why)
}

/// Why a link did not work when it came to it.
pub(crate) fn unused(error: StoreError) -> Refusal {
    match error {
        StoreError::Gone => invalid("link was used or overtaken meanwhile, or its user changed"),
        StoreError::Taken { .. } => invalid("another account has the link's address by now"),
        other => unchanged(other),
    }
}

impl Access {
    /// A link with which `user` sets a password: for one use within 24 hours. The store drops it when the
    /// password changes by other means and when the user is disabled. Shown this once; its digest is kept. `by` is the
    /// administrator, `None` on the command line.
    ///
    /// # Errors
    /// [`Denial::LinkInvalid`] when there is no such user, or a disabled one; the store's failures.
    pub async fn issue_link(
        &self,
        user: UserId,
        by: Option<UserId>,
        origin: &Origin,
    ) -> Result<Token, Refusal> {
        let user = self.store().user(user).await.map_err(unknowable)?;
        let user = user.filter(|user| user.enabled).ok_or(Denial::LinkInvalid)?;
        let (token, link) = self.new_link(user.id, Purpose::Password, None)?;
        let row = about(Action::LinkIssued, &user, by, origin);
        self.store().create_link(&link, vec![row]).await.map_err(unchanged)?;
        Ok(token)
    }

    /// A token and what the store keeps of it.
    pub(crate) fn new_link(
        &self,
        user: UserId,
        purpose: Purpose,
        email: Option<&str>,
    ) -> Result<(Token, Link), Refusal> {
        let token = Token::generate(&*self.0.world.entropy).map_err(unrandom)?;
        let link = Link {
            digest: token.digest(),
            user,
            purpose: purpose.name().to_owned(),
            expires_at: self.now().plus(purpose.life()),
            used_at: None,
            email: email.map(str::to_owned),
        };
        Ok((token, link))
    }

    /// For whom a link is, without using it.
    ///
    /// # Errors
    /// [`Denial::LinkInvalid`] for a link that was used, ran out, was overtaken or never was.
    pub async fn link_user(&self, token: &str) -> Result<User, Refusal> {
        self.open_link(token).await.map(|open| open.user)
    }

    /// A link that sets a password, without using it.
    ///
    /// # Errors
    /// As [`Access::link_user`].
    pub async fn open_link(&self, token: &str) -> Result<OpenLink, Refusal> {
        let (link, user) = self.live_link(token, Purpose::sets_a_password).await?;
        let restores = link.email.clone().filter(|_| link.purpose == UNDO);
        Ok(OpenLink { user, restores, digest: link.digest, by_mail: link.email.is_some() })
    }

    pub(crate) async fn live_link(
        &self,
        token: &str,
        fits: impl Fn(&str) -> bool,
    ) -> Result<(Link, User), Refusal> {
        let digest = Token::digest_of(token).ok_or_else(|| invalid("link is malformed"))?;
        let link = self.store().link(&digest).await.map_err(unknowable)?;
        let link = link.ok_or_else(|| invalid("link is unknown"))?;
        if link.used_at.is_some() || link.expires_at <= self.now() || !fits(&link.purpose) {
            return Err(invalid("link was used, has run out or is for something else"));
        }
        let user = self.store().user(link.user).await.map_err(unknowable)?;
        let user = user.filter(|user| user.enabled).ok_or_else(|| invalid("link of a disabled user"))?;
        Ok((link, user))
    }

    /// Sets the password with a link and signs in, which a second factor is not spared by. The new password is judged
    /// first: a refused one does not use up the link. The password, and the end of all that rested on the former one,
    /// are one change. `former` is whom the browser's cookie named before: that session ends.
    ///
    /// # Errors
    /// [`Denial::LinkInvalid`]; [`Denial::InvalidInput`] with the field `password`; the store's failures.
    pub async fn redeem_link(
        &self,
        token: &str,
        new: &Secret,
        origin: &Origin,
        former: Option<&Principal>,
    ) -> Result<Entered, Refusal> {
        let user = self.set_password_by_link(token, new, origin).await?;
        self.enter(&user, First::Link, origin, former).await
    }

    /// The same without signing in: for programs.
    ///
    /// # Errors
    /// As [`Access::redeem_link`].
    pub async fn set_password_by_link(
        &self,
        token: &str,
        new: &Secret,
        origin: &Origin,
    ) -> Result<User, Refusal> {
        let open = self.open_link(token).await?;
        let user = &open.user;
        self.judge_new(user, "password", new).await?;
        let hash = self.0.passwords.hash(new).await?;
        let now = self.now();
        let new = NewPassword { hash, at: now, keep_history: self.policy().identify.passwords.history };
        let mut rows = vec![
            entry(Action::LinkUsed, "user", &user.id, user, origin),
            entry(Action::PasswordChanged, "user", &user.id, user, origin),
        ];
        if let Some(email) = &open.restores {
            let row = entry(Action::UserChanged, "user", &user.id, user, origin);
            rows.push(row.change("email", user.email.clone(), email.clone()));
        }
        let notice = self.notice(user, Notice::PasswordChanged, origin)?.filter(|_| open.restores.is_none());
        let anybodys = self.is_anybodys(user);
        if anybodys && open.by_mail && self.store().factors(user.id).await.map_err(unknowable)?.any() {
            rows.push(entry(Action::FactorsReset, "user", &user.id, user, origin));
        }
        self.store()
            .redeem_link(&open.digest, user, anybodys, &new, notice.as_ref(), rows)
            .await
            .map_err(unused)?;
        self.revoke_user(user.id);
        if notice.is_some() {
            self.0.posted.notify_one();
        }
        Ok(as_set(open, new.hash, now))
    }
}

/// The user as the store has them after a link was used.
fn as_set(open: OpenLink, hash: String, now: Timestamp) -> User {
    let mut user = open.user;
    user.password = Some(hash);
    user.password_at = Some(now);
    if open.by_mail {
        user.email_verified_at = Some(now);
        user.email = open.restores.or(user.email);
    }
    user
}
