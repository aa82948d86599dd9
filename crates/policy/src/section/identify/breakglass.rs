//! `[identify.breakglass]`: the way in when all others fail (ID-13).

use std::time::Duration;

use crate::read::{Reader, Scope, Setting, Shape, Table};

const SESSION: Setting<Duration> = Setting::new(
    "identify.breakglass.session",
    "30m",
    "How long a breakglass session lives; nothing makes it longer.",
)
.between("15m", "60m");

pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "identify.breakglass",
    doc: "Breakglass: one-use tokens that `palisade breakglass issue` makes on the host.",
    settings: &[&SESSION],
    tables: &[],
    shape: Shape::Once,
}];

pub(super) fn read(reader: &mut Reader<'_>, parent: &Table<'_>) -> Breakglass {
    let table = reader.open(parent, "breakglass", "identify.breakglass");
    Breakglass { session: reader.read(&table, &SESSION) }
}

/// Breakglass (ID-13).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breakglass {
    /// Life of its session.
    pub session: Duration,
}
