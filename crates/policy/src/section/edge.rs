//! `[edge]`: the connection.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::app::{App, Deployment};
use crate::read::net::HostPattern;
use crate::read::quantity::Size;
use crate::read::setting::Variable;
use crate::read::{Reader, Scope, Setting, Shape, Table};

const LISTEN: Setting<SocketAddr> = Setting::new("edge.listen", "127.0.0.1:8080", "Where to listen.");
const METRICS_LISTEN: Setting<Option<SocketAddr>> = Setting::new(
    "edge.metrics_listen",
    "127.0.0.1:9464",
    "Where metrics are served, apart from everything else and on this machine alone unless said otherwise.",
);
const ALLOWED_HOSTS: Setting<Vec<HostPattern>> =
    Setting::optional("edge.allowed_hosts", "The hosts that are served; a request for another gets 421.")
        .else_by("the host of `app.base_url`; in development this machine's own names too")
        .or_from(&[Variable::plain("ALLOWED_HOSTS")]);
const TRUSTED_PROXIES: Setting<Vec<IpNet>> = Setting::new(
    "edge.trusted_proxies",
    "",
    "Whose X-Forwarded-For, Forwarded and X-Request-Id headers count. Nobody's by default.",
)
.such_as("10.0.0.0/8");
const TRUSTED_HOPS: Setting<usize> = Setting::new(
    "edge.trusted_hops",
    "1",
    "How many trusted proxies stand in a row before this server, at most.",
)
.between("1", "16");
const BODY: Setting<Size> = Setting::new(
    "edge.body",
    "10MiB",
    "The longest body that a route takes unless it says otherwise; 413 beyond.",
)
.between("0B", "1024GiB");
const MAX_URI: Setting<Size> =
    Setting::new("edge.max_uri", "8KiB", "The longest request line; 414 beyond.").between("256B", "64KiB");
const MAX_HEADER: Setting<Size> =
    Setting::new("edge.max_header", "32KiB", "The longest head of a request; 431 beyond.")
        .between("1KiB", "256KiB");
const MAX_HEADERS: Setting<usize> =
    Setting::new("edge.max_headers", "100", "The most header fields of a request; 431 beyond.")
        .between("16", "1000");
const HEADER_TIMEOUT: Setting<Duration> = Setting::new(
    "edge.header_timeout",
    "10s",
    "The head of a request has to be whole within this time from its first byte; 408 beyond.",
)
.between("100ms", "5m");
const BODY_TIMEOUT: Setting<Duration> =
    Setting::new("edge.body_timeout", "30s", "The longest pause between two pieces of a body; 408 beyond.")
        .between("100ms", "10m");
const IDLE_TIMEOUT: Setting<Duration> =
    Setting::new("edge.idle_timeout", "60s", "The longest pause between two requests on one connection.")
        .between("100ms", "1h");
const MAX_CONNECTIONS: Setting<usize> =
    Setting::new("edge.max_connections", "10000", "Connections in all; 503 beyond.").between("1", "1000000");
const MAX_CONNECTIONS_PER_ADDRESS: Setting<usize> = Setting::new(
    "edge.max_connections_per_address",
    "512",
    "Connections from one address (one /64 network for IPv6); 503 beyond. Trusted proxies are not counted.",
)
.between("1", "1000000");
const MAX_STREAMS: Setting<u32> =
    Setting::new("edge.max_streams", "128", "Concurrent streams on one HTTP/2 connection.")
        .between("1", "1000");
const DRAIN: Setting<Duration> =
    Setting::new("edge.drain", "20s", "How long open requests may go on after SIGTERM.").between("0s", "1h");

pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "edge",
    doc: "The connection: where to listen, whom to believe, and how much to take.",
    settings: &[
        &LISTEN,
        &METRICS_LISTEN,
        &ALLOWED_HOSTS,
        &TRUSTED_PROXIES,
        &TRUSTED_HOPS,
        &BODY,
        &MAX_URI,
        &MAX_HEADER,
        &MAX_HEADERS,
        &HEADER_TIMEOUT,
        &BODY_TIMEOUT,
        &IDLE_TIMEOUT,
        &MAX_CONNECTIONS,
        &MAX_CONNECTIONS_PER_ADDRESS,
        &MAX_STREAMS,
        &DRAIN,
    ],
    tables: &[],
    shape: Shape::Once,
}];

/// Where to listen: read first, as the defaults of `[app]` follow it.
pub(crate) fn read_listen<'t>(reader: &mut Reader<'_>, root: &Table<'t>) -> (Table<'t>, SocketAddr) {
    let table = reader.open(root, "edge", "edge");
    let listen = reader.read(&table, &LISTEN);
    (table, listen)
}

pub(crate) fn read(reader: &mut Reader<'_>, table: &Table<'_>, listen: SocketAddr, app: &App) -> Edge {
    Edge {
        listen,
        metrics_listen: reader.read(table, &METRICS_LISTEN),
        allowed_hosts: read_hosts(reader, table, app),
        trusted_proxies: reader.read(table, &TRUSTED_PROXIES),
        trusted_hops: reader.read(table, &TRUSTED_HOPS),
        wire: read_wire(reader, table),
        body_bytes: reader.read(table, &BODY).0,
        drain: reader.read(table, &DRAIN),
    }
}

fn read_wire(reader: &mut Reader<'_>, table: &Table<'_>) -> WireLimits {
    let mut bytes = |setting| usize::try_from(reader.read::<Size>(table, setting).0).unwrap_or(usize::MAX);
    let (uri_bytes, header_bytes) = (bytes(&MAX_URI), bytes(&MAX_HEADER));
    WireLimits {
        uri_bytes,
        header_bytes,
        headers: reader.read(table, &MAX_HEADERS),
        header_timeout: reader.read(table, &HEADER_TIMEOUT),
        body_timeout: reader.read(table, &BODY_TIMEOUT),
        idle_timeout: reader.read(table, &IDLE_TIMEOUT),
        connections: reader.read(table, &MAX_CONNECTIONS),
        connections_per_address: reader.read(table, &MAX_CONNECTIONS_PER_ADDRESS),
        streams: reader.read(table, &MAX_STREAMS),
    }
}

fn read_hosts(reader: &mut Reader<'_>, table: &Table<'_>, app: &App) -> Hosts {
    let patterns = reader.read_if_said(table, &ALLOWED_HOSTS).unwrap_or_else(|| {
        let own = if app.environment == Deployment::Production {
            &[][..]
        } else {
            &["localhost", "127.0.0.1", "[::1]"]
        };
        let own = own.iter().map(|host| HostPattern((*host).to_owned()));
        std::iter::once(HostPattern(app.base_url.authority.clone())).chain(own).collect()
    });
    let mut hosts = Hosts::default();
    for HostPattern(pattern) in patterns {
        match pattern.strip_prefix('*') {
            Some(suffix) => hosts.suffixes.push(suffix.to_owned()),
            None => hosts.exact.push(pattern),
        }
    }
    hosts
}

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
