//! Letters go out: queued with the change that they tell of, and handed to whoever sends them.

use std::time::Duration;

use palisade_model::audit::Origin;
use palisade_model::digest::hmac_sha256;
use palisade_model::id::MailId;
use palisade_model::{Denial, Refusal, Timestamp};
use palisade_store::{Allowance, Mail, Outlook, StoreError, User};

use crate::access::{Access, unrandom};
use crate::letter::{Letter, Matter, Notice};

/// A letter that could not be sent for so long is given up; its link has run out then.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// So many letters that anybody may ask for does one recipient get in [`WINDOW`].
const MOST: u32 = 3;

const WINDOW: Duration = Duration::from_secs(60 * 60);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Whoever has just made their account knows that they sign in to it.
const SETTLING: Duration = Duration::from_secs(10 * 60);

/// A letter that somebody has claimed and has to send.
#[derive(Debug)]
pub struct ClaimedMail {
    /// Its id.
    pub id: MailId,
    /// The letter; `None` when it was sealed under another root secret.
    pub letter: Option<Letter>,
    /// Which try this is, from 1.
    pub tries: u32,
    /// When it is given up.
    pub expires_at: Timestamp,
}

impl Access {
    /// Tells the account's owner what happened to it, if their address is confirmed and mail is on. Never fails
    /// its caller: a notice that cannot be queued is logged.
    pub async fn notify(&self, user: &User, notice: Notice, origin: &Origin) {
        self.notify_within(user, notice, None, origin).await;
    }

    async fn notify_within(
        &self,
        user: &User,
        notice: Notice,
        allowance: Option<&Allowance>,
        origin: &Origin,
    ) {
        let mail = match self.notice(user, notice, origin) {
            Ok(Some(mail)) => mail,
            Ok(None) => return,
            Err(refusal) => return tracing::error!(why = %refusal.why, "a notice could not be written"),
        };
        match self.store().queue_mail(&mail, allowance).await {
            Ok(true) => self.0.posted.notify_one(),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "a notice could not be queued"),
        }
    }

    /// Tells of a sign-in on a device that is not known to be the user's: a few times a day, whatever a browser
    /// forgets. A program has no cookie, so its address stands for it, for a month.
    pub(crate) async fn tell_of_device(&self, user: &User, program: bool, origin: &Origin) {
        let now = self.now();
        let devices = &self.0.lockouts.devices;
        let known = origin.device.as_ref().and_then(|shown| devices.known(shown, user, now));
        if known.is_some() || now.since(user.created_at) < SETTLING {
            return;
        }
        let place = origin.address.filter(|_| program).map(|address| address.to_string()).unwrap_or_default();
        let (most, window) = if program { (1, DAY * 30) } else { (5, DAY) };
        let key = self.0.roots.derive("new device");
        let recipient = hmac_sha256(key.expose(), &[user.id.0.as_bytes(), place.as_bytes()]);
        let allowance = Allowance { recipient, most, ends: now.plus(window) };
        self.notify_within(user, Notice::NewDevice, Some(&allowance), origin).await;
    }

    /// A notice to go along with a change. An address that nobody confirmed gets no notices: it may be a
    /// stranger's.
    pub(crate) fn notice(
        &self,
        user: &User,
        notice: Notice,
        origin: &Origin,
    ) -> Result<Option<Mail>, Refusal> {
        match &user.email {
            Some(email) if user.email_verified_at.is_some() && self.policy().mail.is_on() => {
                self.letter(email, &user.name, Matter::Notice(notice), origin).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// A sealed letter, due at once.
    pub(crate) fn letter(
        &self,
        to: &str,
        name: &str,
        matter: Matter,
        origin: &Origin,
    ) -> Result<Mail, Refusal> {
        let (now, world) = (self.now(), &self.0.world);
        let id = MailId::generate(now, &*world.entropy).map_err(unrandom)?;
        let mut letter = Letter::new(to, name, matter, now);
        letter.address = origin.address.map(|address| address.to_string());
        letter.agent.clone_from(&origin.agent);
        let failed = |why: String| Refusal::new(Denial::Internal, why);
        let text = serde_json::to_vec(&letter).map_err(|error| failed(error.to_string()))?;
        let sealed =
            self.0.outbox.seal(&id.to_string(), &text, world).map_err(|error| failed(error.to_string()))?;
        Ok(Mail { id, sealed, tries: 0, next_at: now, expires_at: now.plus(LIFE) })
    }

    /// What this recipient may get of letters that anybody can ask for: mailboxes must not be filled through us.
    pub(crate) fn allowance(&self, recipient: &str) -> Allowance {
        let recipient = recipient.to_lowercase();
        let recipient = hmac_sha256(self.0.roots.derive("recipient").expose(), &[recipient.as_bytes()]);
        Allowance { recipient, most: MOST, ends: self.now().plus(WINDOW) }
    }

    /// Waits until a letter was queued by this process. Others' are found by asking from time to time.
    pub async fn mail_queued(&self) {
        self.0.posted.notified().await;
    }

    /// How many letters wait, and when the first is due.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn mail_outlook(&self) -> Result<Outlook, StoreError> {
        self.store().mail_outlook(self.now()).await
    }

    /// Claims letters that are due, for `lease`.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn claim_mail(&self, lease: Duration, limit: u32) -> Result<Vec<ClaimedMail>, StoreError> {
        let now = self.now();
        let claimed = self.store().claim_mail(now, now.plus(lease), limit).await?;
        Ok(claimed.into_iter().map(|mail| self.opened(&mail)).collect())
    }

    fn opened(&self, mail: &Mail) -> ClaimedMail {
        let text = self.0.outbox.open(&mail.id.to_string(), &mail.sealed).ok();
        let letter = text.and_then(|text| serde_json::from_slice(&text.secret).ok());
        ClaimedMail { id: mail.id, letter, tries: mail.tries, expires_at: mail.expires_at }
    }

    /// Forgets a letter: it was sent, or never will be.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn forget_mail(&self, id: MailId) -> Result<(), StoreError> {
        self.store().drop_mail(id).await
    }

    /// Tries a letter again at `at`.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn put_off_mail(&self, id: MailId, at: Timestamp) -> Result<(), StoreError> {
        self.store().put_off_mail(id, at).await
    }
}
