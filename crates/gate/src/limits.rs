//! The policy's limits, compiled for counting and announcing.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use palisade_model::{ClientAddress, Timestamp, digest};
use palisade_policy::Policy;
use palisade_policy::section::authorize::{RoleSet, Who};
use palisade_policy::section::route::Route;
use palisade_policy::section::shield::{ADMIN_NAME, DEFAULT_NAME, Limit};

/// Where many clients may share one counter because their proxy hides them, it takes so many times what one client may:
/// a few failures of one do not stop all, and guessing still ends (LIMIT-8).
const SHARED: u32 = 20;

/// What is left of a limit's window.
#[derive(Clone, Debug)]
pub(crate) struct Quota {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    pub(crate) reset: Duration,
    pub(crate) at: Timestamp,
    /// The window's name in `RateLimit-Policy`.
    pub(crate) name: Arc<str>,
}

/// The policy's limits, as they are counted and announced.
#[derive(Debug)]
pub(crate) struct Limits {
    /// Keys of counters outlive a restart; hashed with this, they tell nothing of whom they count.
    salt: [u8; 32],
    /// The limit of routes that name none, and of addresses without a route.
    pub(crate) default: Option<usize>,
    /// By index of the limit: its windows as the limiter takes them.
    windows: Vec<Vec<(u32, Duration)>>,
    /// The same for clients who share a counter.
    shared: Vec<Vec<(u32, Duration)>>,
    /// The names of these windows.
    names: Vec<Vec<Arc<str>>>,
    /// The limit of what is for administrators alone, and who they are (LIMIT-6).
    admin: Option<(usize, RoleSet)>,
    /// By index of the route: `RateLimit-Policy`.
    pub(crate) announced: Vec<Option<HeaderValue>>,
}

impl Limits {
    pub(crate) fn compile(policy: &Policy) -> Self {
        let secret = policy.identify.secret_key.as_ref().map_or("", |secret| secret.expose());
        let limits = &policy.shield.limits;
        let announce = |route: &Route| {
            let items: Vec<String> =
                route.limits.iter().filter_map(|index| limits.get(*index)).flat_map(policy_items).collect();
            HeaderValue::try_from(items.join(", ")).ok().filter(|value| !value.is_empty())
        };
        Self {
            salt: digest::hmac_sha256(secret.as_bytes(), &[b"palisade limit keys"]),
            default: limits.iter().position(|limit| limit.name == DEFAULT_NAME),
            windows: limits
                .iter()
                .map(|limit| limit.windows.iter().map(|w| (w.count, w.per)).collect())
                .collect(),
            shared: limits
                .iter()
                .map(|limit| limit.windows.iter().map(|w| (w.count.saturating_mul(SHARED), w.per)).collect())
                .collect(),
            names: limits
                .iter()
                .map(|limit| limit.windows.iter().map(|w| window_name(limit, w.per).into()).collect())
                .collect(),
            admin: limits
                .iter()
                .position(|limit| limit.name == ADMIN_NAME)
                .map(|index| (index, policy.roles.administrators())),
            announced: policy.routes.rows.iter().map(announce).collect(),
        }
    }

    /// Whether that limit counts a request that these may make: that of administrators counts theirs alone.
    pub(crate) fn counts(&self, limit: usize, who: Who) -> bool {
        self.admin.is_none_or(|(index, set)| limit != index || who == Who::Roles(set))
    }

    /// A limit's windows as the limiter takes them.
    pub(crate) fn windows(&self, limit: usize) -> &[(u32, Duration)] {
        self.windows.get(limit).map_or(&[], Vec::as_slice)
    }

    /// A limit's windows for counting by an address: wider where it may be that of many.
    pub(crate) fn windows_of(&self, limit: usize, client: ClientAddress) -> &[(u32, Duration)] {
        if client.is_known() {
            self.windows(limit)
        } else {
            self.shared.get(limit).map_or(&[], Vec::as_slice)
        }
    }

    /// The name of that limit's window of that length.
    pub(crate) fn name(&self, limit: usize, per: Duration) -> Option<Arc<str>> {
        let place = self.windows(limit).iter().position(|(_, length)| *length == per)?;
        self.names.get(limit)?.get(place).cloned()
    }

    /// The key of a counter.
    pub(crate) fn key(&self, limit: &Limit, kind: &[u8], subject: &[u8]) -> [u8; 16] {
        let whole = digest::sha256(&[&self.salt, limit.name.as_bytes(), b"\0", kind, b"\0", subject]);
        let mut key = [0; 16];
        for (to, from) in key.iter_mut().zip(whole) {
            *to = from;
        }
        key
    }

    /// The key of an address's counter.
    pub(crate) fn address_key(&self, limit: &Limit, client: ClientAddress) -> [u8; 16] {
        // Requests whose sender is unknown share a bucket of their own: they cannot fill the proxy's.
        let kind: &[u8] = if client.is_known() { b"address" } else { b"behind" };
        match client.limit_key() {
            IpAddr::V4(ip) => self.key(limit, kind, &ip.octets()),
            IpAddr::V6(ip) => self.key(limit, kind, &ip.octets()),
        }
    }
}

/// One item for each window: `"default-hour";q=50;w=3600`.
fn policy_items(limit: &Limit) -> Vec<String> {
    let item =
        |count: u32, per: Duration| format!("\"{}\";q={count};w={}", window_name(limit, per), per.as_secs());
    limit.windows.iter().map(|window| item(window.count, window.per)).collect()
}

/// A limit's own name where it has one window; else with the window's length in seconds.
fn window_name(limit: &Limit, per: Duration) -> String {
    if limit.windows.len() == 1 { limit.name.clone() } else { format!("{}-{}", limit.name, per.as_secs()) }
}
