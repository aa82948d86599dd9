//! Refresh tokens in families, with rotation and detection of reuse (ID-10, RFC 9700 section 4.14.2).

use std::time::Duration;

use palisade_model::id::{FamilyId, UserId};
use palisade_model::{AuditEvent, Timestamp};

use crate::db::Tx;
use crate::feed::Subject;
use crate::sql::{Query, statements, values};
use crate::user::held;
use crate::value::{Row, first};
use crate::{Store, StoreError, User, user};

/// A refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    /// SHA-256 of its text.
    pub digest: [u8; 32],
    /// All tokens that descend from one sign-in.
    pub family: FamilyId,
    /// Whose.
    pub user: UserId,
    /// Whether a second factor was part of that sign-in (ID-17).
    pub strong: bool,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was exchanged.
    pub used_at: Option<Timestamp>,
    /// The digest of the token that it was exchanged for.
    pub successor: Option<[u8; 32]>,
}

/// What became of an attempt to exchange a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Exchanged: this is the successor.
    Rotated(RefreshToken, User),
    /// Exchanged a moment ago for the same successor, as two tabs do: this is it.
    Raced(RefreshToken, User),
    /// Exchanged before: somebody else has it too. The family is now revoked.
    Reused(FamilyId, UserId),
    /// No such token, or its family is revoked, or its user disabled.
    Unknown,
    /// Too old.
    Expired,
}

macro_rules! columns {
    () => {
        "t.digest, t.family_id, f.user_id, f.strong, t.issued_at, t.expires_at, t.used_at, t.successor"
    };
}

statements! {
    CREATE_FAMILY = "INSERT INTO families (id, user_id, strong, created_at) VALUES ($1, $2, $3, $4)";
    CREATE = "INSERT INTO refresh_tokens (digest, family_id, issued_at, expires_at, used_at, successor) \
              VALUES ($1, $2, $3, $4, $5, $6)";
    LOOK = concat!("SELECT ", columns!(), ", ", user::columns!(), " FROM refresh_tokens t \
                    JOIN families f ON f.id = t.family_id JOIN users u ON u.id = f.user_id \
                    WHERE t.digest = $1 AND f.revoked_at IS NULL AND u.enabled = 1");
    FIND = concat!("SELECT ", columns!(), " FROM refresh_tokens t JOIN families f ON f.id = t.family_id \
                    WHERE t.digest = $1");
    USE = "UPDATE refresh_tokens SET used_at = $2, successor = $3 WHERE digest = $1 AND used_at IS NULL \
           RETURNING 1";
    LIVE = concat!("SELECT f.strong, ", user::columns!(), " FROM families f JOIN users u ON u.id = f.user_id \
                    WHERE f.id = $1 AND f.revoked_at IS NULL AND u.enabled = 1");
    REVOKE = "UPDATE families SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING 1";
    REVOKE_ALL = "UPDATE families SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL \
                  RETURNING id";
    PRUNE = "DELETE FROM refresh_tokens WHERE digest IN \
             (SELECT digest FROM refresh_tokens WHERE expires_at <= $1 LIMIT 1000) RETURNING 1";
    PRUNE_FAMILIES = "DELETE FROM families WHERE id IN (SELECT id FROM families f WHERE NOT EXISTS \
                      (SELECT 1 FROM refresh_tokens t WHERE t.family_id = f.id) LIMIT 1000) RETURNING 1";
}

/// Revokes a user's families.
pub(crate) fn revoke_all(user: UserId, at: Timestamp) -> Query {
    REVOKE_ALL.with(values![user, at])
}

/// Removes up to 1,000 tokens that are too old to be used or reused, and families that have none left.
pub(crate) fn prune(now: Timestamp) -> [Query; 2] {
    [PRUNE.with(values![now]), PRUNE_FAMILIES.with([])]
}

fn read(row: &mut Row) -> Result<RefreshToken, StoreError> {
    Ok(RefreshToken {
        digest: row.read()?,
        family: row.read()?,
        user: row.read()?,
        strong: row.read()?,
        issued_at: row.read()?,
        expires_at: row.read()?,
        used_at: row.read()?,
        successor: row.read()?,
    })
}

fn create(token: &RefreshToken) -> Query {
    CREATE.with(values![
        token.digest,
        token.family,
        token.issued_at,
        token.expires_at,
        token.used_at,
        token.successor
    ])
}

/// An attempt to exchange a token.
struct Attempt {
    digest: [u8; 32],
    successor: [u8; 32],
    now: Timestamp,
    expires: Timestamp,
    race: Duration,
}

impl Attempt {
    async fn run(
        &self,
        tx: &mut Tx<'_>,
        audit: Vec<AuditEvent>,
        reuse_audit: Vec<AuditEvent>,
    ) -> Result<Rotation, StoreError> {
        let token = tx.rows(LOOK.with(values![self.digest])).await?;
        let Some(mut row) = first(token) else { return Ok(Rotation::Unknown) };
        let (token, user) = (read(&mut row)?, User::read(&mut row)?);
        if let Some(used_at) = token.used_at {
            return self.again(tx, token, user, used_at, reuse_audit).await;
        }
        if token.expires_at <= self.now {
            return Ok(Rotation::Expired);
        }
        let next = RefreshToken {
            digest: self.successor,
            family: token.family,
            user: token.user,
            strong: token.strong,
            issued_at: self.now,
            expires_at: self.expires,
            used_at: None,
            successor: None,
        };
        tx.later(create(&next));
        let used = tx.rows(USE.with(values![self.digest, self.now, self.successor])).await?;
        first(used).ok_or(StoreError::Corrupt("a token was used twice at once"))?;
        tx.record(audit);
        Ok(Rotation::Rotated(next, user))
    }

    /// The token was exchanged before: by another tab a moment ago, or by a thief.
    async fn again(
        &self,
        tx: &mut Tx<'_>,
        token: RefreshToken,
        user: User,
        used_at: Timestamp,
        reuse_audit: Vec<AuditEvent>,
    ) -> Result<Rotation, StoreError> {
        if token.successor == Some(self.successor) && self.now.since(used_at) <= self.race {
            let next = tx.rows(FIND.with(values![self.successor])).await?;
            let mut next = first(next).ok_or(StoreError::Corrupt("a successor is missing"))?;
            return Ok(Rotation::Raced(read(&mut next)?, user));
        }
        tx.later(REVOKE.with(values![token.family, self.now]));
        tx.changed(Subject::Family(token.family));
        tx.record(reuse_audit);
        Ok(Rotation::Reused(token.family, token.user))
    }
}

impl Store {
    /// Begins a family with its first token.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when there is no such user or it is disabled; [`StoreError::FactorNeeded`] for a family
    /// that is not strong, of a user with a second factor: there is never one (ID-17).
    pub async fn create_family(
        &self,
        first: &RefreshToken,
        audit: Vec<AuditEvent>,
    ) -> Result<(), StoreError> {
        let token = first.clone();
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let family =
                        CREATE_FAMILY.with(values![token.family, token.user, token.strong, token.issued_at]);
                    let queries = [user::look(token.user), held::any(token.user), family, create(&token)];
                    let [found, factors, _, _] = tx.all(queries).await?;
                    user::enabled(found)?;
                    if !token.strong && !factors.is_empty() {
                        return Err(StoreError::FactorNeeded);
                    }
                    tx.record(audit);
                    Ok(())
                })
            })
            .await
    }

    /// Exchanges a token for its successor, which lives until `expires`.
    ///
    /// The caller derives the successor from the token, so that two tabs which race get the same one: within
    /// `race` of the first exchange that is [`Rotation::Raced`]. After that, or with another successor, it is
    /// [`Rotation::Reused`], and the family is revoked in the same transaction. `audit` is written when the
    /// token is exchanged, `reuse_audit` when the family is revoked.
    ///
    /// # Errors
    /// When the database does not answer; then nothing changed, or the same call gives `Raced`.
    #[expect(clippy::too_many_arguments, reason = "one atomic step with all that it depends on")]
    pub async fn rotate_refresh(
        &self,
        digest: &[u8; 32],
        successor: &[u8; 32],
        now: Timestamp,
        expires: Timestamp,
        race: Duration,
        audit: Vec<AuditEvent>,
        reuse_audit: Vec<AuditEvent>,
    ) -> Result<Rotation, StoreError> {
        let attempt = Attempt { digest: *digest, successor: *successor, now, expires, race };
        self.db().write(move |tx| Box::pin(async move { attempt.run(tx, audit, reuse_audit).await })).await
    }

    /// The token with this digest, whatever its state.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn refresh_token(&self, digest: &[u8; 32]) -> Result<Option<RefreshToken>, StoreError> {
        let rows = self.db().point(FIND.with(values![digest])).await?;
        first(rows).map(|mut row| read(&mut row)).transpose()
    }

    /// The family's user, and whether the family is strong; none when the family is revoked or unknown, or the user
    /// disabled.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn family_live(&self, family: FamilyId) -> Result<Option<(User, bool)>, StoreError> {
        let rows = self.db().point(LIVE.with(values![family])).await?;
        let read = |mut row: Row| {
            let strong = row.read()?;
            Ok((User::read(&mut row)?, strong))
        };
        first(rows).map(read).transpose()
    }

    /// Revokes a family. Whether it was live; the trail hears of it only then.
    ///
    /// # Errors
    /// When it could not be revoked.
    pub async fn revoke_family(&self, family: FamilyId, audit: Vec<AuditEvent>) -> Result<bool, StoreError> {
        let at = self.world().now();
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let [rows] = tx.all([REVOKE.with(values![family, at])]).await?;
                    let revoked = !rows.is_empty();
                    if revoked {
                        tx.changed(Subject::Family(family));
                        tx.record(audit);
                    }
                    Ok(revoked)
                })
            })
            .await
    }

    /// Revokes all of a user's families; how many. The trail hears of it if there were any.
    ///
    /// # Errors
    /// When they could not be revoked.
    pub async fn revoke_families_of(&self, user: UserId, audit: Vec<AuditEvent>) -> Result<u64, StoreError> {
        let at = self.world().now();
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let [rows] = tx.all([revoke_all(user, at)]).await?;
                    let revoked = rows.len() as u64;
                    for mut row in rows {
                        tx.changed(Subject::Family(row.read()?));
                    }
                    if revoked > 0 {
                        tx.record(audit);
                    }
                    Ok(revoked)
                })
            })
            .await
    }
}
