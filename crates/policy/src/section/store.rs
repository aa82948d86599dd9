//! `[store]`: where users, sessions and the trail are kept.

use std::path::PathBuf;

use palisade_model::Secret;

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
