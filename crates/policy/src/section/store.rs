//! `[store]`: where users, sessions and the trail are kept.

use std::path::PathBuf;

use palisade_model::Secret;
use serde_json::{Value, json};
use url::Url;

use crate::read::kind::{Context, Kind, Raw, Read, Wrong, text_of};
use crate::read::secret::referred;
use crate::read::setting::Variable;
use crate::read::{Reader, Scope, Setting, Shape, Table};

const DATABASE: Setting<Database> = Setting::optional(
    "store.database",
    "The database: an SQLite file, or PostgreSQL by a URL that stands in the environment or a file, as it holds a password.",
)
.else_by("sqlite:palisade.db in `store.data_dir`")
.or_from(&[Variable::plain("DATABASE_URL")]);
const DATA_DIR: Setting<PathBuf> =
    Setting::new("store.data_dir", "palisade-data", "The folder for keys, logs and an SQLite database.");

pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "store",
    doc: "Where users, sessions and the trail are kept.",
    settings: &[&DATABASE, &DATA_DIR],
    tables: &[],
    shape: Shape::Once,
}];

pub(crate) fn read(reader: &mut Reader<'_>, root: &Table<'_>) -> Store {
    let table = reader.open(root, "store", "store");
    let data_dir = reader.read(&table, &DATA_DIR);
    let database = reader
        .read_if_said(&table, &DATABASE)
        .unwrap_or_else(|| Database::Sqlite(data_dir.join("palisade.db")));
    Store { database, data_dir }
}

/// `[store]`, compiled.
#[derive(Clone, Debug)]
pub struct Store {
    /// The database.
    pub database: Database,
    /// Keys and counters that are kept as files.
    pub data_dir: PathBuf,
}

/// Which database.
#[derive(Clone, Debug)]
pub enum Database {
    /// In memory, gone at the end: for tests.
    Memory,
    /// A file; made when it is not there.
    Sqlite(PathBuf),
    /// A `postgres://` URL with its password.
    Postgres(Secret),
}

const FORMS: &str = "\"sqlite:PATH\", \"env:NAME\" or \"file:/path\" with a postgres:// URL in it";

/// A database URL, in the spellings of the seeds' frameworks too.
fn database(text: &str) -> Result<Database, &'static str> {
    if let Some(path) = text.strip_prefix("sqlite:") {
        // SQLAlchemy: sqlite:///relative and sqlite:////absolute.
        let path = path.strip_prefix("///").unwrap_or(path);
        return match path {
            ":memory:" => Ok(Database::Memory),
            "" => Err("the database's file is not named"),
            path if path.starts_with("//") => Err("an SQLite database is a path, not a host"),
            path => Ok(Database::Sqlite(PathBuf::from(path))),
        };
    }
    let (scheme, rest) = text.split_once("://").ok_or("the database is neither sqlite: nor postgres://")?;
    match scheme.split('+').next() {
        Some("postgres" | "postgresql") => {
            let url = format!("postgres://{rest}");
            let has_host = Url::parse(&url).is_ok_and(|url| url.host().is_some() || url.query().is_some());
            if has_host {
                Ok(Database::Postgres(Secret::new(url)))
            } else {
                Err("the database's URL names no host")
            }
        }
        _ => Err("the database is neither sqlite: nor postgres://"),
    }
}

impl Kind for Database {
    const SECRET: bool = true;
    const EXAMPLE: &'static str = "env:DATABASE_URL";

    fn takes() -> String {
        FORMS.into()
    }

    fn read(raw: Raw<'_>, context: &Context<'_>) -> Read<Self> {
        let text = text_of(raw, FORMS)?;
        let secret = match raw {
            Raw::Toml(_) if !text.starts_with("sqlite:") && !is_open(text) => {
                referred(text, context.environment)?
            }
            _ => Secret::new(text),
        };
        database(secret.expose()).map_err(|why| {
            let help = "write \"sqlite:palisade-data/palisade.db\", or \"env:DATABASE_URL\" with a postgres:// URL of user, \
                        password, host and database in that variable";
            vec![Wrong::malformed(why, help)]
        })
    }

    fn nothing() -> Self {
        Self::Memory
    }

    fn schema() -> Value {
        json!({"type": "string", "pattern": "^(sqlite:.+|postgres(ql)?://.+|env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$"})
    }
}

/// A database URL without a password may stand in the policy.
fn is_open(text: &str) -> bool {
    let postgres = text.starts_with("postgres://") || text.starts_with("postgresql://");
    postgres && Url::parse(text).is_ok_and(|url| url.password().is_none() && !text.contains("password"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_database_is_found_in_each_spelling() {
        assert!(matches!(database("sqlite:a/b.db"), Ok(Database::Sqlite(p)) if p == Path::new("a/b.db")));
        assert!(matches!(database("sqlite:///a.db"), Ok(Database::Sqlite(p)) if p == Path::new("a.db")));
        assert!(
            matches!(database("sqlite:////abs/a.db"), Ok(Database::Sqlite(p)) if p == Path::new("/abs/a.db"))
        );
        assert!(matches!(database("sqlite::memory:"), Ok(Database::Memory)));
        let Ok(Database::Postgres(url)) = database("postgresql+asyncpg://u:p@h/d") else { panic!() };
        assert_eq!(url.expose(), "postgres://u:p@h/d");
        for bad in ["", "mysql://x", "sqlite:", "palisade.db"] {
            assert!(database(bad).is_err(), "{bad}");
        }
    }
}
