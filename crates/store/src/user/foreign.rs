//! Reading another program's table of users, for `palisade import`.
//!
//! The one place where a statement is put together while the program runs: names of tables and columns cannot be
//! parameters. They are [`Identifier`]s, which hold letters, digits and '_' alone and are quoted as well, so that no
//! text can be anything but a name (VAL-4). There are no values in it. The connection is read only.

use std::path::Path;

use palisade_model::Secret;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::StoreError;
use crate::db::postgres;

/// The longest name that PostgreSQL has, in bytes.
const LONGEST: usize = 63;

/// Where another program's database is.
#[derive(Clone, Debug)]
pub enum Foreign {
    /// A SQLite file.
    Sqlite(std::path::PathBuf),
    /// PostgreSQL, by a `postgres://` URL.
    Postgres(Secret),
}

/// The name of a table or column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identifier(String);

impl Identifier {
    /// `None` unless it is made of ASCII letters, digits and '_', at most 63 of them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        ((1..=LONGEST).contains(&text.len()) && text.bytes().all(fits)).then(|| Self(text.to_owned()))
    }

    fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

/// A table, perhaps with its schema: `auth_user`, `public.user`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName(Vec<Identifier>);

impl TableName {
    /// `None` unless it is one name, or two with a dot between them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let names: Vec<Identifier> = text.split('.').map(Identifier::parse).collect::<Option<_>>()?;
        (names.len() <= 2).then_some(Self(names))
    }
}

impl Foreign {
    /// All rows of these columns as text, in the table's own order.
    ///
    /// # Errors
    /// When the database or the table cannot be read.
    pub async fn rows(
        &self,
        table: &TableName,
        columns: &[Identifier],
    ) -> Result<Vec<Vec<Option<String>>>, StoreError> {
        let columns_text: Vec<String> =
            columns.iter().map(|column| format!("CAST({} AS TEXT)", column.quoted())).collect();
        let table: Vec<String> = table.0.iter().map(Identifier::quoted).collect();
        let text = format!("SELECT {} FROM {}", columns_text.join(", "), table.join("."));
        match self {
            Self::Sqlite(path) => {
                let path = path.clone();
                tokio::task::spawn_blocking(move || from_sqlite(&path, &text))
                    .await
                    .map_err(|_| StoreError::Unavailable("a read was stopped".into()))?
            }
            Self::Postgres(url) => postgres::foreign_rows(url, &text).await,
        }
    }
}

fn from_sqlite(path: &Path, text: &str) -> Result<Vec<Vec<Option<String>>>, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // What stands in double quotes and is no column must be an error, not a text.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    let mut statement = connection.prepare(text)?;
    let width = statement.column_count();
    let rows = statement.query_map([], |row| (0..width).map(|at| row.get(at)).collect())?;
    rows.collect::<Result<_, _>>().map_err(StoreError::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: VAL-4
    #[test]
    fn a_name_can_be_nothing_else() {
        for good in ["user", "auth_user", "public.user", "A1"] {
            assert!(TableName::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            ".",
            "a.b.c",
            "user\"",
            "user; DROP TABLE users",
            "user--",
            "a b",
            "(SELECT 1)",
            "usér",
            "a\0",
            &"a".repeat(64),
        ] {
            assert_eq!(TableName::parse(bad), None, "{bad}");
        }
    }
}
