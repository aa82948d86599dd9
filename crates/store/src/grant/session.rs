//! Sessions of browsers (ID-8).

use palisade_model::id::{SessionId, UserId};
use palisade_model::{Action, AuditEvent, Timestamp};

use crate::db::Tx;
use crate::feed::Subject;
use crate::sql::{Query, statements, values};
use crate::user::held;
use crate::user::identity::{self, Source};
use crate::value::{Row, first, without_nul};
use crate::{Store, StoreError, User, grant, user};

/// What a session was begun with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// A sign-in.
    Ordinary,
    /// A breakglass token: boxed and short (ID-13).
    Breakglass,
    /// A user token of somebody without a password (ID-14).
    Guest,
}

impl SessionKind {
    const NAMES: [(Self, &'static str); 3] =
        [(Self::Ordinary, "ordinary"), (Self::Breakglass, "breakglass"), (Self::Guest, "guest")];

    /// Its name, as it is kept and shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("ordinary", |(_, name)| name)
    }

    fn of(name: &str) -> Result<Self, StoreError> {
        let known = Self::NAMES.iter().find(|(_, known)| *known == name);
        known.map(|(kind, _)| *kind).ok_or(StoreError::Corrupt("the kind of a session"))
    }
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Names it in lists and logs.
    pub id: SessionId,
    /// SHA-256 of the cookie's value.
    pub digest: [u8; 32],
    /// Whose.
    pub user: UserId,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to the accuracy of [`Store::touch_sessions`].
    pub last_seen: Timestamp,
    /// When it ends whatever happens.
    pub expires_at: Timestamp,
    /// What it was begun with.
    pub kind: SessionKind,
    /// When its user last proved who they are: at sign-in, or in a step-up since (ID-17).
    pub proven_at: Timestamp,
    /// Whether a second factor was part of that proof (ID-17).
    pub strong: bool,
    /// The address that it began from.
    pub address: Option<String>,
    /// The user agent that it began with.
    pub agent: Option<String>,
}

/// A session as it was found by a cookie.
#[derive(Clone, Debug)]
pub struct FoundSession {
    /// The session. Its digest is another than that of the cookie where the cookie is a former one of it.
    pub session: Session,
    /// Whose.
    pub user: User,
    /// Whether their rights have changed since it got its cookie.
    pub stale: bool,
}

/// A session that goes on under another cookie, because its user proved anew who they are.
#[derive(Clone, Copy, Debug)]
pub struct Renewal {
    /// Which.
    pub session: SessionId,
    /// SHA-256 of the cookie's value so far.
    pub was: [u8; 32],
    /// SHA-256 of its value from now on.
    pub becomes: [u8; 32],
}

macro_rules! columns {
    () => {
        "s.id, s.digest, s.user_id, s.created_at, s.last_seen, s.expires_at, s.kind, s.proven_at, \
         s.strong, s.address, s.agent"
    };
}

statements! {
    CREATE = "INSERT INTO sessions (id, digest, user_id, created_at, last_seen, expires_at, kind, proven_at, strong, \
              address, agent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    END_EXPIRED_OF = "DELETE FROM sessions WHERE user_id = $1 AND expires_at <= $2";
    END_OLDEST = "DELETE FROM sessions WHERE digest IN (SELECT digest FROM (\
                  SELECT digest, ROW_NUMBER() OVER (ORDER BY last_seen DESC, id DESC) AS place \
                  FROM sessions WHERE user_id = $1 AND id <> $2) AS others WHERE place >= $3) \
                  RETURNING digest, id";
    FIND = concat!("SELECT ", columns!(), ", ", user::columns!(), " FROM sessions s \
                    JOIN users u ON u.id = s.user_id WHERE s.digest = $1 AND s.expires_at > $2 AND u.enabled = 1");
    FIND_EITHER = concat!("SELECT ", columns!(), ", ", user::columns!(), ", s.stale FROM sessions s \
                           JOIN users u ON u.id = s.user_id \
                           WHERE (s.digest = $1 OR (s.former = $1 AND s.former_until > $2)) \
                           AND s.expires_at > $2 AND u.enabled = 1");
    ROTATE = "UPDATE sessions SET digest = $3, former = $2, former_until = $4, stale = 0 WHERE id = $1 \
              AND digest = $2 AND stale = 1 RETURNING 1";
    OF_USER = concat!("SELECT ", columns!(), " FROM sessions s WHERE s.user_id = $1 AND s.expires_at > $2 \
                       ORDER BY s.last_seen DESC, s.id DESC");
    RENEW = "UPDATE sessions SET digest = $4, proven_at = COALESCE($5, proven_at), strong = COALESCE($6, strong), \
             former = NULL WHERE id = $1 AND user_id = $2 AND digest = $3 RETURNING id, digest, user_id, created_at, last_seen, expires_at, kind, proven_at, \
             strong, address, agent";
    TOUCH = "UPDATE sessions SET last_seen = $2 WHERE digest = $1 AND last_seen < $2";
    END = "DELETE FROM sessions WHERE id = $1 AND user_id = $2 RETURNING 1";
    END_ALL = "DELETE FROM sessions WHERE user_id = $1 AND (id <> $2 OR $2 IS NULL) RETURNING id";
    PRUNE = "DELETE FROM sessions WHERE digest IN \
             (SELECT digest FROM sessions WHERE expires_at <= $1 LIMIT 1000) RETURNING 1";
}

/// Begins a session.
pub(crate) fn create(s: &Session) -> Query {
    CREATE.with(values![
        s.id,
        s.digest,
        s.user,
        s.created_at,
        s.last_seen,
        s.expires_at,
        s.kind.name(),
        s.proven_at,
        s.strong,
        s.address.as_ref(),
        s.agent.as_deref().map(without_nul),
    ])
}

/// Ends those of a user's sessions beyond `keep`, this one aside, that were used least recently: their digests and ids.
pub(crate) fn end_oldest(user: UserId, but: SessionId, keep: Option<usize>) -> Query {
    let place = keep.map_or(i64::MAX, |keep| i64::try_from(keep.max(1)).unwrap_or(i64::MAX));
    END_OLDEST.with(values![user, but, place])
}

/// Tells the caches and the trail of the sessions that [`end_oldest`] ended, each like what began the one that they
/// gave way to. Their digests.
pub(crate) fn gave_way(
    tx: &mut Tx<'_>,
    over: Vec<Row>,
    begun: &[AuditEvent],
) -> Result<Vec<[u8; 32]>, StoreError> {
    let mut ended = Vec::with_capacity(over.len());
    for mut row in over {
        ended.push(row.read()?);
        let id: SessionId = row.read()?;
        tx.changed(Subject::Session(id));
        let told = begun.iter().filter(|row| row.entity_type == "session").map(|begun| {
            let (action, entity_id) = (Action::SessionRevoked, id.to_string());
            let row = AuditEvent { action, entity_id, changes: Default::default(), ..begun.clone() };
            row.change("gave_way_to", (), begun.entity_id.as_str())
        });
        tx.record(told.collect());
    }
    Ok(ended)
}

/// Ends this session of this user. Whether there was one; the trail hears of it only then.
pub(crate) async fn end(
    tx: &mut Tx<'_>,
    id: SessionId,
    user: UserId,
    audit: Vec<AuditEvent>,
) -> Result<bool, StoreError> {
    let [rows] = tx.all([END.with(values![id, user])]).await?;
    let ended = !rows.is_empty();
    if ended {
        tx.changed(Subject::Session(id));
        tx.record(audit);
    }
    Ok(ended)
}

/// Ends a user's sessions but one.
pub(crate) fn end_all(user: UserId, except: Option<SessionId>) -> Query {
    END_ALL.with(values![user, except])
}

/// What a session that goes on under another cookie says of its user's proof.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Proven {
    /// It was given anew: by a second factor if they have one.
    At(Timestamp),
    /// Their factors are others now; when they proved who they are stays, so that no change makes a proof newer.
    ByOthers,
    /// What it said.
    AsBefore,
}

/// Gives a session another cookie.
///
/// # Errors
/// [`StoreError::Gone`] when it is over, or has another cookie by now.
pub(crate) async fn renew(
    tx: &mut Tx<'_>,
    user: UserId,
    renewal: Renewal,
    proven: Proven,
) -> Result<Session, StoreError> {
    let [factors] = tx.all([held::any(user)]).await?;
    let strong = Some(!factors.is_empty());
    let (at, strong) = match proven {
        Proven::At(at) => (Some(at), strong),
        Proven::ByOthers => (None, strong),
        Proven::AsBefore => (None, None),
    };
    let values = values![renewal.session, user, renewal.was, renewal.becomes, at, strong];
    let [renewed] = tx.all([RENEW.with(values)]).await?;
    tx.changed(Subject::Session(renewal.session));
    read(&mut first(renewed).ok_or(StoreError::Gone)?)
}

/// Removes up to 1,000 sessions that are over.
pub(crate) fn prune(now: Timestamp) -> Query {
    PRUNE.with(values![now])
}

fn read(row: &mut Row) -> Result<Session, StoreError> {
    Ok(Session {
        id: row.read()?,
        digest: row.read()?,
        user: row.read()?,
        created_at: row.read()?,
        last_seen: row.read()?,
        expires_at: row.read()?,
        kind: SessionKind::of(&row.read::<String>()?)?,
        proven_at: row.read()?,
        strong: row.read()?,
        address: row.read()?,
        agent: row.read()?,
    })
}

impl Store {
    /// Begins a session. With `keep`, the user has at most so many (at least this one); those that were used
    /// least recently are ended, and their digests returned.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when there is no such user or it is disabled; [`StoreError::FactorNeeded`] for an ordinary
    /// session that is not strong, of a user with a second factor: there is never one (ID-17).
    pub async fn create_session(
        &self,
        session: &Session,
        keep: Option<usize>,
        audit: Vec<AuditEvent>,
    ) -> Result<Vec<[u8; 32]>, StoreError> {
        self.create_session_from(session, None, keep, audit).await
    }

    /// The same by an account elsewhere, so that it ends with the provider's session.
    ///
    /// # Errors
    /// [`StoreError::Gone`] also when that account is not the user's any more, or was signed out meanwhile.
    pub async fn create_session_from(
        &self,
        session: &Session,
        source: Option<&Source>,
        keep: Option<usize>,
        audit: Vec<AuditEvent>,
    ) -> Result<Vec<[u8; 32]>, StoreError> {
        let (s, source) = (session.clone(), source.cloned());
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let [found, factors, _, _, over] = tx
                        .all([
                            user::look(s.user),
                            held::any(s.user),
                            END_EXPIRED_OF.with(values![s.user, s.created_at]),
                            create(&s),
                            end_oldest(s.user, s.id, keep),
                        ])
                        .await?;
                    user::enabled(found)?;
                    if s.kind == SessionKind::Ordinary && !s.strong && !factors.is_empty() {
                        return Err(StoreError::FactorNeeded);
                    }
                    if let Some(source) = &source {
                        identity::begin(tx, s.id, s.user, source, s.created_at).await?;
                    }
                    let ended = gave_way(tx, over, &audit)?;
                    tx.record(audit);
                    Ok(ended)
                })
            })
            .await
    }

    /// The session with this digest and its user; none when it is over or the user is disabled.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn session(&self, digest: &[u8; 32]) -> Result<Option<(Session, User)>, StoreError> {
        let rows = self.db().point(FIND.with(values![digest, self.world().now()])).await?;
        first(rows).map(|mut row| Ok((read(&mut row)?, User::read(&mut row)?))).transpose()
    }

    /// The same, also by the cookie that it had before it was [rotated](Self::rotate_session) a moment ago.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn session_by_either(&self, digest: &[u8; 32]) -> Result<Option<FoundSession>, StoreError> {
        let rows = self.db().point(FIND_EITHER.with(values![digest, self.world().now()])).await?;
        let found = first(rows).map(|mut row| {
            Ok(FoundSession { session: read(&mut row)?, user: User::read(&mut row)?, stale: row.read()? })
        });
        found.transpose()
    }

    /// Gives a session whose user's rights have changed another cookie: of all who try, one does. The former one finds
    /// it until `former_until`. Whether it was done; the trail hears of it only then.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn rotate_session(
        &self,
        renewal: Renewal,
        former_until: Timestamp,
        audit: Vec<AuditEvent>,
    ) -> Result<bool, StoreError> {
        let Renewal { session, was, becomes } = renewal;
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let values = values![session, was, becomes, former_until];
                    let [rotated] = tx.all([ROTATE.with(values)]).await?;
                    if rotated.is_empty() {
                        return Ok(false);
                    }
                    tx.changed(Subject::Session(session));
                    tx.record(audit);
                    Ok(true)
                })
            })
            .await
    }

    /// The user's sessions that are not over, the one used last first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sessions_of(&self, user: UserId) -> Result<Vec<Session>, StoreError> {
        let rows = self.db().point(OF_USER.with(values![user, self.world().now()])).await?;
        rows.into_iter().map(|mut row| read(&mut row)).collect()
    }

    /// Notes when sessions were last used; never moves a time back. Not a change that caches must hear of.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn touch_sessions(&self, seen: &[([u8; 32], Timestamp)]) -> Result<(), StoreError> {
        grant::touch(self, &TOUCH, seen).await
    }

    /// Renews a session whose user has just shown the password and has no second factor. With one, it is
    /// [`Store::use_factor`] that renews.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when there is no such session any more; [`StoreError::FactorNeeded`] when its user has a
    /// second factor.
    pub async fn renew_session(
        &self,
        user: UserId,
        renewal: Renewal,
        audit: Vec<AuditEvent>,
    ) -> Result<Session, StoreError> {
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let now = tx.world().now();
                    let session = renew(tx, user, renewal, Proven::At(now)).await?;
                    if session.strong {
                        return Err(StoreError::FactorNeeded);
                    }
                    tx.record(audit);
                    Ok(session)
                })
            })
            .await
    }

    /// Ends this session of this user. Whether there was one; the trail hears of it only then.
    ///
    /// # Errors
    /// When it could not be ended.
    pub async fn end_session(
        &self,
        id: SessionId,
        user: UserId,
        audit: Vec<AuditEvent>,
    ) -> Result<bool, StoreError> {
        self.db().write(move |tx| Box::pin(end(tx, id, user, audit))).await
    }

    /// Ends all sessions of a user but the named one; how many. The trail hears of it if there were any.
    ///
    /// # Errors
    /// When they could not be ended.
    pub async fn end_sessions_of(
        &self,
        user: UserId,
        except: Option<SessionId>,
        audit: Vec<AuditEvent>,
    ) -> Result<u64, StoreError> {
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let [rows] = tx.all([end_all(user, except)]).await?;
                    let ended = rows.len() as u64;
                    for mut row in rows {
                        tx.changed(Subject::Session(row.read()?));
                    }
                    if ended > 0 {
                        tx.record(audit);
                    }
                    Ok(ended)
                })
            })
            .await
    }
}
