//! Second factors: authenticator applications, passkeys and recovery codes (ID-17).
//!
//! Whoever has one has no ordinary session without it: sessions and refresh families that began without are refused
//! where they are made, and every change of the factors ends all that there are.

use palisade_model::id::UserId;
use palisade_model::{AuditEvent, Timestamp};

use crate::db::Tx;
use crate::feed::Subject;
use crate::grant::session::Proven;
use crate::grant::{pending, refresh, session};
use crate::sql::{Query, statements, values};
use crate::user::{held, way};
use crate::value::{Row, first, without_nul};
use crate::{Renewal, Session, Store, StoreError, user};

/// What second factors a user has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Factors {
    /// An authenticator application.
    pub totp: bool,
    /// Passkeys.
    pub passkeys: u32,
    /// Recovery codes not yet used. They are no factor by themselves, only in the place of one.
    pub recovery_codes: u32,
}

impl Factors {
    /// Whether a sign-in has to show one.
    #[must_use]
    pub const fn any(self) -> bool {
        self.totp || self.passkeys > 0
    }
}

/// The secret of an authenticator application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totp {
    /// Sealed by the caller.
    pub sealed: Vec<u8>,
    /// When a first code proved that the application has it.
    pub created_at: Timestamp,
    /// The last step (RFC 6238) whose code was taken.
    pub last_step: i64,
}

/// A passkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passkey {
    /// The credential's id, as its authenticator chose it.
    pub id: Vec<u8>,
    /// Whose.
    pub user: UserId,
    /// What they call it.
    pub name: String,
    /// Public key, counter and what else the caller keeps, in a form of its own.
    pub credential: String,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used: Option<Timestamp>,
}

/// A change of somebody's factors.
#[derive(Clone, Debug)]
pub enum FactorChange {
    /// An application has this sealed secret, as its first code, of this step, has shown.
    AddTotp {
        /// Sealed by the caller.
        sealed: Vec<u8>,
        /// The step of the code.
        step: i64,
    },
    /// The application is given up.
    RemoveTotp,
    /// A passkey is registered.
    AddPasskey(Passkey),
    /// The passkey with this id is given up.
    RemovePasskey(Vec<u8>),
    /// Recovery codes are made anew.
    RenewCodes,
    /// All is given up.
    RemoveAll,
}

/// A factor that was verified, as it is to be used up.
#[derive(Clone, Debug)]
pub enum FactorUse {
    /// A code of an authenticator application.
    Totp {
        /// The sealed secret as it was read.
        was: Vec<u8>,
        /// The same, perhaps sealed anew.
        becomes: Vec<u8>,
        /// The step of the code: each is taken once, and none before one that was taken.
        step: i64,
    },
    /// The recovery code with this digest.
    RecoveryCode([u8; 32]),
    /// A passkey.
    Passkey {
        /// Which.
        id: Vec<u8>,
        /// What was kept of it when it was verified.
        was: String,
        /// What is to be kept of it now: its counter moved.
        becomes: String,
    },
}

/// What a factor is shown for.
#[derive(Clone, Copy, Debug)]
pub enum FactorPurpose {
    /// To sign in, with nothing before it.
    First,
    /// To go on with the ceremony of this kind and digest, which ends with it.
    Second {
        /// Its kind.
        kind: &'static str,
        /// The digest of its token.
        digest: [u8; 32],
    },
    /// To prove anew who holds a session.
    Renewal(Renewal),
}

/// What became of a factor that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactorTaken {
    /// It was used before, or is not there any more.
    Not,
    /// It is used up.
    Taken,
    /// It is used up, and the session goes on like this.
    Renewed(Session),
}

statements! {
    COUNT = "SELECT (SELECT COUNT(*) FROM totp WHERE user_id = $1), \
             (SELECT COUNT(*) FROM passkeys WHERE user_id = $1), \
             (SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL)";
    TOTP = "SELECT sealed, created_at, last_step FROM totp WHERE user_id = $1";
    ADD_TOTP = "INSERT INTO totp (user_id, sealed, last_step, created_at) VALUES ($1, $2, $3, $4) \
                ON CONFLICT (user_id) DO NOTHING RETURNING 1";
    USE_TOTP = "UPDATE totp SET last_step = $3, sealed = $4 WHERE user_id = $1 AND sealed = $2 \
                AND last_step < $3 RETURNING 1";
    REMOVE_TOTP = "DELETE FROM totp WHERE user_id = $1 RETURNING 1";
    PASSKEYS = "SELECT id, user_id, name, credential, created_at, last_used FROM passkeys WHERE user_id = $1 \
                ORDER BY created_at, id";
    ADD_PASSKEY = "INSERT INTO passkeys (id, user_id, name, credential, created_at, last_used) \
                   VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING RETURNING 1";
    USE_PASSKEY = "UPDATE passkeys SET credential = $4, last_used = $5 WHERE user_id = $1 AND id = $2 \
                   AND credential = $3 RETURNING 1";
    REMOVE_PASSKEY = "DELETE FROM passkeys WHERE user_id = $1 AND id = $2 RETURNING 1";
    REMOVE_PASSKEYS = "DELETE FROM passkeys WHERE user_id = $1 RETURNING 1";
    ADD_CODE = "INSERT INTO recovery_codes (user_id, digest, used_at) VALUES ($1, $2, NULL)";
    USE_CODE = "UPDATE recovery_codes SET used_at = $3 WHERE user_id = $1 AND digest = $2 AND used_at IS NULL \
                RETURNING 1";
    FORGET_CODES = "DELETE FROM recovery_codes WHERE user_id = $1";
    FORGET_IDLE_CODES = "DELETE FROM recovery_codes WHERE user_id = $1 \
                         AND NOT EXISTS (SELECT 1 FROM totp WHERE user_id = $1) \
                         AND NOT EXISTS (SELECT 1 FROM passkeys WHERE user_id = $1)";
}

fn read(row: &mut Row) -> Result<Passkey, StoreError> {
    Ok(Passkey {
        id: row.read()?,
        user: row.read()?,
        name: row.read()?,
        credential: row.read()?,
        created_at: row.read()?,
        last_used: row.read()?,
    })
}

impl FactorChange {
    /// What changes the factor itself; a row for each that there was to change.
    fn queries(self, user: UserId, now: Timestamp) -> Vec<Query> {
        match self {
            Self::AddTotp { sealed, step } => vec![ADD_TOTP.with(values![user, sealed, step, now])],
            Self::RemoveTotp => vec![REMOVE_TOTP.with(values![user])],
            Self::AddPasskey(p) => {
                let name = without_nul(&p.name);
                vec![ADD_PASSKEY.with(values![p.id, user, name, p.credential, p.created_at, p.last_used])]
            }
            Self::RemovePasskey(id) => vec![REMOVE_PASSKEY.with(values![user, id])],
            Self::RenewCodes => vec![held::any(user)],
            Self::RemoveAll => vec![REMOVE_TOTP.with(values![user]), REMOVE_PASSKEYS.with(values![user])],
        }
    }
}

impl FactorUse {
    fn query(self, user: UserId, now: Timestamp) -> Query {
        match self {
            Self::Totp { was, becomes, step } => USE_TOTP.with(values![user, was, step, becomes]),
            Self::RecoveryCode(digest) => USE_CODE.with(values![user, digest, now]),
            Self::Passkey { id, was, becomes } => USE_PASSKEY.with(values![user, id, was, becomes, now]),
        }
    }
}

impl Store {
    /// What second factors a user has.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn factors(&self, user: UserId) -> Result<Factors, StoreError> {
        let rows = self.db().point(COUNT.with(values![user])).await?;
        let mut row = first(rows).ok_or(StoreError::Corrupt("a count is missing"))?;
        Ok(Factors { totp: row.read::<u32>()? > 0, passkeys: row.read()?, recovery_codes: row.read()? })
    }

    /// The user's authenticator application.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn totp(&self, user: UserId) -> Result<Option<Totp>, StoreError> {
        let rows = self.db().point(TOTP.with(values![user])).await?;
        let read =
            |mut row: Row| Ok(Totp { sealed: row.read()?, created_at: row.read()?, last_step: row.read()? });
        first(rows).map(read).transpose()
    }

    /// The user's passkeys, the oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn passkeys(&self, user: UserId) -> Result<Vec<Passkey>, StoreError> {
        let rows = self.db().point(PASSKEYS.with(values![user])).await?;
        rows.into_iter().map(|mut row| read(&mut row)).collect()
    }

    /// Changes a user's factors, with these digests of recovery codes instead of the present ones where they are
    /// given. Ends all sessions but the one of `renewal`, which it gives back, all refresh families and ceremonies of
    /// the user; without any factor left, recovery codes go too. When the user proved who they are does not move.
    ///
    /// # Errors
    /// [`StoreError::LastWay`] when they give up a passkey without which nobody could sign in to the account;
    /// [`StoreError::Gone`] when there is nothing to change, it was changed meanwhile, or the user is disabled.
    pub async fn change_factors(
        &self,
        user: UserId,
        change: FactorChange,
        codes: Option<Vec<[u8; 32]>>,
        renewal: Option<Renewal>,
        audit: Vec<AuditEvent>,
    ) -> Result<Option<Session>, StoreError> {
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let now = tx.world().now();
                    let [found] = tx.all([user::look(user)]).await?;
                    user::enabled(found)?;
                    let leaves = matches!(change, FactorChange::RemovePasskey(_));
                    let mut changed = 0;
                    for query in change.queries(user, now) {
                        changed += tx.rows(query).await?.len();
                    }
                    if changed == 0 {
                        return Err(StoreError::Gone);
                    }
                    if leaves {
                        way::keep_one(tx, user).await?;
                    }
                    if let Some(codes) = codes {
                        tx.later(FORGET_CODES.with(values![user]));
                        codes.into_iter().for_each(|code| tx.later(ADD_CODE.with(values![user, code])));
                    }
                    tx.later(FORGET_IDLE_CODES.with(values![user]));
                    end_all(tx, user, renewal.as_ref(), now);
                    let renewed = match renewal {
                        Some(renewal) => Some(session::renew(tx, user, renewal, Proven::ByOthers).await?),
                        None => None,
                    };
                    tx.record(audit);
                    Ok(renewed)
                })
            })
            .await
    }

    /// Uses a factor for `purpose`: each code once, of all who try. The trail hears of it when it was taken.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when what it is for is over, was done by somebody else, or the user is disabled: the
    /// factor is not used then.
    pub async fn use_factor(
        &self,
        user: UserId,
        factor: FactorUse,
        purpose: FactorPurpose,
        audit: Vec<AuditEvent>,
    ) -> Result<FactorTaken, StoreError> {
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let now = tx.world().now();
                    let [found, used] = tx.all([user::look(user), factor.query(user, now)]).await?;
                    user::enabled(found)?;
                    if used.is_empty() {
                        return Ok(FactorTaken::Not);
                    }
                    let taken = match purpose {
                        FactorPurpose::First => FactorTaken::Taken,
                        FactorPurpose::Second { kind, digest } => {
                            let [rows] = tx.all([pending::take(&digest, kind, now)]).await?;
                            let ticket = pending::taken(rows)?.filter(|ticket| ticket.user == Some(user));
                            ticket.ok_or(StoreError::Gone)?;
                            FactorTaken::Taken
                        }
                        FactorPurpose::Renewal(renewal) => {
                            FactorTaken::Renewed(session::renew(tx, user, renewal, Proven::At(now)).await?)
                        }
                    };
                    tx.record(audit);
                    Ok(taken)
                })
            })
            .await
    }
}

/// Ends all that rested on the former factors.
fn end_all(tx: &mut Tx<'_>, user: UserId, renewal: Option<&Renewal>, now: Timestamp) {
    tx.later(session::end_all(user, renewal.map(|renewal| renewal.session)));
    tx.later(refresh::revoke_all(user, now));
    tx.later(pending::forget_of(user));
    tx.changed(Subject::User(user));
}
