//! `[identify.passwords]`: rules and hashing.

use std::time::Duration;

use crate::read::kind::Word;
use crate::read::quantity::Size;
use crate::read::{Reader, Scope, Setting, Shape, Table};

const MIN_LENGTH: Setting<usize> =
    Setting::new("identify.passwords.min_length", "8", "The least length, in characters.").between("8", "64");
const MAX_LENGTH: Setting<usize> = Setting::new(
    "identify.passwords.max_length",
    "128",
    "The greatest length, in characters; a longer password is refused, never cut.",
)
.between("64", "1024");
const REQUIRE: Setting<Vec<Class>> = Setting::new(
    "identify.passwords.require",
    "",
    "Which kinds of character a password needs. None by default: length and strength count for more (ASVS 6.2.5).",
)
.such_as("upper, lower, digit, special");
const REFUSE_COMMON: Setting<bool> =
    Setting::new("identify.passwords.refuse_common", "true", "Refuses passwords that many people use.");
const MIN_STRENGTH: Setting<u8> = Setting::new(
    "identify.passwords.min_strength",
    "2",
    "The least estimated strength (zxcvbn), from 0 for none to 4 for very strong.",
)
.between("0", "4");
const MAX_AGE: Setting<Option<Duration>> =
    Setting::new("identify.passwords.max_age", "off", "Age after which a password has to be changed.")
        .between("1d", "3650d")
        .such_as("90d");
const HISTORY: Setting<usize> =
    Setting::new("identify.passwords.history", "5", "So many former passwords cannot come back.")
        .between("0", "50");
const MEMORY: Setting<Size> =
    Setting::new("identify.passwords.memory", "19MiB", "Memory for one hash (argon2id).")
        .between("8KiB", "4GiB");
const PASSES: Setting<u32> =
    Setting::new("identify.passwords.passes", "2", "Passes over that memory (argon2id).").between("1", "64");
const WORKERS: Setting<usize> =
    Setting::new("identify.passwords.workers", "2", "So many passwords are hashed at once.")
        .between("1", "256");
const QUEUE: Setting<usize> =
    Setting::new("identify.passwords.queue", "64", "So many may wait for it; more get 503.")
        .between("0", "100000");

pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "identify.passwords",
    doc: "Password rules and hashing.",
    settings: &[
        &MIN_LENGTH,
        &MAX_LENGTH,
        &REQUIRE,
        &REFUSE_COMMON,
        &MIN_STRENGTH,
        &MAX_AGE,
        &HISTORY,
        &MEMORY,
        &PASSES,
        &WORKERS,
        &QUEUE,
    ],
    tables: &[],
    shape: Shape::Once,
}];

/// A kind of character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Upper,
    Lower,
    Digit,
    Special,
}

impl Word for Class {
    const WORDS: &'static [(&'static str, Self)] =
        &[("upper", Self::Upper), ("lower", Self::Lower), ("digit", Self::Digit), ("special", Self::Special)];
}

pub(super) fn read(reader: &mut Reader<'_>, parent: &Table<'_>) -> Passwords {
    let table = reader.open(parent, "passwords", "identify.passwords");
    let require = reader.read(&table, &REQUIRE);
    let needs = |class| require.contains(&class);
    let memory = reader.read(&table, &MEMORY).0 / 1024;
    Passwords {
        min_length: reader.read(&table, &MIN_LENGTH),
        max_length: reader.read(&table, &MAX_LENGTH),
        upper: needs(Class::Upper),
        lower: needs(Class::Lower),
        digit: needs(Class::Digit),
        special: needs(Class::Special),
        refuse_common: reader.read(&table, &REFUSE_COMMON),
        min_strength: reader.read(&table, &MIN_STRENGTH),
        max_age: reader.read(&table, &MAX_AGE),
        history: reader.read(&table, &HISTORY),
        memory_kib: u32::try_from(memory).unwrap_or(u32::MAX),
        passes: reader.read(&table, &PASSES),
        workers: reader.read(&table, &WORKERS),
        queue: reader.read(&table, &QUEUE),
    }
}

/// Password rules (ID-2) and hashing (ID-3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passwords {
    /// In characters.
    pub min_length: usize,
    /// In characters; a longer one is refused, never cut.
    pub max_length: usize,
    /// Needs an upper-case letter.
    pub upper: bool,
    /// Needs a lower-case letter.
    pub lower: bool,
    /// Needs a digit.
    pub digit: bool,
    /// Needs one of the seed's special characters.
    pub special: bool,
    /// Refuses common passwords.
    pub refuse_common: bool,
    /// The least zxcvbn score, 0 to 4.
    pub min_strength: u8,
    /// Age after which a password has to be changed.
    pub max_age: Option<Duration>,
    /// How many former passwords cannot come back.
    pub history: usize,
    /// argon2id memory, in KiB.
    pub memory_kib: u32,
    /// argon2id passes.
    pub passes: u32,
    /// How many may hash at once.
    pub workers: usize,
    /// How many may wait; beyond it 503 with Retry-After.
    pub queue: usize,
}
