//! Another e-mail address, once its mailbox has answered.

use palisade_model::audit::Origin;
use palisade_model::{Action, Denial, Refusal};
use palisade_store::User;

use crate::access::{Access, entry, unchanged, unknowable};
use crate::letter::{Matter, Notice};
use crate::name;
use crate::principal::{Principal, Via};
use crate::service::account::link::{Purpose, unused};

impl Access {
    /// Mails a link to an address that the principal wants to have, or to confirm. Nothing changes until it is used,
    /// in a session of theirs. Whether somebody else has the address is not told; its owner is.
    ///
    /// # Errors
    /// [`Denial::MailOff`]; [`Denial::ProofNeeded`]; [`Denial::InvalidInput`] with the field `email`; the store's failures.
    pub async fn request_email(
        &self,
        principal: &Principal,
        email: &str,
        origin: &Origin,
    ) -> Result<(), Refusal> {
        if !self.policy().mail.is_on() {
            return Err(Denial::MailOff.into());
        }
        self.fresh(principal)?;
        let user = self.own(principal).await?;
        let email = name::parse_email(email.trim())
            .ok_or_else(|| fault("Write an e-mail address such as name@example.com."))?;
        if user.email_verified_at.is_some() && user.email.as_ref() == Some(&email) {
            return Err(fault("This is your address already."));
        }
        let holder = self.store().user_by_login(&email).await.map_err(unknowable)?;
        let (token, mut link) = self.new_link(user.id, Purpose::Email, Some(&email))?;
        let letter = match holder.filter(|holder| holder.id != user.id) {
            None => {
                let matter = Matter::Address { token: token.expose().to_owned() };
                self.letter(&email, &user.name, matter, origin)?
            }
            Some(holder) => {
                // Kept for the same work, and never handed to anybody.
                link.purpose = "nothing".to_owned();
                self.letter(&email, &holder.name, Matter::AddressInUse, origin)?
            }
        };
        let row = entry(Action::EmailRequested, "user", &user.id, &user, origin);
        let allowance = self.allowance(&email);
        self.store().mail_link(&link, &letter, &allowance, vec![row]).await.map_err(unchanged)?;
        self.0.posted.notify_one();
        self.haze().await;
        Ok(())
    }

    /// The address that a link gives to the principal, without using it.
    ///
    /// # Errors
    /// [`Denial::LinkInvalid`], for another's link too: whoever starts a change must not have it finished by
    /// somebody who only reads the mail.
    pub async fn requested_email(&self, principal: &Principal, token: &str) -> Result<String, Refusal> {
        let (link, user) = self.live_link(token, |purpose| purpose == Purpose::Email.name()).await?;
        let own = link.email.filter(|_| user.id == principal.user());
        own.ok_or_else(|| Refusal::new(Denial::LinkInvalid, "link of another user"))
    }

    /// Gives the principal the address of a link. Their other sessions and all of their tokens end; the former
    /// address, if it was confirmed, is told, with a link to have the account back.
    ///
    /// # Errors
    /// As [`Access::requested_email`]; the store's failures.
    pub async fn confirm_email(
        &self,
        principal: &Principal,
        token: &str,
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let email = self.requested_email(principal, token).await?;
        let (link, user) = self.live_link(token, |purpose| purpose == Purpose::Email.name()).await?;
        let except = match principal.via() {
            Via::Session(id) => Some(id),
            _ => None,
        };
        let changes = user.email.as_ref() != Some(&email);
        let undo = match user.email.as_deref().filter(|_| changes && user.email_verified_at.is_some()) {
            Some(former) => {
                let (undo, kept) = self.new_link(user.id, Purpose::Undo, Some(former))?;
                let notice = Notice::EmailChanged { to: masked(&email), undo: undo.expose().to_owned() };
                let letter = self.letter(former, &user.name, Matter::Notice(notice), origin)?;
                Some((kept, letter))
            }
            None => None,
        };
        let row = entry(Action::UserChanged, "user", &user.id, &user, origin);
        let row = row.change("email", user.email.clone(), email.clone());
        let undo = undo.as_ref().map(|(link, letter)| (link, letter));
        self.store()
            .change_email(&link.digest, &user, self.now(), except, undo, vec![row])
            .await
            .map_err(unused)?;
        self.revoke_user(user.id);
        self.0.posted.notify_one();
        Ok(())
    }

    /// Whether a stranger may have registered this account with an address that is not theirs: where registrations
    /// are not confirmed, and nobody has given the account or its address any trust since.
    pub(crate) fn is_anybodys(&self, user: &User) -> bool {
        let policy = &self.policy().identify;
        policy.sign_up && !policy.verify && user.email_verified_at.is_none() && self.is_plain(user)
    }

    /// Whether an account can do no more than any that registers.
    pub(crate) fn is_plain(&self, user: &User) -> bool {
        user.roles == self.default_roles() && user.tenant.is_none()
    }

    async fn own(&self, principal: &Principal) -> Result<User, Refusal> {
        let user = self.store().user(principal.user()).await.map_err(unknowable)?;
        Ok(user.filter(|user| user.enabled).ok_or(Denial::CredentialInvalid)?)
    }
}

fn fault(message: &'static str) -> Refusal {
    Refusal::field("email", message)
}

/// `a***@example.com`: enough to recognise one's own.
fn masked(email: &str) -> String {
    let (local, host) = email.rsplit_once('@').unwrap_or((email, ""));
    let first: String = local.chars().take(1).collect();
    format!("{first}***@{host}")
}
