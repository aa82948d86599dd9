//! A forgotten password: a link by mail, without telling anybody who has an account.

use palisade_model::audit::Origin;
use palisade_model::{Action, AuditEvent, Denial, Refusal};

use crate::access::{Access, entry, unchanged, unknowable, unrandom};
use crate::letter::Matter;
use crate::name;
use crate::service::account::link::Purpose;

/// Where letters for accounts that do not exist would go; they never leave (RFC 2606).
const NOWHERE: &str = "nobody@account.invalid";

impl Access {
    /// Mails a link to set a password to whoever has this name or address. The answer, the work and the row in the
    /// trail are the same whether there is such an account, with an address, or not; one account gets a few such
    /// letters in an hour, and no more, silently.
    ///
    /// # Errors
    /// [`Denial::MailOff`]; the store's failures.
    pub async fn request_reset(&self, login: &str, origin: &Origin) -> Result<(), Refusal> {
        if !self.policy().mail.is_on() {
            return Err(Denial::MailOff.into());
        }
        let kept = name::as_kept(login);
        let known = match &kept {
            Some(login) => self.store().user_by_login(login).await.map_err(unknowable)?,
            None => None,
        };
        let able = known.as_ref().filter(|user| user.enabled);
        let to = able.and_then(|user| user.email.as_deref());
        // Somebody who is not there has no row in `users`, so their link is not kept and their letter not sent.
        let stranger = self.new_user_id().map_err(unrandom)?;
        let whose = able.filter(|_| to.is_some()).map_or(stranger, |user| user.id);
        let (token, link) = self.new_link(whose, Purpose::Reset, Some(to.unwrap_or(NOWHERE)))?;
        let name = able.map_or("nobody", |user| user.name.as_str());
        let matter = Matter::Reset { token: token.expose().to_owned() };
        let letter = self.letter(to.unwrap_or(NOWHERE), name, matter, origin)?;
        let allowance = self.allowance(to.or(kept.as_deref()).unwrap_or(NOWHERE));
        let row = match &known {
            Some(user) => {
                let mut row = entry(Action::ResetRequested, "user", &user.id, user, origin);
                // Nobody has proven to be them.
                row.user = None;
                row
            }
            None => AuditEvent::new(Action::ResetRequested, "user", "unknown").from(origin),
        };
        self.store().mail_link(&link, &letter, &allowance, vec![row]).await.map_err(unchanged)?;
        self.0.posted.notify_one();
        self.haze().await;
        Ok(())
    }
}
