//! Reading another program's table of users, for `palisade import`.
//!
//! The one place where a statement is put together while the program runs: names of tables and columns cannot be
//! parameters. They are [`Identifier`]s, which hold letters, digits and '_' alone and are quoted as well, so that no
//! text can be anything but a name (VAL-4). There are no values in it. The connection is read only.

use std::path::Path;

use palisade_model::Secret;
use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use crate::StoreError;
use crate::db::postgres;

/// The longest name that PostgreSQL has, in bytes.
const LONGEST: usize = 63;

/// So many characters of a cell are read; no name, address or hash is longer.
const CELL: usize = 4096;

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
    /// Whether the cell was longer than what was read of it.
    #[must_use]
    pub fn is_cut(cell: &str) -> bool {
        cell.chars().count() > CELL
    }

    /// All rows of these columns as text, in the table's own order. Of a cell of more than 4,096 characters one more is
    /// read, which [`Foreign::is_cut`] sees.
    ///
    /// # Errors
    /// When the database or the table cannot be read.
    pub async fn rows(
        &self,
        table: &TableName,
        columns: &[Identifier],
    ) -> Result<Vec<Vec<Option<String>>>, StoreError> {
        let cast = |column: &Identifier| match self {
            // Its substr() would stop at a NUL, and make another name of it.
            Self::Sqlite(_) => format!("CAST({} AS TEXT)", column.quoted()),
            Self::Postgres(_) => format!("substr(CAST({} AS TEXT), 1, {})", column.quoted(), CELL + 1),
        };
        let columns: Vec<String> = columns.iter().map(cast).collect();
        let names: Vec<String> = table.0.iter().map(Identifier::quoted).collect();
        let text = format!("SELECT {} FROM {}", columns.join(", "), names.join("."));
        match self {
            Self::Sqlite(path) => {
                let (path, table) = (path.clone(), table.clone());
                tokio::task::spawn_blocking(move || from_sqlite(&path, &table, &text))
                    .await
                    .map_err(|_| StoreError::Unavailable("a read was stopped".into()))?
            }
            Self::Postgres(url) => postgres::foreign_rows(url, &text).await,
        }
    }
}

fn from_sqlite(path: &Path, table: &TableName, text: &str) -> Result<Vec<Vec<Option<String>>>, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // What stands in double quotes and is no column must be an error, not a text.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    plain_table(&connection, table)?;
    let mut statement = connection.prepare(text)?;
    let width = statement.column_count();
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let cells: Option<Vec<Option<String>>> = (0..width)
            .map(|at| match row.get_ref(at) {
                Ok(ValueRef::Null) => Some(None),
                Ok(ValueRef::Text(text)) => std::str::from_utf8(text).ok().map(|text| Some(beginning(text))),
                _ => None,
            })
            .collect();
        let number = all.len().saturating_add(1);
        all.push(cells.ok_or_else(|| StoreError::Foreign(format!("row {number} is not UTF-8")))?);
    }
    Ok(all)
}

fn beginning(text: &str) -> String {
    text.chars().take(CELL + 1).collect()
}

/// A view or a virtual table is a program, which could run for ever: whoever sends a file could have put one in the
/// table's place.
fn plain_table(connection: &Connection, table: &TableName) -> Result<(), StoreError> {
    let (schema, name) = match table.0.as_slice() {
        [name] => ("main", name),
        [schema, name] => (schema.0.as_str(), name),
        _ => return Err(StoreError::Foreign("it has no name".to_owned())),
    };
    let find =
        "SELECT type FROM pragma_table_list WHERE schema = ?1 COLLATE NOCASE AND name = ?2 COLLATE NOCASE";
    let found = connection.query_row(find, [schema, name.0.as_str()], |row| row.get::<_, String>(0));
    match found.as_deref() {
        Ok("table") => Ok(()),
        Ok(_) => {
            Err(StoreError::Foreign("it is a view or a virtual table: name the table behind it".to_owned()))
        }
        Err(rusqlite::Error::QueryReturnedNoRows) => {
            Err(StoreError::Foreign("there is no such table".to_owned()))
        }
        Err(_) => Err(StoreError::Foreign("the file is no SQLite database, or a damaged one".to_owned())),
    }
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
