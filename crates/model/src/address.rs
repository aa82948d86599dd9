//! Client addresses.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Where a request comes from, once forwarding headers were judged (EDGE-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress {
    ip: IpAddr,
    known: bool,
}

impl ClientAddress {
    /// The client's own address. An IPv4 address in IPv6 clothes (`::ffff:a.b.c.d`) counts as IPv4.
    #[must_use]
    pub fn known(ip: IpAddr) -> Self {
        Self { ip: ip.to_canonical(), known: true }
    }

    /// Only the proxy's address is known: the client's own could not be found (LIMIT-8).
    #[must_use]
    pub fn behind(proxy: IpAddr) -> Self {
        Self { ip: proxy.to_canonical(), known: false }
    }

    /// The address.
    #[must_use]
    pub const fn ip(self) -> IpAddr {
        self.ip
    }

    /// Whether this is the client's own address and not a proxy's.
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.known
    }

    /// What limits count by: the address, or the /64 network of an IPv6 address (LIMIT-8).
    #[must_use]
    pub fn limit_key(self) -> IpAddr {
        match self.ip {
            IpAddr::V4(_) => self.ip,
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        }
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: LIMIT-8
    #[test]
    fn ipv6_counts_by_slash_64_and_mapped_ipv4_as_itself() {
        let key = |text: &str| ClientAddress::known(text.parse().unwrap()).limit_key().to_string();
        assert_eq!(key("2001:db8:1:2:aaaa::1"), "2001:db8:1:2::");
        assert_eq!(key("2001:db8:1:2::"), key("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(key("2001:db8:1:2::"), key("2001:db8:1:3::"));
        assert_eq!(key("::ffff:192.0.2.7"), "192.0.2.7");
    }
}
