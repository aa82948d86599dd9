//! All SQL and shared state: users, sessions, tokens, the audit trail; and the limiter's counters.
//!
//! [`Store`] runs on SQLite (a file, or memory for tests) and on PostgreSQL, with the same statements. What a
//! method answers is committed; what it records in the trail is written in the same transaction as the change,
//! so that there is no change without its row (AUD-1). A query that fails is an error, never an empty answer.

mod audit;
mod db;
mod error;
mod feed;
pub mod folder;
mod grant;
pub mod limiter;
mod lockout;
mod migrate;
mod outbox;
mod proof;
mod prune;
mod reseal;
mod signing;
mod spent;
mod sql;
mod user;
mod value;

use std::path::PathBuf;
use std::sync::Arc;

use palisade_model::{Secret, World};

pub use audit::{AuditQuery, AuditRow, ChainFault, ChainReport, FaultKind, Personal};
pub use error::StoreError;
pub use feed::Subject;
pub use grant::api_token::{ApiToken, TokenKind};
pub use grant::link::{Link, UNDO};
pub use grant::pending::Pending;
pub use grant::refresh::{RefreshToken, Rotation};
pub use grant::revoke::{Reach, Revoked};
pub use grant::session::{FoundSession, Renewal, Session, SessionKind};
pub use limiter::{Check, CounterRow, Limiter, Quota, Verdict};
pub use lockout::{Bucket, LockoutRule, Standing};
pub use outbox::{Allowance, Mail, Outlook};
pub use proof::factor::{FactorChange, FactorPurpose, FactorTaken, FactorUse, Factors, Passkey, Totp};
pub use proof::password::NewPassword;
pub use reseal::{Reseal, Sealed};
pub use signing::SigningKey;
pub use user::User;
pub use user::foreign::{Foreign, Identifier, TableName};
pub use user::guest::GUEST;
pub use user::identity::{Identity, Source};

use db::Db;

/// Where the store is.
#[derive(Clone, Debug)]
pub enum Location {
    /// In this process's memory; gone with it. For tests and demonstrations.
    Memory,
    /// A SQLite file; made when it is not there.
    Sqlite(PathBuf),
    /// PostgreSQL, by a `postgres://` URL.
    Postgres(Secret),
}

/// The store. Cheap to clone; all clones share the same connections.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    db: Db,
    world: World,
}

impl Store {
    /// Connects, brings the schema up to date, and begins the trail of a new store.
    ///
    /// # Errors
    /// When the database cannot be reached, or has a newer schema than this program knows.
    pub async fn open(location: &Location, world: &World) -> Result<Self, StoreError> {
        let db = Db::open(location, world).await?;
        let store = Self(Arc::new(Inner { db, world: world.clone() }));
        store.open_trail().await?;
        Ok(store)
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.audit_head().await.map(|_| ())
    }

    /// Ends the connections once what was begun is written. Clones answer [`StoreError::Unavailable`] then.
    pub async fn close(self) {
        self.0.db.close().await;
    }

    /// Prepares every statement of this crate on the database; how many there are. For tests and `doctor`.
    ///
    /// # Errors
    /// When one does not fit the schema.
    pub async fn check_statements(&self) -> Result<usize, StoreError> {
        self.0.db.prepare_all().await
    }

    fn db(&self) -> &Db {
        &self.0.db
    }

    fn world(&self) -> &World {
        &self.0.world
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

/// Every statement of the crate.
fn statements() -> impl Iterator<Item = &'static sql::Sql> {
    [
        audit::STATEMENTS,
        feed::STATEMENTS,
        grant::api_token::STATEMENTS,
        grant::link::STATEMENTS,
        grant::pending::STATEMENTS,
        grant::refresh::STATEMENTS,
        grant::revoke::STATEMENTS,
        grant::session::STATEMENTS,
        limiter::counters::STATEMENTS,
        lockout::STATEMENTS,
        outbox::STATEMENTS,
        proof::factor::STATEMENTS,
        proof::password::STATEMENTS,
        proof::recover::STATEMENTS,
        signing::STATEMENTS,
        reseal::STATEMENTS,
        spent::STATEMENTS,
        user::STATEMENTS,
        user::guest::STATEMENTS,
        user::held::STATEMENTS,
        user::identity::STATEMENTS,
        user::sign_up::STATEMENTS,
        user::way::STATEMENTS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

#[cfg(test)]
mod tests {
    // proves: VAL-4
    #[test]
    fn no_statement_holds_a_literal_text_or_a_second_statement() {
        for sql in super::statements() {
            assert!(!sql.text.contains('\'') && !sql.text.contains(';'), "{}", sql.text);
        }
    }
}
