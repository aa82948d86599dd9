//! Users.

pub(crate) mod foreign;
pub(crate) mod guest;
pub(crate) mod held;
pub(crate) mod identity;
pub(crate) mod sign_up;
pub(crate) mod way;

use palisade_model::id::UserId;
use palisade_model::{AuditEvent, TenantId, Timestamp};

use crate::db::Tx;
use crate::feed::Subject;
use crate::sql::{Query, statements, values};
use crate::value::{Row, first};
use crate::{Store, StoreError};

/// Users in one answer at most.
pub(crate) const MOST: u32 = 1000;

/// Users whose statements go out together.
const AT_ONCE: usize = 200;

/// A user account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The sign-in name, as written. No other user has it as name or e-mail, in any case of letters.
    pub name: String,
    /// The e-mail address, unique in the same way.
    pub email: Option<String>,
    /// When they proved that the address is theirs; `None` for one that nobody confirmed (ID-4).
    pub email_verified_at: Option<Timestamp>,
    /// Whose data they see.
    pub tenant: Option<TenantId>,
    /// Their roles, by name.
    pub roles: Vec<String>,
    /// The password's hash; `None` for somebody who cannot sign in with one.
    pub password: Option<String>,
    /// When the password was set.
    pub password_at: Option<Timestamp>,
    /// Whether they may sign in.
    pub enabled: bool,
    /// When the account was made.
    pub created_at: Timestamp,
}

macro_rules! columns {
    () => {
        "u.id, u.name, u.email, u.email_verified_at, u.tenant, u.roles, u.password, u.password_at, u.enabled, u.created_at"
    };
}
pub(crate) use columns;

statements! {
    BY_ID = concat!("SELECT ", columns!(), " FROM users u WHERE u.id = $1");
    BY_LOGIN = concat!("SELECT ", columns!(), " FROM logins l JOIN users u ON u.id = l.user_id WHERE l.login = $1");
    PAGE = concat!("SELECT ", columns!(), " FROM users u WHERE u.id > $1 ORDER BY u.id LIMIT $2");
    PAGE_OF = concat!("SELECT ", columns!(), " FROM users u WHERE u.id > $1 AND (u.tenant = $3 OR $3 IS NULL) \
                       ORDER BY u.id LIMIT $2");
    COUNT = "SELECT COUNT(*) FROM users";
    CREATE = "INSERT INTO users (id, name, email, email_verified_at, tenant, roles, password, password_at, enabled, \
              created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    FREE = "DELETE FROM logins WHERE login = $1 AND user_id = $2";
    SET_EMAIL = "UPDATE users SET email = $2, email_verified_at = $3 WHERE id = $1 \
                 AND (email = $4 OR (email IS NULL AND $4 IS NULL)) RETURNING 1";
    CLAIM = "INSERT INTO logins (login, user_id) VALUES ($1, $2) ON CONFLICT (login) DO NOTHING RETURNING 1";
    LIKEN = "INSERT INTO likenesses (likeness, user_id) VALUES ($1, $2) ON CONFLICT (likeness) DO NOTHING RETURNING 1";
    ENABLED = "SELECT enabled FROM users WHERE id = $1";
    MAKE_STALE = "UPDATE sessions SET stale = 1 WHERE user_id = $1";
    SET_TENANT = "UPDATE users SET tenant = $2 WHERE id = $1 RETURNING 1";
    ROLES_OF = "SELECT roles FROM users WHERE id = $1";
    SET_ROLES_OF = "UPDATE users SET roles = $3 WHERE id = $1 AND roles = $2 RETURNING 1";
    SET_ROLES = "UPDATE users SET roles = $2 WHERE id = $1 RETURNING 1";
}

/// How names and e-mails are compared.
pub(crate) fn key(login: &str) -> String {
    login.to_lowercase()
}

impl User {
    pub(crate) fn read(row: &mut Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.read()?,
            name: row.read()?,
            email: row.read()?,
            email_verified_at: row.read()?,
            tenant: row.read()?,
            roles: roles_in(&row.read::<String>()?)?,
            password: row.read()?,
            password_at: row.read()?,
            enabled: row.read()?,
            created_at: row.read()?,
        })
    }
}

/// Roles as they are kept, read.
pub(crate) fn roles_in(text: &str) -> Result<Vec<String>, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt("the roles of a user"))
}

/// Gives a user the roles `next`, if theirs are still `was`. Their sessions get another id at their next use.
///
/// # Errors
/// [`StoreError::Taken`] when they have others meanwhile.
pub(crate) async fn exchange_roles(
    tx: &mut Tx<'_>,
    id: UserId,
    was: &[String],
    next: &[String],
) -> Result<(), StoreError> {
    let set = SET_ROLES_OF.with(values![id, roles_text(was), roles_text(next)]);
    let [set, _] = tx.all([set, MAKE_STALE.with(values![id])]).await?;
    first(set).ok_or(StoreError::Taken { what: "roles" })?;
    tx.changed(Subject::User(id));
    Ok(())
}

/// Takes roles from a user that came by an account elsewhere.
pub(crate) async fn take_roles(tx: &mut Tx<'_>, id: UserId, gone: &[String]) -> Result<(), StoreError> {
    if gone.is_empty() {
        return Ok(());
    }
    let found = tx.rows(ROLES_OF.with(values![id])).await?;
    let was = roles_in(&first(found).ok_or(StoreError::Gone)?.read::<String>()?)?;
    let next: Vec<String> = was.iter().filter(|role| !gone.contains(role)).cloned().collect();
    if next == was { Ok(()) } else { exchange_roles(tx, id, &was, &next).await }
}

pub(crate) fn roles_text(roles: &[String]) -> String {
    serde_json::Value::from(roles).to_string()
}

/// Whether a user may sign in: for [`enabled`].
pub(crate) fn look(id: UserId) -> Query {
    ENABLED.with(values![id])
}

/// What [`look`] answered: [`StoreError::Gone`] when there is no such user or it is disabled.
pub(crate) fn enabled(found: Vec<Row>) -> Result<(), StoreError> {
    match first(found).map(|mut row| row.read()).transpose()? {
        Some(true) => Ok(()),
        _ => Err(StoreError::Gone),
    }
}

impl Store {
    /// The user with this id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let rows = self.db().point(BY_ID.with(values![id])).await?;
        first(rows).map(|mut row| User::read(&mut row)).transpose()
    }

    /// The user with this name or e-mail, compared in lower case.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn user_by_login(&self, login: &str) -> Result<Option<User>, StoreError> {
        if login.contains('\0') {
            return Ok(None);
        }
        let rows = self.db().point(BY_LOGIN.with(values![key(login)])).await?;
        first(rows).map(|mut row| User::read(&mut row)).transpose()
    }

    /// Users in order of their making, behind `after`; at most `limit`, and never more than 1,000.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreError> {
        let after = after.map_or_else(Vec::new, |id| id.0.as_bytes().to_vec());
        let rows = self.db().list(PAGE.with(values![after, i64::from(limit.min(MOST))])).await?;
        rows.into_iter().map(|mut row| User::read(&mut row)).collect()
    }

    /// The same, of one tenant if one is named.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn users_of(
        &self,
        tenant: Option<&TenantId>,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<User>, StoreError> {
        let after = after.map_or_else(Vec::new, |id| id.0.as_bytes().to_vec());
        let values = values![after, i64::from(limit.min(MOST)), tenant];
        let rows = self.db().list(PAGE_OF.with(values)).await?;
        rows.into_iter().map(|mut row| User::read(&mut row)).collect()
    }

    /// How many users there are.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn user_count(&self) -> Result<u64, StoreError> {
        let rows = self.db().list(COUNT.with([])).await?;
        first(rows).ok_or(StoreError::Corrupt("a count is missing"))?.read()
    }

    /// Makes a user.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when another user has the name or e-mail, as either.
    pub async fn create_user(&self, user: &User, audit: Vec<AuditEvent>) -> Result<(), StoreError> {
        let user = user.clone();
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    create(tx, &user).await?;
                    tx.changed(Subject::User(user.id));
                    tx.record(audit);
                    Ok(())
                })
            })
            .await
    }

    /// Makes a user who chose the name themself.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when another user has the name or e-mail, as either, or a name that looks like this one.
    pub async fn register_user(&self, user: &User, audit: Vec<AuditEvent>) -> Result<(), StoreError> {
        let user = user.clone();
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    create_own(tx, &user).await?;
                    tx.changed(Subject::User(user.id));
                    tx.record(audit);
                    Ok(())
                })
            })
            .await
    }

    /// Makes all of these users, each with its entries in the trail, or none of them.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when somebody has one of the names or e-mails.
    pub async fn create_users(&self, users: Vec<(User, Vec<AuditEvent>)>) -> Result<(), StoreError> {
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    for some in users.chunks(AT_ONCE) {
                        create_some(tx, some).await?;
                    }
                    for (user, audit) in users {
                        tx.changed(Subject::User(user.id));
                        tx.record(audit);
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Gives the user these roles and no others. Their sessions get another id at their next use.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when there is no such user.
    pub async fn set_roles(
        &self,
        id: UserId,
        roles: &[String],
        audit: Vec<AuditEvent>,
    ) -> Result<(), StoreError> {
        let roles = roles_text(roles);
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let [set, _] =
                        tx.all([SET_ROLES.with(values![id, roles]), MAKE_STALE.with(values![id])]).await?;
                    first(set).ok_or(StoreError::Gone)?;
                    tx.changed(Subject::User(id));
                    tx.record(audit);
                    Ok(())
                })
            })
            .await
    }

    /// Moves the user to this tenant, or to none. Their sessions get another id at their next use.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when there is no such user.
    pub async fn set_tenant(
        &self,
        id: UserId,
        tenant: Option<&TenantId>,
        audit: Vec<AuditEvent>,
    ) -> Result<(), StoreError> {
        let tenant = tenant.cloned();
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let queries =
                        [SET_TENANT.with(values![id, tenant.as_ref()]), MAKE_STALE.with(values![id])];
                    let [set, _] = tx.all(queries).await?;
                    first(set).ok_or(StoreError::Gone)?;
                    tx.changed(Subject::User(id));
                    tx.record(audit);
                    Ok(())
                })
            })
            .await
    }
}

/// What a name looks like: names that read alike have one (UTS 39 section 4, confusable detection).
fn likeness(name: &str) -> String {
    unicode_security::skeleton(name).collect::<String>().to_lowercase()
}

fn liken(user: &User) -> Query {
    LIKEN.with(values![likeness(&user.name), user.id])
}

/// Makes a user whom somebody answers for, under any name that is free.
pub(crate) async fn create(tx: &mut Tx<'_>, user: &User) -> Result<(), StoreError> {
    claim_logins(tx, user).await?;
    tx.later(liken(user));
    Ok(())
}

/// Makes a user who chose the name: not one that reads as another's.
pub(crate) async fn create_own(tx: &mut Tx<'_>, user: &User) -> Result<(), StoreError> {
    claim_logins(tx, user).await?;
    let alone = tx.rows(liken(user)).await?;
    first(alone).map(|_| ()).ok_or(StoreError::Taken { what: "name" })
}

async fn claim_logins(tx: &mut Tx<'_>, user: &User) -> Result<(), StoreError> {
    tx.later(insert(user));
    let name = key(&user.name);
    let claim = |login: &str| CLAIM.with(values![login, user.id]);
    let Some(email) = user.email.as_deref().map(key).filter(|email| *email != name) else {
        let claimed = tx.rows(claim(&name)).await?;
        return first(claimed).map(|_| ()).ok_or(StoreError::Taken { what: "name" });
    };
    let [by_name, by_email] = tx.all([claim(&name), claim(&email)]).await?;
    first(by_name).ok_or(StoreError::Taken { what: "name" })?;
    first(by_email).ok_or(StoreError::Taken { what: "email" })?;
    Ok(())
}

async fn create_some(tx: &mut Tx<'_>, users: &[(User, Vec<AuditEvent>)]) -> Result<(), StoreError> {
    let mut claims = Vec::with_capacity(users.len() * 2);
    for (user, _) in users {
        tx.later(insert(user));
        tx.later(liken(user));
        let name = key(&user.name);
        let email = user.email.as_deref().map(key).filter(|email| *email != name);
        claims.push(CLAIM.with(values![name, user.id]));
        claims.extend(email.map(|email| CLAIM.with(values![email, user.id])));
    }
    let claimed = tx.each(claims).await?;
    if claimed.iter().any(Vec::is_empty) {
        return Err(StoreError::Taken { what: "name or e-mail" });
    }
    Ok(())
}

fn insert(user: &User) -> Query {
    CREATE.with(values![
        user.id,
        &user.name,
        user.email.as_ref(),
        user.email_verified_at,
        user.tenant.as_ref(),
        roles_text(&user.roles),
        user.password.as_ref(),
        user.password_at,
        user.enabled,
        user.created_at,
    ])
}

/// Gives a user, as they were read, this confirmed address instead of the present one.
///
/// # Errors
/// [`StoreError::Taken`] when another user has it as name or address; [`StoreError::Gone`] when theirs is not the
/// one that was read.
pub(crate) async fn put_email(
    tx: &mut Tx<'_>,
    of: &User,
    email: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (name, former, next) = (key(&of.name), of.email.as_deref().map(key), key(email));
    if former.as_ref() != Some(&next) {
        if next != name {
            let [claimed] = tx.all([CLAIM.with(values![&next, of.id])]).await?;
            first(claimed).ok_or(StoreError::Taken { what: "email" })?;
        }
        if let Some(former) = former.filter(|former| *former != name) {
            tx.later(FREE.with(values![former, of.id]));
        }
    }
    let [set] = tx.all([SET_EMAIL.with(values![of.id, email, at, of.email.as_ref()])]).await?;
    first(set).ok_or(StoreError::Gone)?;
    tx.changed(Subject::User(of.id));
    Ok(())
}
