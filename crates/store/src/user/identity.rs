//! Accounts at other sites (ID-6): whose they are, and which sessions they began.

use palisade_model::id::{SessionId, UserId};
use palisade_model::{AuditEvent, Timestamp, digest};

use crate::db::Tx;
use crate::feed::Subject;
use crate::sql::{Query, statements, values};
use crate::user::way;
use crate::value::{Row, first, without_nul};
use crate::{Store, StoreError, User, spent, user};

/// How long a logout is remembered: as long as a sign-in that was begun before it may take to its end.
const REMEMBERED: std::time::Duration = std::time::Duration::from_secs(3600);

/// An account at another site, and whose it is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Which site: the `iss` of its ID tokens.
    pub issuer: String,
    /// Who there: the `sub`, never given to anybody else (OpenID Connect Core 1.0, section 5.7).
    pub subject: String,
    /// Whose it is here.
    pub user: UserId,
    /// The provider's name in the policy at the time.
    pub provider: String,
    /// The address that the provider told, for people to recognise the account by. Proves nothing.
    pub email: Option<String>,
    /// Since when.
    pub linked_at: Timestamp,
    /// When somebody last came by it.
    pub last_used: Option<Timestamp>,
}

/// By which account elsewhere a session begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Which site.
    pub issuer: String,
    /// Who there.
    pub subject: String,
    /// The provider's own session, if it tells one.
    pub sid: Option<String>,
    /// What the provider wants to see at sign-out, sealed; none where nobody signs out there.
    pub hint: Option<Vec<u8>>,
}

macro_rules! columns {
    () => {
        "i.issuer, i.subject, i.user_id, i.provider, i.email, i.linked_at, i.last_used"
    };
}

statements! {
    OWNER = concat!("SELECT ", user::columns!(), " FROM identities i JOIN users u ON u.id = i.user_id \
                     WHERE i.issuer = $1 AND i.subject = $2");
    OF_USER = concat!("SELECT ", columns!(), " FROM identities i WHERE i.user_id = $1 ORDER BY i.linked_at");
    LINK = "INSERT INTO identities (issuer, subject, user_id, provider, email, linked_at, last_used) \
            VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (issuer, subject) DO NOTHING RETURNING 1";
    USED = "UPDATE identities SET last_used = $3 WHERE issuer = $1 AND subject = $2 AND user_id = $4 RETURNING 1";
    UNLINK = "DELETE FROM identities WHERE user_id = $1 AND issuer = $2 AND subject = $3 RETURNING roles";
    GIVEN = "SELECT roles FROM identities WHERE issuer = $1 AND subject = $2 AND user_id = $3";
    SET_GIVEN = "UPDATE identities SET roles = $4 WHERE issuer = $1 AND subject = $2 AND user_id = $3 RETURNING 1";
    BEGAN = "INSERT INTO session_issuers (session_id, issuer, subject, sid, hint) VALUES ($1, $2, $3, $4, $5)";
    BEGAN_BY = "SELECT issuer, subject, sid, hint FROM session_issuers WHERE session_id = $1";
    END_OF = "DELETE FROM sessions WHERE id IN (SELECT session_id FROM session_issuers WHERE issuer = $1 \
              AND (subject = $2 OR $2 IS NULL) AND (sid = $3 OR $3 IS NULL)) AND (id <> $4 OR $4 IS NULL) \
              RETURNING id, user_id";
    PRUNE = "DELETE FROM session_issuers WHERE session_id IN (SELECT o.session_id FROM session_issuers o \
             LEFT JOIN sessions s ON s.id = o.session_id WHERE s.id IS NULL LIMIT 1000)";
}

/// Removes up to 1,000 notes about sessions that are over.
pub(crate) fn prune() -> Query {
    PRUNE.with(values![])
}

fn read(row: &mut Row) -> Result<Identity, StoreError> {
    Ok(Identity {
        issuer: row.read()?,
        subject: row.read()?,
        user: row.read()?,
        provider: row.read()?,
        email: row.read()?,
        linked_at: row.read()?,
        last_used: row.read()?,
    })
}

pub(crate) fn insert(identity: &Identity) -> Query {
    LINK.with(values![
        &identity.issuer,
        &identity.subject,
        identity.user,
        &identity.provider,
        identity.email.as_deref().map(without_nul),
        identity.linked_at,
        identity.last_used,
    ])
}

/// What a logout leaves behind for sign-ins that were begun before it.
fn farewell(issuer: &str, sid: &str) -> [u8; 32] {
    digest::sha256(&[b"logout", &digest::sha256(&[issuer.as_bytes()]), sid.as_bytes()])
}

/// Notes within a session's own transaction who began it.
///
/// # Errors
/// [`StoreError::Gone`] when the identity is not the user's any more, or the provider has ended its session meanwhile.
pub(crate) async fn begin(
    tx: &mut Tx<'_>,
    session: SessionId,
    of: UserId,
    source: &Source,
    now: Timestamp,
) -> Result<(), StoreError> {
    let used = USED.with(values![&source.issuer, &source.subject, now, of]);
    let began = BEGAN.with(values![
        session,
        &source.issuer,
        &source.subject,
        source.sid.as_ref(),
        source.hint.clone()
    ]);
    let [used, _] = tx.all([used, began]).await?;
    first(used).ok_or(StoreError::Gone)?;
    if let Some(sid) = &source.sid {
        let [ended] = tx.all([spent::look(&farewell(&source.issuer, sid), now)]).await?;
        if !ended.is_empty() {
            return Err(StoreError::Gone);
        }
    }
    Ok(())
}

impl Store {
    /// Whose account here that account elsewhere is.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn user_by_identity(&self, issuer: &str, subject: &str) -> Result<Option<User>, StoreError> {
        let rows = self.db().point(OWNER.with(values![issuer, subject])).await?;
        first(rows).map(|mut row| User::read(&mut row)).transpose()
    }

    /// A user's accounts elsewhere, the oldest link first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn identities_of(&self, user: UserId) -> Result<Vec<Identity>, StoreError> {
        let rows = self.db().point(OF_USER.with(values![user])).await?;
        rows.into_iter().map(|mut row| read(&mut row)).collect()
    }

    /// Makes a user who comes from elsewhere, with the link.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when another user has the name, the e-mail or the identity.
    pub async fn create_user_from(
        &self,
        user: &User,
        identity: &Identity,
        audit: Vec<AuditEvent>,
    ) -> Result<(), StoreError> {
        let (user, link) = (user.clone(), insert(identity));
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    user::create_own(tx, &user).await?;
                    let linked = tx.rows(link).await?;
                    first(linked).ok_or(StoreError::Taken { what: "identity" })?;
                    tx.changed(Subject::User(user.id));
                    tx.record(audit);
                    Ok(())
                })
            })
            .await
    }

    /// Gives a user an account elsewhere.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when it is somebody's already; [`StoreError::Gone`] when there is no such user or it is
    /// disabled.
    pub async fn link_identity(&self, identity: &Identity, audit: Vec<AuditEvent>) -> Result<(), StoreError> {
        let (look, link) = (user::look(identity.user), insert(identity));
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let [found, linked] = tx.all([look, link]).await?;
                    user::enabled(found)?;
                    first(linked).ok_or(StoreError::Taken { what: "identity" })?;
                    tx.record(audit);
                    Ok(())
                })
            })
            .await
    }

    /// The roles that somebody has by an account elsewhere.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when it is not theirs; when the database does not answer.
    pub async fn roles_by(
        &self,
        issuer: &str,
        subject: &str,
        user: UserId,
    ) -> Result<Vec<String>, StoreError> {
        let rows = self.db().point(GIVEN.with(values![issuer, subject, user])).await?;
        user::roles_in(&first(rows).ok_or(StoreError::Gone)?.read::<String>()?)
    }

    /// Notes that a user, as they were read, has `given` by an account elsewhere, and `roles` altogether.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when their roles are others meanwhile; [`StoreError::Gone`] when the account is not theirs.
    pub async fn follow_roles(
        &self,
        user: &User,
        roles: &[String],
        (issuer, subject): (&str, &str),
        given: &[String],
        audit: Vec<AuditEvent>,
    ) -> Result<(), StoreError> {
        let (id, was, roles) = (user.id, user.roles.clone(), roles.to_vec());
        let note = SET_GIVEN.with(values![issuer, subject, id, user::roles_text(given)]);
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let [noted] = tx.all([note]).await?;
                    first(noted).ok_or(StoreError::Gone)?;
                    if roles != was {
                        user::exchange_roles(tx, id, &was, &roles).await?;
                    }
                    tx.record(audit);
                    Ok(())
                })
            })
            .await
    }

    /// By which account elsewhere a session began, if by any.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn began_by(&self, session: SessionId) -> Result<Option<Source>, StoreError> {
        let rows = self.db().point(BEGAN_BY.with(values![session])).await?;
        let read = |mut row: Row| {
            Ok(Source { issuer: row.read()?, subject: row.read()?, sid: row.read()?, hint: row.read()? })
        };
        first(rows).map(read).transpose()
    }

    /// Takes an account elsewhere from a user, unless it is their last way in, with the roles that came by it. The
    /// sessions that it began end, all but the named one. Whether they had it.
    ///
    /// # Errors
    /// [`StoreError::LastWay`] when nobody could sign in to the account any more: it stays.
    pub async fn unlink_identity(
        &self,
        of: UserId,
        issuer: &str,
        subject: &str,
        except: Option<SessionId>,
        audit: Vec<AuditEvent>,
    ) -> Result<bool, StoreError> {
        let unlink = UNLINK.with(values![of, issuer, subject]);
        let end = END_OF.with(values![issuer, Some(subject), None::<&str>, except]);
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let [gone] = tx.all([unlink]).await?;
                    let Some(mut gone) = first(gone) else { return Ok(false) };
                    user::take_roles(tx, of, &user::roles_in(&gone.read::<String>()?)?).await?;
                    way::keep_one(tx, of).await?;
                    for mut row in tx.rows(end).await? {
                        tx.changed(Subject::Session(row.read()?));
                    }
                    tx.record(audit);
                    Ok(true)
                })
            })
            .await
    }

    /// Ends the sessions that an account elsewhere began: those of the provider's session `sid`, else all of the
    /// subject's. Sign-ins by that `sid` that are under way come to nothing. Each session is one row in the trail,
    /// made of `row`. `once` is a digest of who asks and until when it counts; none when that asked before.
    ///
    /// # Errors
    /// When they could not be ended.
    pub async fn end_sessions_from(
        &self,
        issuer: &str,
        subject: Option<&str>,
        sid: Option<&str>,
        now: Timestamp,
        once: ([u8; 32], Timestamp),
        row: AuditEvent,
    ) -> Result<Option<Vec<SessionId>>, StoreError> {
        if subject.is_none() && sid.is_none() {
            return Ok(Some(Vec::new()));
        }
        let once = spent::put(&once.0, once.1);
        let end = END_OF.with(values![issuer, subject, sid, None::<SessionId>]);
        let farewell = sid.map(|sid| spent::put(&farewell(issuer, sid), now.plus(REMEMBERED)));
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    if tx.rows(once).await?.is_empty() {
                        return Ok(None);
                    }
                    if let Some(farewell) = farewell {
                        tx.later(farewell);
                    }
                    let mut ended = Vec::new();
                    for mut found in tx.rows(end).await? {
                        let (session, user): (SessionId, UserId) = (found.read()?, found.read()?);
                        tx.changed(Subject::Session(session));
                        let mut row = row.clone().by(user);
                        row.entity_id = session.to_string();
                        tx.record(vec![row]);
                        ended.push(session);
                    }
                    Ok(Some(ended))
                })
            })
            .await
    }
}
