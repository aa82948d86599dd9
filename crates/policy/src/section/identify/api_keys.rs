//! `[identify.api_keys]`: opaque keys for programs (ID-16).

use std::time::Duration;

use crate::read::{Reader, Scope, Setting, Shape, Table};

const OPEN: Setting<bool> =
    Setting::new("identify.api_keys.open", "true", "Whether users may make API keys for themselves.");
const MAX_PER_USER: Setting<Option<usize>> =
    Setting::new("identify.api_keys.max_per_user", "20", "So many keys a user may have at once.")
        .between("1", "1000");
const LONGEST: Setting<Duration> =
    Setting::new("identify.api_keys.longest", "365d", "The longest life of a key that a user makes.")
        .between("1h", "3650d");
const OVERLAP: Setting<Duration> = Setting::new(
    "identify.api_keys.overlap",
    "24h",
    "How long a key that is rotated goes on beside its successor, where nothing else is said.",
)
.between("0s", "30d");

pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "identify.api_keys",
    doc: "Keys for programs: `pal_key_...` as bearer token.",
    settings: &[&OPEN, &MAX_PER_USER, &LONGEST, &OVERLAP],
    tables: &[],
    shape: Shape::Once,
}];

pub(super) fn read(reader: &mut Reader<'_>, parent: &Table<'_>) -> ApiKeys {
    let table = reader.open(parent, "api_keys", "identify.api_keys");
    ApiKeys {
        open: reader.read(&table, &OPEN),
        max_per_user: reader.read(&table, &MAX_PER_USER),
        longest: reader.read(&table, &LONGEST),
        overlap: reader.read(&table, &OVERLAP),
    }
}

/// Keys for programs (ID-16).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeys {
    /// Whether users may make keys for themselves.
    pub open: bool,
    /// How many a user may have at once. `None`: any number.
    pub max_per_user: Option<usize>,
    /// The longest life of a key that a user makes.
    pub longest: Duration,
    /// How long a rotated key goes on, where nothing else is said.
    pub overlap: Duration,
}
