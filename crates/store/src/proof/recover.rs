//! Accounts that come back to their owners, and addresses that change hands: by links, each in one transaction.

use palisade_model::id::{SessionId, UserId};
use palisade_model::{AuditEvent, Timestamp};

use crate::db::Tx;
use crate::feed::Subject;
use crate::grant::{api_token, link, refresh, session};
use crate::proof::password::{self, NewPassword};
use crate::sql::{Query, statements, values};
use crate::user::identity;
use crate::value::first;
use crate::{Identity, Link, Mail, Store, StoreError, User, outbox, user};

statements! {
    // Whatever lets somebody in besides the password.
    DROP_IDENTITIES = "DELETE FROM identities WHERE user_id = $1 RETURNING roles";
    DROP_TOKENS = "DELETE FROM api_tokens WHERE user_id = $1";
    DROP_PENDING = "DELETE FROM pending WHERE user_id = $1";
    DROP_TOTP = "DELETE FROM totp WHERE user_id = $1";
    DROP_CODES = "DELETE FROM recovery_codes WHERE user_id = $1";
    DROP_PASSKEYS = "DELETE FROM passkeys WHERE user_id = $1";
    DROP_HISTORY = "DELETE FROM password_history WHERE user_id = $1";
    TAKE_OVER = "UPDATE users SET password = NULL, password_at = NULL, email_verified_at = $2 \
                 WHERE id = $1 AND enabled = 1 AND email = $3 AND email_verified_at IS NULL RETURNING 1";
}

/// What a stranger may have fastened to an account whose address nobody had confirmed.
/// Roles that came by accounts elsewhere go with those.
async fn loosen(tx: &mut Tx<'_>, user: UserId) -> Result<(), StoreError> {
    tx.later(DROP_TOKENS.with(values![user]));
    tx.later(DROP_PENDING.with(values![user]));
    for mut gone in tx.rows(DROP_IDENTITIES.with(values![user])).await? {
        user::take_roles(tx, user, &user::roles_in(&gone.read::<String>()?)?).await?;
    }
    Ok(())
}

fn drop_factors(user: UserId) -> [Query; 3] {
    [&DROP_TOTP, &DROP_CODES, &DROP_PASSKEYS].map(|drop| drop.with(values![user]))
}

/// Uses up a link of this user.
async fn consume(tx: &mut Tx<'_>, digest: &[u8; 32], of: &User, now: Timestamp) -> Result<Link, StoreError> {
    let [used] = tx.all([link::consume(digest, now)]).await?;
    let used = first(used).map(|mut row| link::read(&mut row)).transpose()?;
    used.filter(|link| link.user == of.id).ok_or(StoreError::Gone)
}

impl Store {
    /// Sets the password of a user as they were read by a link, which is used up, and ends everything that the
    /// former one let in, and the API tokens: whoever had the account may have made some. A link that was mailed
    /// proves its address: the account has that address from then on.
    ///
    /// Accounts elsewhere go as well where a stranger may have fastened them: if nobody had proven the account's
    /// address before, and if the link brings a former address back. Second factors stay, since a mailbox
    /// must not get round them (ID-17); but for an unproven account that is `anybodys`, which a stranger may have
    /// registered: their factor would keep the owner out.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when the link is used, over or unknown, or the user is not as they were read;
    /// [`StoreError::Taken`] when somebody else has the address now. Nothing has changed then.
    pub async fn redeem_link(
        &self,
        digest: &[u8; 32],
        of: &User,
        anybodys: bool,
        new: &NewPassword,
        mail: Option<&Mail>,
        audit: Vec<AuditEvent>,
    ) -> Result<(), StoreError> {
        let (digest, of, new, mail) = (*digest, of.clone(), new.clone(), mail.cloned());
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let used = consume(tx, &digest, &of, new.at).await?;
                    password::replace(tx, &of, &new, None).await?;
                    tx.later(api_token::disable_all(of.id));
                    let back = used.purpose == link::UNDO;
                    if back {
                        // The oldest wins: whoever took the account got a link like this at an address of theirs.
                        tx.later(link::forget_all_but_undo(of.id, used.expires_at));
                    }
                    if let Some(email) = used.email {
                        let unproven = of.email_verified_at.is_none();
                        if unproven || back {
                            loosen(tx, of.id).await?;
                        }
                        if unproven && anybodys {
                            drop_factors(of.id).into_iter().for_each(|query| tx.later(query));
                        }
                        user::put_email(tx, &of, &email, new.at).await?;
                    }
                    mail.iter().for_each(|mail| tx.later(outbox::queue(mail)));
                    tx.record(audit);
                    Ok(())
                })
            })
            .await
    }

    /// Gives a user, as they were read, the address that this link proves, and ends their sessions (but the named
    /// one), refresh families and links. `undo` gives the account back to the former address.
    ///
    /// # Errors
    /// As [`Store::redeem_link`].
    pub async fn change_email(
        &self,
        digest: &[u8; 32],
        of: &User,
        at: Timestamp,
        end_sessions_except: Option<SessionId>,
        undo: Option<(&Link, &Mail)>,
        audit: Vec<AuditEvent>,
    ) -> Result<(), StoreError> {
        let (digest, of) = (*digest, of.clone());
        let undo = undo.map(|(link, mail)| (link.clone(), mail.clone()));
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let used = consume(tx, &digest, &of, at).await?;
                    let email = used.email.ok_or(StoreError::Corrupt("a link to an address without one"))?;
                    user::put_email(tx, &of, &email, at).await?;
                    tx.later(session::end_all(of.id, end_sessions_except));
                    tx.later(refresh::revoke_all(of.id, at));
                    tx.later(link::forget_all_but_undo(of.id, Timestamp::from_micros(i64::MAX)));
                    if let Some((link, mail)) = undo {
                        tx.later(link::create(&link));
                        tx.later(outbox::queue(&mail));
                    }
                    tx.record(audit);
                    Ok(())
                })
            })
            .await
    }

    /// Gives a user, as they were read, this address instead of the present one, on an administrator's word. All their
    /// links end: they may be on their way to the former one. `Taken` when another user has it; `Gone` when theirs is
    /// not the one that was read.
    ///
    /// # Errors
    /// [`StoreError::Taken`], [`StoreError::Gone`]; nothing has changed then.
    pub async fn set_email(
        &self,
        of: &User,
        email: &str,
        at: Timestamp,
        audit: Vec<AuditEvent>,
    ) -> Result<(), StoreError> {
        let (of, email) = (of.clone(), email.to_owned());
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    user::put_email(tx, &of, &email, at).await?;
                    tx.later(link::forget_all_but_undo(of.id, Timestamp::from_micros(i64::MAX)));
                    tx.record(audit);
                    Ok(())
                })
            })
            .await
    }

    /// Hands an account, as it was read, to the proven owner of its address, which nobody had confirmed: whatever
    /// let anybody in before is gone, and the owner comes in by `identity`, of a provider that vouches for the
    /// address (ID-6).
    ///
    /// # Errors
    /// [`StoreError::Gone`] when there is no such user, it is disabled, or its address is another or confirmed;
    /// [`StoreError::Taken`] when `identity` is somebody's already. Nothing has changed then.
    pub async fn take_over(
        &self,
        of: &User,
        identity: &Identity,
        at: Timestamp,
        audit: Vec<AuditEvent>,
    ) -> Result<(), StoreError> {
        let (of, link) = (of.clone(), identity::insert(identity));
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let [taken] = tx.all([TAKE_OVER.with(values![of.id, at, of.email.as_ref()])]).await?;
                    first(taken).ok_or(StoreError::Gone)?;
                    drop_factors(of.id).into_iter().for_each(|query| tx.later(query));
                    tx.later(DROP_HISTORY.with(values![of.id]));
                    loosen(tx, of.id).await?;
                    let linked = tx.rows(link).await?;
                    first(linked).ok_or(StoreError::Taken { what: "identity" })?;
                    tx.later(session::end_all(of.id, None));
                    tx.later(refresh::revoke_all(of.id, at));
                    tx.later(link::forget_unused(of.id));
                    tx.changed(Subject::User(of.id));
                    tx.record(audit);
                    Ok(())
                })
            })
            .await
    }
}
