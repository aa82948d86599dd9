//! `[identify.lockout]`: what failed attempts to sign in lead to (LIMIT-3).

use std::time::Duration;

use crate::diagnostic::{Code, Diagnostic};
use crate::read::{Reader, Scope, Setting, Shape, Table};
use crate::section::app::App;

const ENABLED: Setting<bool> = Setting::new(
    "identify.lockout.enabled",
    "true",
    "Whether failed attempts lock out. Off is for testing, never for production.",
);
const ATTEMPTS: Setting<usize> = Setting::new(
    "identify.lockout.attempts",
    "5",
    "So many failures within the window lock an address out, or a device that is known.",
)
.between("1", "1000");
const ACCOUNT_ATTEMPTS: Setting<usize> = Setting::new(
    "identify.lockout.account_attempts",
    "10",
    "So many failures of strangers within the window, from any addresses, lock an account for strangers.",
)
.between("1", "1000");
const WINDOW: Setting<Duration> =
    Setting::new("identify.lockout.window", "15m", "How long a failure counts.").between("1s", "7d");
const FIRST: Setting<Duration> = Setting::new(
    "identify.lockout.first",
    "15m",
    "How long the first lockout lasts; each further one lasts twice as long.",
)
.between("1s", "7d");
const CAP: Setting<Duration> = Setting::new(
    "identify.lockout.cap",
    "24h",
    "The longest lockout. After as much time without one, they begin with the first length again.",
)
.between("1s", "30d");

pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "identify.lockout",
    doc: "What failed attempts to sign in lead to.",
    settings: &[&ENABLED, &ATTEMPTS, &ACCOUNT_ATTEMPTS, &WINDOW, &FIRST, &CAP],
    tables: &[],
    shape: Shape::Once,
}];

/// The cookie of a device that signed in before.
const DEVICE_COOKIE: &str = "palisade_device";

pub(super) fn read(reader: &mut Reader<'_>, parent: &Table<'_>, app: &App) -> Lockout {
    let table = reader.open(parent, "lockout", "identify.lockout");
    let lockout = Lockout {
        enabled: reader.read(&table, &ENABLED),
        attempts: reader.read(&table, &ATTEMPTS),
        account_attempts: reader.read(&table, &ACCOUNT_ATTEMPTS),
        window: reader.read(&table, &WINDOW),
        first: reader.read(&table, &FIRST),
        cap: reader.read(&table, &CAP),
        device_cookie: if app.base_url.secure {
            format!("__Host-{DEVICE_COOKIE}")
        } else {
            DEVICE_COOKIE.to_owned()
        },
    };
    if lockout.cap < lockout.first {
        let place = reader.places.of("identify.lockout.cap");
        reader.note(
            Diagnostic::error(Code::OutOfBounds, place, "the longest lockout is shorter than the first one")
                .help("write a cap that is at least identify.lockout.first"),
        );
    }
    lockout
}

/// What failed attempts to sign in lead to (LIMIT-3, LIMIT-8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// Whether they lead to anything (LIMIT-7); never false in production.
    pub enabled: bool,
    /// So many within the window lock an address, or a known device.
    pub attempts: usize,
    /// So many of strangers within the window lock an account for strangers.
    pub account_attempts: usize,
    /// How long a failure counts.
    pub window: Duration,
    /// How long the first lockout lasts.
    pub first: Duration,
    /// The longest lockout, and the calm after which they begin with the first length again.
    pub cap: Duration,
    /// The name of the cookie by which a device is known; `__Host-` where the site is https.
    pub device_cookie: String,
}
