//! `[store]`: where users, sessions and the trail are kept.

use std::path::PathBuf;

use palisade_model::Secret;

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
    /// A file; made when it is not there.
    Sqlite(PathBuf),
    /// A `postgres://` URL with its password.
    Postgres(Secret),
}
