//! What crosses the network between Palisade and its database.

use std::net::IpAddr;

use url::Url;

use super::Lint;
use crate::Code;
use crate::diagnostic::Severity::Warning;
use crate::section::store::Database;

/// A PostgreSQL elsewhere is reached with TLS, and its certificate checked (ASVS 12.3.1, 12.3.3).
pub(super) fn check(lint: &mut Lint<'_>) {
    let Database::Postgres(url) = &lint.policy.store.database else { return };
    let Ok(url) = Url::parse(url.expose()) else { return };
    let mode = value(&url, "sslmode").last();
    if matches!(mode.as_deref(), Some("require" | "verify-ca" | "verify-full")) {
        return;
    }
    let hosts: Vec<String> = url
        .host_str()
        .map(str::to_owned)
        .into_iter()
        .chain(value(&url, "host"))
        .chain(value(&url, "hostaddr"))
        .flat_map(|hosts| hosts.split(',').map(str::to_owned).collect::<Vec<_>>())
        .filter(|host| !is_here(host))
        .collect();
    if hosts.is_empty() {
        return;
    }
    // Containers beside each other: somebody may mean it, and then says so.
    let meant = mode.as_deref() == Some("disable") && hosts.iter().all(|host| is_near(host));
    let severity = if meant { Warning } else { lint.severity() };
    lint.say(severity, Code::DatabasePlain, "store.database", "PostgreSQL is reached over a network without TLS")
        .because("its password, people's addresses and the trail would cross the network in the clear, and anybody on the way could answer in its place")
        .write("add ?sslmode=verify-full to the URL; on a private network of your own, ?sslmode=disable says that you know");
}

/// The values of a parameter of that URL, in order.
fn value(url: &Url, name: &str) -> impl Iterator<Item = String> {
    url.query_pairs().filter(move |(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// This machine: loopback, or a socket in the file system.
fn is_here(host: &str) -> bool {
    let is_socket = host.is_empty() || host.starts_with('/') || host.to_ascii_lowercase().starts_with("%2f");
    is_socket
        || host == "localhost"
        || host.ends_with(".localhost")
        || address(host).is_some_and(|ip| ip.is_loopback())
}

/// A private network's address, or a name that only a private network knows.
fn is_near(host: &str) -> bool {
    match address(host) {
        Some(IpAddr::V4(ip)) => ip.is_private() || ip.is_link_local(),
        Some(IpAddr::V6(ip)) => ip.is_unique_local() || ip.is_unicast_link_local(),
        None => !host.contains('.'),
    }
}

fn address(host: &str) -> Option<IpAddr> {
    host.trim_matches(['[', ']']).parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}
