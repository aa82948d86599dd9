//! `[identify.passwords]`: rules and hashing.

use std::num::NonZeroU32;
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
const ALGORITHM: Setting<Algorithm> = Setting::new(
    "identify.passwords.algorithm",
    "argon2id",
    "How new passwords are hashed. Hashes of other ways are verified, and renewed at the next sign-in.",
);
const MEMORY: Setting<Size> =
    Setting::new("identify.passwords.memory", "19MiB", "Memory for one hash (argon2id).")
        .between("8KiB", "4GiB");
const PASSES: Setting<u32> =
    Setting::new("identify.passwords.passes", "2", "Passes over that memory (argon2id).").between("1", "64");
const BCRYPT_COST: Setting<u32> =
    Setting::new("identify.passwords.bcrypt_cost", "12", "The binary logarithm of bcrypt's rounds.")
        .between("12", "16");
const PBKDF2_ROUNDS: Setting<u32> =
    Setting::new("identify.passwords.pbkdf2_rounds", "600000", "Rounds of PBKDF2-HMAC-SHA256.")
        .between("600000", "10000000");
const WORKERS: Setting<usize> =
    Setting::new("identify.passwords.workers", "2", "So many passwords are hashed at once, on threads that give way to requests; one more does what waited too long.")
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
        &ALGORITHM,
        &MEMORY,
        &PASSES,
        &BCRYPT_COST,
        &PBKDF2_ROUNDS,
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

/// A way of hashing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Argon2id,
    Bcrypt,
    Pbkdf2Sha256,
}

impl Word for Algorithm {
    const WORDS: &'static [(&'static str, Self)] =
        &[("argon2id", Self::Argon2id), ("bcrypt", Self::Bcrypt), ("pbkdf2-sha256", Self::Pbkdf2Sha256)];
}

pub(super) fn read(reader: &mut Reader<'_>, parent: &Table<'_>) -> Passwords {
    let table = reader.open(parent, "passwords", "identify.passwords");
    let require = reader.read(&table, &REQUIRE);
    let needs = |class| require.contains(&class);
    let hashing = read_hashing(reader, &table);
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
        hashing,
        workers: reader.read(&table, &WORKERS),
        queue: reader.read(&table, &QUEUE),
    }
}

fn read_hashing(reader: &mut Reader<'_>, table: &Table<'_>) -> Hashing {
    let memory = reader.read(table, &MEMORY).0 / 1024;
    let passes = reader.read(table, &PASSES);
    let cost = reader.read(table, &BCRYPT_COST);
    let rounds = reader.read(table, &PBKDF2_ROUNDS);
    match reader.read(table, &ALGORITHM) {
        Algorithm::Argon2id => {
            Hashing::Argon2id { memory_kib: u32::try_from(memory).unwrap_or(u32::MAX), passes }
        }
        Algorithm::Bcrypt => Hashing::Bcrypt { cost },
        Algorithm::Pbkdf2Sha256 => {
            Hashing::Pbkdf2Sha256 { rounds: NonZeroU32::new(rounds).unwrap_or(NonZeroU32::MAX) }
        }
    }
}

/// How new passwords are hashed (ID-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hashing {
    /// RFC 9106, in one lane.
    Argon2id {
        /// In KiB.
        memory_kib: u32,
        /// Over that memory.
        passes: u32,
    },
    /// Of a keyed digest of the password, so that no byte of it is lost.
    Bcrypt {
        /// The binary logarithm of the rounds.
        cost: u32,
    },
    /// RFC 8018.
    Pbkdf2Sha256 {
        /// Of HMAC-SHA256.
        rounds: NonZeroU32,
    },
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
    /// How new ones are hashed.
    pub hashing: Hashing,
    /// How many may hash at once.
    pub workers: usize,
    /// How many may wait; beyond it 503 with Retry-After.
    pub queue: usize,
}
