//! Whose failures are counted, and under which keys (LIMIT-3, LIMIT-8).
//!
//! A stranger's attempt counts by address and by account; one from a device that signed in to the account before
//! counts by that device alone. Keys are keyed digests: the store does not tell who tried what.

pub(crate) mod device;

use std::net::IpAddr;

use palisade_model::audit::Origin;
use palisade_model::{Action, AuditEvent, ClientAddress, Timestamp, digest};
use palisade_policy::section::identify::Lockout;
use palisade_store::{Bucket, LockoutRule, User};

use crate::keys::{Key, Roots};
use crate::principal::Principal;
use device::Devices;

/// What is tried. Failures of one do not count against the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trial {
    /// A password.
    Password,
    /// A second factor, of somebody whose password was right.
    Factor,
}

/// Who tries to prove what.
#[derive(Clone, Copy)]
pub(crate) struct Subjects<'a> {
    trial: Trial,
    login: &'a str,
    user: Option<&'a User>,
    /// Somebody who is signed in as that user already.
    within: Option<&'a Principal>,
}

impl<'a> Subjects<'a> {
    /// Somebody who signs in under this name; `user` is whom it names, if anybody.
    pub(crate) fn login(login: &'a str, user: Option<&'a User>) -> Self {
        Self { trial: Trial::Password, login, user, within: None }
    }

    /// Somebody who says that they are this user.
    pub(crate) fn user(trial: Trial, user: &'a User) -> Self {
        Self { trial, login: "", user: Some(user), within: None }
    }

    /// Somebody who is signed in as this user and proves it again: strangers' failures do not stop them.
    pub(crate) fn within(trial: Trial, user: &'a User, principal: &'a Principal) -> Self {
        Self { trial, login: "", user: Some(user), within: Some(principal) }
    }
}

impl Subjects<'_> {
    /// Whom they name, if anybody.
    pub(crate) fn named(&self) -> Option<&User> {
        self.user
    }
}

/// What attempts are counted by, ready for the store.
pub(crate) struct Lockouts {
    key: Key,
    pub(crate) devices: Devices,
    by_attempts: LockoutRule,
    by_account: LockoutRule,
    enabled: bool,
}

impl Lockouts {
    pub(crate) fn new(roots: &Roots, policy: &Lockout) -> Self {
        let by_attempts = LockoutRule {
            attempts: policy.attempts,
            window: policy.window,
            first: policy.first,
            cap: policy.cap,
        };
        Self {
            key: roots.derive("lockout"),
            devices: Devices::new(roots.derive_all("device")),
            by_attempts,
            by_account: LockoutRule { attempts: policy.account_attempts, ..by_attempts },
            enabled: policy.enabled,
        }
    }

    /// What an attempt counts by: nothing while lockouts are switched off. `row` is what the trail says when one begins.
    pub(crate) fn buckets(
        &self,
        of: &Subjects<'_>,
        row: &AuditEvent,
        origin: &Origin,
        now: Timestamp,
    ) -> Vec<Bucket> {
        if !self.enabled {
            return Vec::new();
        }
        if let Some(device) = self.known_device(of, row, origin, now) {
            return vec![device];
        }
        let account = Bucket {
            key: self.account_key(of),
            owner: None,
            rule: self.by_account,
            // It has to look like any other wrong password.
            stops: false,
            row: row.clone(),
        };
        // An address that is a proxy's and not the client's would lock out everybody behind it.
        let address = origin.address.filter(|address| address.is_known()).map(|address| Bucket {
            key: self.address_key(address),
            owner: None,
            rule: self.by_attempts,
            stops: true,
            row: AuditEvent::new(Action::LockoutBegan, "address", "client").from(origin),
        });
        address.into_iter().chain([account]).collect()
    }

    fn known_device(
        &self,
        of: &Subjects<'_>,
        row: &AuditEvent,
        origin: &Origin,
        now: Timestamp,
    ) -> Option<Bucket> {
        let user = of.user?;
        let key = match of.within {
            Some(principal) => self.digest(b"session", of.trial, principal.binding()),
            None => {
                let id = self.devices.known(origin.device.as_ref()?, user, now)?;
                self.digest(b"device", of.trial, &[&id[..], user.id.0.as_bytes()].concat())
            }
        };
        Some(Bucket {
            key,
            owner: Some(self.account_key(of)),
            rule: self.by_attempts,
            stops: true,
            row: AuditEvent { entity_type: "device", ..row.clone() },
        })
    }

    /// An account counts by its id, so that its name and its e-mail share one count; a name that nobody has by itself.
    fn account_key(&self, of: &Subjects<'_>) -> [u8; 32] {
        match of.user {
            Some(user) => self.digest(b"account", of.trial, user.id.0.as_bytes()),
            None => self.digest(b"login", of.trial, of.login.to_lowercase().as_bytes()),
        }
    }

    /// Everything that can keep this user out.
    pub(crate) fn keys_of(&self, user: &User) -> Vec<[u8; 32]> {
        [Trial::Password, Trial::Factor]
            .map(|trial| self.digest(b"account", trial, user.id.0.as_bytes()))
            .into()
    }

    /// The key of an address: of its /64 network, if it is IPv6.
    pub(crate) fn address_key(&self, address: ClientAddress) -> [u8; 32] {
        match address.limit_key() {
            IpAddr::V4(ip) => self.digest(b"address", Trial::Password, &ip.octets()),
            IpAddr::V6(ip) => self.digest(b"address", Trial::Password, &ip.octets()),
        }
    }

    fn digest(&self, kind: &[u8], trial: Trial, subject: &[u8]) -> [u8; 32] {
        let trial: &[u8] = match trial {
            Trial::Password => b"password",
            Trial::Factor => b"factor",
        };
        digest::hmac_sha256(self.key.expose(), &[kind, b"\0", trial, b"\0", subject])
    }
}
