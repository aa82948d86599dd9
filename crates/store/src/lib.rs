//! All SQL and shared state: users, sessions, tokens, the audit trail; and the limiter's counters.
//!
//! [`Store`] runs on SQLite (a file, or memory for tests) and on PostgreSQL, with the same statements. What a
//! method answers is committed; what it records in the trail is written in the same transaction as the change,
//! so that there is no change without its row (AUD-1). A query that fails is an error, never an empty answer.

mod api_token;
mod audit;
mod counters;
mod credential;
mod db;
mod error;
mod factor;
mod feed;
mod foreign;
mod held;
mod identity;
mod kept;
pub mod limiter;
mod link;
mod lockout;
mod migrate;
mod outbox;
mod pending;
mod recover;
mod refresh;
mod revoke;
mod session;
mod sign_up;
mod signing;
mod spent;
mod sql;
mod user;
mod value;

use std::path::PathBuf;
use std::sync::Arc;

use palisade_model::{Secret, World};

pub use api_token::{ApiToken, TokenKind};
pub use audit::{AuditQuery, AuditRow, ChainFault, ChainReport, FaultKind, Personal};
pub use credential::NewPassword;
pub use error::StoreError;
pub use factor::{FactorChange, FactorPurpose, FactorTaken, FactorUse, Factors, Passkey, Totp};
pub use feed::Subject;
pub use foreign::{Foreign, Identifier, TableName};
pub use identity::{Identity, Source, Unlinked};
pub use limiter::{Check, CounterRow, Limiter, Quota, Verdict};
pub use link::{Link, UNDO};
pub use lockout::{Bucket, LockoutRule, Standing};
pub use outbox::{Allowance, Mail, Outlook};
pub use pending::Pending;

pub use refresh::{RefreshToken, Rotation};
pub use revoke::{Reach, Revoked};
pub use session::{FoundSession, Renewal, Session, SessionKind};
pub use signing::SigningKey;
pub use user::User;

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
        user::STATEMENTS,
        credential::STATEMENTS,
        session::STATEMENTS,
        identity::STATEMENTS,
        spent::STATEMENTS,
        refresh::STATEMENTS,
        revoke::STATEMENTS,
        link::STATEMENTS,
        outbox::STATEMENTS,
        pending::STATEMENTS,
        factor::STATEMENTS,
        held::STATEMENTS,
        api_token::STATEMENTS,
        lockout::STATEMENTS,
        recover::STATEMENTS,
        sign_up::STATEMENTS,
        kept::STATEMENTS,
        signing::STATEMENTS,
        feed::STATEMENTS,
        counters::STATEMENTS,
        audit::STATEMENTS,
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
