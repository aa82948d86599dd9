//! `[edge]`: the connection.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

/// `[edge]`, compiled.
#[derive(Clone, Debug)]
pub struct Edge {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where metrics are served; loopback by default, `None` when switched off (OBS-1).
    pub metrics_listen: Option<SocketAddr>,
    /// The hosts that are served (EDGE-2).
    pub allowed_hosts: Hosts,
    /// Whose forwarding headers count (EDGE-3). Nobody's by default.
    pub trusted_proxies: Vec<IpNet>,
    /// How many proxies stand in a row before this server, at most.
    pub trusted_hops: usize,
    /// Limits on each connection (EDGE-5).
    pub wire: WireLimits,
    /// The longest body that a route takes unless it says otherwise, in bytes.
    pub body_bytes: u64,
    /// How long open requests may go on after SIGTERM.
    pub drain: Duration,
}

/// Limits on each connection (EDGE-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireLimits {
    /// The longest request line, in bytes: 414 beyond.
    pub uri_bytes: usize,
    /// The longest head (request line and header fields), in bytes: 431 beyond.
    pub header_bytes: usize,
    /// The most header fields: 431 beyond.
    pub headers: usize,
    /// The head must be whole within this time from its first byte: 408 beyond.
    pub header_timeout: Duration,
    /// The longest pause between two pieces of a body: 408 beyond.
    pub body_timeout: Duration,
    /// The longest pause between two requests on one connection.
    pub idle_timeout: Duration,
    /// Connections in all: 503 beyond.
    pub connections: usize,
    /// Connections from one address (one /64 for IPv6): 503 beyond.
    pub connections_per_address: usize,
    /// Concurrent streams on one HTTP/2 connection.
    pub streams: u32,
}

/// The hosts that are served: exact names (with port where it is not the scheme's own) or `*.suffix`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Lower-case host, or `host:port`.
    pub exact: Vec<String>,
    /// Lower-case suffixes with their leading dot, from `*.example.com`.
    pub suffixes: Vec<String>,
}

impl Hosts {
    /// Whether a Host header (or `:authority`) names a host that is served. A name without a port
    /// in the policy allows every port; case does not count (RFC 9110 section 4.2.3).
    #[must_use]
    pub fn allows(&self, authority: &str) -> bool {
        let name = match authority.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => authority,
        };
        self.exact.iter().any(|host| host.eq_ignore_ascii_case(authority) || host.eq_ignore_ascii_case(name))
            || self.suffixes.iter().any(|suffix| {
                name.len() > suffix.len()
                    && name
                        .get(name.len() - suffix.len()..)
                        .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
            })
    }
}
