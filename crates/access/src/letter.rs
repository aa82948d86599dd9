//! Letters: what a mail is about, before anybody puts it into words.
//!
//! They wait sealed in the store, since some hold a link. Whoever sends them (the binary) writes the text.

use std::fmt;

use palisade_model::Timestamp;
use serde::{Deserialize, Serialize};

/// A letter to one person.
#[derive(Clone, Serialize, Deserialize)]
pub struct Letter {
    /// The address.
    pub to: String,
    /// The recipient's sign-in name.
    pub name: String,
    /// What it is about.
    pub matter: Matter,
    /// When that happened, in microseconds since the Unix epoch.
    at: i64,
    /// From which address.
    pub address: Option<String>,
    /// With which user agent.
    pub agent: Option<String>,
}

/// What a letter is about. The tokens in it are for the recipient's eyes alone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Matter {
    /// Somebody asked for a link to set a new password.
    Reset {
        /// For /auth/reset-password.
        token: String,
    },
    /// Somebody registered with this address.
    Register {
        /// For /auth/confirm.
        token: String,
    },
    /// Somebody registered with the address of somebody who has an account.
    RegisteredAlready,
    /// Somebody wants to use this address for their account.
    Address {
        /// For /account/email.
        token: String,
    },
    /// Somebody else wants to use the address of somebody who has an account.
    AddressInUse,
    /// Something happened to the account that its owner should know.
    Notice(Notice),
}

/// What happened to somebody's account: told so that they notice when it was not them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// A sign-in on a device that was not seen before.
    NewDevice,
    /// Another password.
    PasswordChanged,
    /// Another e-mail address; told to the former one.
    EmailChanged {
        /// The new one, masked.
        to: String,
        /// For /auth/reset-password: gives the account back to the former address.
        undo: String,
    },
    /// A second factor came or went.
    FactorChanged {
        /// Which, as `an authenticator app`.
        factor: String,
        /// Whether it was added; it was removed otherwise.
        added: bool,
    },
    /// A recovery code took the place of the second factor.
    RecoveryCodeUsed {
        /// How many are left.
        left: u32,
    },
    /// A key for programs was made.
    KeyMade {
        /// Its name.
        name: String,
    },
    /// An account elsewhere may sign in now.
    IdentityLinked {
        /// Where, as `Google`.
        provider: String,
    },
    /// An account elsewhere may sign in no more.
    IdentityUnlinked {
        /// Where, as `Google`.
        provider: String,
    },
}

impl Letter {
    /// A letter about something that happened at `at`, from nowhere in particular.
    #[must_use]
    pub fn new(to: &str, name: &str, matter: Matter, at: Timestamp) -> Self {
        let (to, name) = (to.to_owned(), name.to_owned());
        Self { to, name, matter, at: at.as_micros(), address: None, agent: None }
    }

    /// When what it is about happened.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        Timestamp::from_micros(self.at)
    }
}

/// Neither the address nor a token.
impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[letter]")
    }
}
