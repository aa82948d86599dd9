//! Opaque tokens: of programs, administrators and visitors, and for breakglass (ID-12, ID-13, ID-14, ID-16).

use palisade_model::id::{KeyId, SessionId, UserId};
use palisade_model::{AuditEvent, TenantId, Timestamp};

use crate::db::Tx;
use crate::feed::Subject;
use crate::grant::session;
use crate::sql::{Query, statements, values};
use crate::value::{Row, first};
use crate::{Session, Store, StoreError, User, grant, user};

/// Tokens in one answer at most.
const MOST: u32 = 1000;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A user's or a service's API key (ID-16).
    Key,
    /// An administrator's (ID-12).
    Admin,
    /// Breakglass: for one use (ID-13).
    Breakglass,
    /// A visitor's without a password (ID-14).
    User,
}

impl TokenKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Key, Self::Admin, Self::Breakglass, Self::User];

    /// Its name, as it is kept and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Admin => "admin",
            Self::Breakglass => "breakglass",
            Self::User => "user",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// An opaque token, without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Names it in lists and logs.
    pub id: KeyId,
    /// SHA-256 of the token's text.
    pub digest: [u8; 32],
    /// What it is for.
    pub kind: TokenKind,
    /// What its owner calls it.
    pub name: String,
    /// Whose.
    pub user: UserId,
    /// What it may be used for, separated by spaces: the words of `access`.
    pub scopes: String,
    /// From where it may be used: networks separated by spaces; empty for anywhere.
    pub networks: String,
    /// Why it was made.
    pub reason: Option<String>,
    /// Whether it counts.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the accuracy of [`Store::touch_api_tokens`].
    pub last_used: Option<Timestamp>,
    /// When a breakglass token was used up.
    pub used_at: Option<Timestamp>,
    /// Its successor, once it was rotated.
    pub replaced_by: Option<KeyId>,
}

macro_rules! columns {
    () => {
        "t.id, t.digest, t.kind, t.name, t.user_id, t.scopes, t.networks, t.reason, t.enabled, t.created_at, \
         t.expires_at, t.last_used, t.used_at, t.replaced_by"
    };
}

statements! {
    CREATE = "INSERT INTO api_tokens (id, digest, kind, name, user_id, scopes, networks, reason, enabled, created_at, \
              expires_at, last_used, used_at, replaced_by) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    KNOWN = "SELECT 1 FROM api_tokens WHERE digest = $1";
    COUNT_OF = "SELECT COUNT(*) FROM api_tokens WHERE user_id = $1 AND enabled = 1 \
                AND (expires_at IS NULL OR expires_at > $2)";
    LIVE = concat!("SELECT ", columns!(), ", ", user::columns!(), " FROM api_tokens t \
                    JOIN users u ON u.id = t.user_id WHERE t.digest = $1 AND t.enabled = 1 AND t.used_at IS NULL \
                    AND (t.expires_at IS NULL OR t.expires_at > $2) AND u.enabled = 1");
    BY_ID = concat!("SELECT ", columns!(), " FROM api_tokens t WHERE t.id = $1");
    OF_USER = concat!("SELECT ", columns!(), " FROM api_tokens t WHERE t.user_id = $1 ORDER BY t.id DESC LIMIT 1000");
    PAGE = concat!("SELECT ", columns!(), " FROM api_tokens t JOIN users u ON u.id = t.user_id \
                    WHERE t.id > $1 AND (u.tenant = $3 OR $3 IS NULL) ORDER BY t.id LIMIT $2");
    SET_ENABLED = "UPDATE api_tokens SET enabled = $3 WHERE id = $1 AND (user_id = $2 OR $2 IS NULL) \
                   AND used_at IS NULL RETURNING 1";
    REVOKE = "DELETE FROM api_tokens WHERE id = $1 AND (user_id = $2 OR $2 IS NULL) AND used_at IS NULL RETURNING 1";
    DISABLE_ALL = "UPDATE api_tokens SET enabled = 0 WHERE user_id = $1 AND enabled = 1 AND used_at IS NULL";
    REVOKE_ALL = "DELETE FROM api_tokens WHERE user_id = $1 AND used_at IS NULL RETURNING id";
    REPLACE = "UPDATE api_tokens SET replaced_by = $2, \
               expires_at = CASE WHEN expires_at IS NULL OR expires_at > $3 THEN $3 ELSE expires_at END \
               WHERE id = $1 AND enabled = 1 AND replaced_by IS NULL AND used_at IS NULL \
               AND (expires_at IS NULL OR expires_at > $4) RETURNING 1";
    USE = "UPDATE api_tokens SET used_at = $2, last_used = $2 WHERE digest = $1 AND enabled = 1 \
           AND used_at IS NULL AND expires_at > $2 RETURNING 1";
    TOUCH = "UPDATE api_tokens SET last_used = $2 WHERE digest = $1 AND (last_used IS NULL OR last_used < $2)";
    OVER = concat!("SELECT ", columns!(), " FROM api_tokens t WHERE t.used_at IS NOT NULL AND t.enabled = 1 \
                    AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.user_id = t.user_id AND s.expires_at > $1) \
                    ORDER BY t.id LIMIT 100");
    CLOSE = "UPDATE api_tokens SET enabled = 0 WHERE id = $1 AND used_at IS NOT NULL AND enabled = 1 RETURNING 1";
    BEGAN = "INSERT INTO session_tokens (session_id, token_id) VALUES ($1, $2)";
    END_BEGUN = "DELETE FROM sessions WHERE id IN (SELECT session_id FROM session_tokens WHERE token_id = $1) \
                 RETURNING id";
    PRUNE_BEGUN = "DELETE FROM session_tokens WHERE session_id IN (SELECT b.session_id FROM session_tokens b \
                   WHERE NOT EXISTS (SELECT 1 FROM sessions s WHERE s.id = b.session_id) LIMIT 1000)";
    DISABLE_USER = "UPDATE users SET enabled = 0 WHERE id = $1 RETURNING 1";
}

fn read(row: &mut Row) -> Result<ApiToken, StoreError> {
    Ok(ApiToken {
        id: row.read()?,
        digest: row.read()?,
        kind: TokenKind::parse(&row.read::<String>()?).ok_or(StoreError::Corrupt("the kind of a token"))?,
        name: row.read()?,
        user: row.read()?,
        scopes: row.read()?,
        networks: row.read()?,
        reason: row.read()?,
        enabled: row.read()?,
        created_at: row.read()?,
        expires_at: row.read()?,
        last_used: row.read()?,
        used_at: row.read()?,
        replaced_by: row.read()?,
    })
}

/// Forgets by which token up to 1,000 sessions began that are over.
pub(crate) fn prune() -> Query {
    PRUNE_BEGUN.with([])
}

/// Lets no token of a user count any more, for a change that ends their sessions as well. A breakglass token that was
/// used stays for its report.
pub(crate) fn disable_all(user: UserId) -> Query {
    DISABLE_ALL.with(values![user])
}

/// Ends the sessions that a token began.
async fn end_begun(tx: &mut Tx<'_>, token: KeyId) -> Result<(), StoreError> {
    for mut row in tx.rows(END_BEGUN.with(values![token])).await? {
        tx.changed(Subject::Session(row.read()?));
    }
    Ok(())
}

fn create(token: &ApiToken) -> Query {
    CREATE.with(values![
        token.id,
        token.digest,
        token.kind.name(),
        &token.name,
        token.user,
        &token.scopes,
        &token.networks,
        token.reason.as_ref(),
        token.enabled,
        token.created_at,
        token.expires_at,
        token.last_used,
        token.used_at,
        token.replaced_by,
    ])
}

impl Store {
    /// Keeps a new token, or one that another system made and of which only the digest is known (ID-15). With
    /// `most`, its user has at most so many that count, this one included.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when there is no such user or it is disabled; [`StoreError::Taken`] of `digest` when
    /// the token is kept already, of `count` when the user has too many.
    pub async fn create_api_token(
        &self,
        token: &ApiToken,
        most: Option<usize>,
        audit: Vec<AuditEvent>,
    ) -> Result<(), StoreError> {
        let token = token.clone();
        let most = most.map_or(i64::MAX, |most| i64::try_from(most).unwrap_or(i64::MAX));
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let now = tx.world().now();
                    let [found, known, count] = tx
                        .all([
                            user::look(token.user),
                            KNOWN.with(values![token.digest]),
                            COUNT_OF.with(values![token.user, now]),
                        ])
                        .await?;
                    user::enabled(found)?;
                    if !known.is_empty() {
                        return Err(StoreError::Taken { what: "digest" });
                    }
                    let count: i64 = first(count).ok_or(StoreError::Corrupt("a count is missing"))?.read()?;
                    if count >= most {
                        return Err(StoreError::Taken { what: "count" });
                    }
                    tx.later(create(&token));
                    tx.record(audit);
                    Ok(())
                })
            })
            .await
    }

    /// The token with this digest and its user; none when it is over, used up or disabled, or its user is.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn live_api_token(&self, digest: &[u8; 32]) -> Result<Option<(ApiToken, User)>, StoreError> {
        let rows = self.db().point(LIVE.with(values![digest, self.world().now()])).await?;
        first(rows).map(|mut row| Ok((read(&mut row)?, User::read(&mut row)?))).transpose()
    }

    /// The token with this id, whatever its state.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn api_token(&self, id: KeyId) -> Result<Option<ApiToken>, StoreError> {
        let rows = self.db().point(BY_ID.with(values![id])).await?;
        first(rows).map(|mut row| read(&mut row)).transpose()
    }

    /// A user's tokens, the newest first; 1,000 at most.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn api_tokens_of(&self, user: UserId) -> Result<Vec<ApiToken>, StoreError> {
        let rows = self.db().list(OF_USER.with(values![user])).await?;
        rows.into_iter().map(|mut row| read(&mut row)).collect()
    }

    /// The tokens of everybody, or of a tenant's users, in order of their making, behind `after`; at most `limit`, and
    /// never more than 1,000.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn api_tokens(
        &self,
        tenant: Option<&TenantId>,
        after: Option<KeyId>,
        limit: u32,
    ) -> Result<Vec<ApiToken>, StoreError> {
        let after = after.map_or_else(Vec::new, |id| id.0.as_bytes().to_vec());
        let rows = self.db().list(PAGE.with(values![after, i64::from(limit.min(MOST)), tenant])).await?;
        rows.into_iter().map(|mut row| read(&mut row)).collect()
    }

    /// Lets a token count, or no more. With `owner`, only if it is theirs. Whether there was one; the trail hears
    /// of it only then. A breakglass token that was used stays as it is.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn set_api_token_enabled(
        &self,
        id: KeyId,
        owner: Option<UserId>,
        enabled: bool,
        audit: Vec<AuditEvent>,
    ) -> Result<bool, StoreError> {
        self.change_api_token(id, SET_ENABLED.with(values![id, owner, enabled]), audit).await
    }

    /// Ends a token for good. With `owner`, only if it is theirs. Whether there was one; the trail hears of it
    /// only then. A breakglass token that was used stays, for its report.
    ///
    /// # Errors
    /// When it could not be ended.
    pub async fn revoke_api_token(
        &self,
        id: KeyId,
        owner: Option<UserId>,
        audit: Vec<AuditEvent>,
    ) -> Result<bool, StoreError> {
        self.change_api_token(id, REVOKE.with(values![id, owner]), audit).await
    }

    async fn change_api_token(
        &self,
        id: KeyId,
        change: Query,
        audit: Vec<AuditEvent>,
    ) -> Result<bool, StoreError> {
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let changed = !tx.rows(change).await?.is_empty();
                    if changed {
                        end_begun(tx, id).await?;
                        tx.changed(Subject::Key(id));
                        tx.record(audit);
                    }
                    Ok(changed)
                })
            })
            .await
    }

    /// Ends all tokens of a user for good; how many. The trail hears of it if there were any.
    ///
    /// # Errors
    /// When they could not be ended.
    pub async fn revoke_api_tokens_of(
        &self,
        user: UserId,
        audit: Vec<AuditEvent>,
    ) -> Result<u64, StoreError> {
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let rows = tx.rows(REVOKE_ALL.with(values![user])).await?;
                    let ended = rows.len() as u64;
                    for mut row in rows {
                        let id = row.read()?;
                        end_begun(tx, id).await?;
                        tx.changed(Subject::Key(id));
                    }
                    if ended > 0 {
                        tx.record(audit);
                    }
                    Ok(ended)
                })
            })
            .await
    }

    /// Puts `successor` in the place of a token, which ends at `until` at the latest. Whether it did: of several
    /// who rotate a token at once, one does; a token that does not count is not rotated.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when the user is disabled.
    pub async fn rotate_api_token(
        &self,
        id: KeyId,
        successor: &ApiToken,
        until: Timestamp,
        audit: Vec<AuditEvent>,
    ) -> Result<bool, StoreError> {
        let successor = successor.clone();
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let now = tx.world().now();
                    let replace = REPLACE.with(values![id, successor.id, until, now]);
                    let [found, replaced] = tx.all([user::look(successor.user), replace]).await?;
                    user::enabled(found)?;
                    if replaced.is_empty() {
                        return Ok(false);
                    }
                    tx.later(create(&successor));
                    end_begun(tx, id).await?;
                    tx.changed(Subject::Key(id));
                    tx.record(audit);
                    Ok(true)
                })
            })
            .await
    }

    /// Notes when tokens were last used; never moves a time back. Not a change that caches must hear of.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn touch_api_tokens(&self, seen: &[([u8; 32], Timestamp)]) -> Result<(), StoreError> {
        grant::touch(self, &TOUCH, seen).await
    }

    /// Begins a session for whoever shows this token, and it ends with the token. With `keep`, the user has at most so
    /// many, as with [`Store::create_session`]. `false` when the token does not count any more; the trail hears of it
    /// only when it does.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when its user is disabled.
    pub async fn begin_by_token(
        &self,
        digest: &[u8; 32],
        begun: &Session,
        keep: Option<usize>,
        audit: Vec<AuditEvent>,
    ) -> Result<bool, StoreError> {
        let (begun, digest) = (begun.clone(), *digest);
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let live = LIVE.with(values![digest, begun.created_at]);
                    let [found, live] = tx.all([user::look(begun.user), live]).await?;
                    user::enabled(found)?;
                    let Some(token) = first(live).map(|mut row| read(&mut row)).transpose()? else {
                        return Ok(false);
                    };
                    tx.later(session::create(&begun));
                    tx.later(BEGAN.with(values![begun.id, token.id]));
                    let over = tx.rows(session::end_oldest(begun.user, begun.id, keep)).await?;
                    session::gave_way(tx, over, &audit)?;
                    tx.record(audit);
                    Ok(true)
                })
            })
            .await
    }

    /// Uses a breakglass token up and begins its session, in one transaction: of all who try, one gets it. `former`, the
    /// session that the browser had before, ends with it, and its row is for the trail. Whether this was the one; the
    /// trail hears of it only then.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when its user is disabled.
    pub async fn use_breakglass(
        &self,
        digest: &[u8; 32],
        begun: &Session,
        former: Option<(SessionId, UserId, AuditEvent)>,
        audit: Vec<AuditEvent>,
    ) -> Result<bool, StoreError> {
        let begun = begun.clone();
        let values = values![digest, begun.created_at];
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let [found, used] = tx.all([user::look(begun.user), USE.with(values)]).await?;
                    user::enabled(found)?;
                    if used.is_empty() {
                        return Ok(false);
                    }
                    tx.later(session::create(&begun));
                    tx.record(audit);
                    if let Some((id, user, row)) = former {
                        session::end(tx, id, user, vec![row]).await?;
                    }
                    Ok(true)
                })
            })
            .await
    }

    /// Breakglass tokens that were used, whose session has ended, and that are not closed yet; 100 at most.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn breakglass_over(&self, now: Timestamp) -> Result<Vec<ApiToken>, StoreError> {
        let rows = self.db().list(OVER.with(values![now])).await?;
        rows.into_iter().map(|mut row| read(&mut row)).collect()
    }

    /// Closes a used breakglass token and disables its user. Whether it did: of several nodes, one does.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn close_breakglass(
        &self,
        token: &ApiToken,
        audit: Vec<AuditEvent>,
    ) -> Result<bool, StoreError> {
        let (id, user) = (token.id, token.user);
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let closed = !tx.rows(CLOSE.with(values![id])).await?.is_empty();
                    if closed {
                        tx.later(session::end_all(user, None));
                        tx.later(DISABLE_USER.with(values![user]));
                        tx.changed(Subject::User(user));
                        tx.record(audit);
                    }
                    Ok(closed)
                })
            })
            .await
    }
}
