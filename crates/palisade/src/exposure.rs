//! Folders of secrets that others on the machine can get at.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use palisade_policy::Policy;
use palisade_policy::section::mail::Carrier;
use palisade_policy::section::store::Database;
use palisade_store::folder;

/// What to do about one.
pub(crate) const REMEDY: &str = "chmod o-rwx, so that only the server's user and group get at them";

/// The folders of the database, the keys, the logs and the letters that are there and open to everybody. Those that
/// Palisade makes itself never are.
pub(crate) fn open_folders(policy: &Policy) -> Vec<PathBuf> {
    let mut folders = BTreeSet::from([policy.store.data_dir.as_path()]);
    if let Database::Sqlite(file) = &policy.store.database {
        folders.extend(file.parent());
    }
    let logs = [&policy.audit.events_file, &policy.audit.log_file];
    folders.extend(logs.into_iter().flatten().filter_map(|file| file.parent()));
    if let Carrier::File(folder) = &policy.mail.carrier {
        folders.insert(folder);
    }
    folders.into_iter().filter(|folder| folder::is_open(folder)).map(Path::to_owned).collect()
}
