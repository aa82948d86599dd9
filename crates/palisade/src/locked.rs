//! How people write whose lockout is meant.

use std::net::IpAddr;

use ipnet::IpNet;

/// What to write instead of what is no network.
pub(crate) const NETWORK: &str = "Write an address or a network: 192.0.2.7, 192.0.2.0/24 or 2001:db8::/64.";

/// An address, or a network.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}
