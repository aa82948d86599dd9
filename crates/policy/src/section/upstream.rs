//! `[upstream.NAME]`: the application behind Palisade.

use std::time::Duration;

use crate::read::kind::Word;
use crate::read::net::UpstreamUrl;
use crate::read::{Reader, Scope, Setting, Shape, Table};

const URL: Setting<UpstreamUrl> = Setting::optional(
    "upstream.NAME.url",
    "Where the application listens, perhaps with a path in front of all others.",
);
const CONNECT_TIMEOUT: Setting<Duration> =
    Setting::new("upstream.NAME.connect_timeout", "5s", "How long connecting may take; 502 beyond.")
        .between("10ms", "1m");
const IDLE: Setting<Duration> = Setting::new(
    "upstream.NAME.idle",
    "1500ms",
    "How long an idle connection is kept. Stay under the application's own keep-alive time (gunicorn: 2s).",
)
.between("0s", "10m");
const CONNECTIONS: Setting<usize> = Setting::new(
    "upstream.NAME.connections",
    "256",
    "Connections at most; more requests wait, then get 503.",
)
.between("1", "100000");
const IDENTITY: Setting<IdentityHeaders> = Setting::new(
    "upstream.NAME.identity",
    "remote",
    "Which headers tell the application who is asking. The same headers from a client are always removed.",
);
const ASSERTION: Setting<bool> = Setting::new(
    "upstream.NAME.assertion",
    "false",
    "Whether the signed X-Palisade-Assertion goes with each request; its keys are at /.well-known/jwks.json.",
);
const PRESERVE_HOST: Setting<bool> = Setting::new(
    "upstream.NAME.preserve_host",
    "true",
    "Whether the application sees the client's Host; else it sees its own address.",
);

pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "upstream.NAME",
    doc: "An application behind Palisade. Routes lead to it by `to = \"upstream:NAME\"`.",
    settings: &[&URL, &CONNECT_TIMEOUT, &IDLE, &CONNECTIONS, &IDENTITY, &ASSERTION, &PRESERVE_HOST],
    tables: &[],
    shape: Shape::Named,
}];

impl Word for IdentityHeaders {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("none", Self::None),
        ("remote", Self::Remote),
        ("x-forwarded", Self::XForwarded),
        ("x-auth-request", Self::XAuthRequest),
    ];
}

pub(crate) fn read(reader: &mut Reader<'_>, root: &Table<'_>) -> Vec<Upstream> {
    let tables = reader.named(root, "upstream", "upstream.NAME");
    tables.into_iter().map(|(name, table)| read_one(reader, name, &table)).collect()
}

fn read_one(reader: &mut Reader<'_>, name: String, table: &Table<'_>) -> Upstream {
    let UpstreamUrl { authority, base_path } = reader.require(table, &URL);
    Upstream {
        name,
        authority,
        base_path,
        connect_timeout: reader.read(table, &CONNECT_TIMEOUT),
        idle: reader.read(table, &IDLE),
        connections: reader.read(table, &CONNECTIONS),
        identity: reader.read(table, &IDENTITY),
        assertion: reader.read(table, &ASSERTION),
        preserve_host: reader.read(table, &PRESERVE_HOST),
    }
}

/// One application, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its name in the policy.
    pub name: String,
    /// `host:port` to connect to. Plain HTTP/1.1: the application stands next to Palisade.
    pub authority: String,
    /// A path in front of every request's path; empty or `/prefix` without a trailing slash.
    pub base_path: String,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long an idle connection is kept; under the application's own keep-alive time.
    pub idle: Duration,
    /// Connections at most; more wait, then 503.
    pub connections: usize,
    /// Which headers tell the application who is asking (ACC-6).
    pub identity: IdentityHeaders,
    /// Whether the signed X-Palisade-Assertion goes with each request.
    pub assertion: bool,
    /// Whether the client's Host is passed on; else the upstream's own authority.
    pub preserve_host: bool,
}

/// Which headers tell the application who is asking (ACC-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityHeaders {
    /// None.
    None,
    /// Remote-User, Remote-Email, Remote-Groups, Remote-Tenant.
    Remote,
    /// X-Forwarded-User, X-Forwarded-Email, X-Forwarded-Groups, X-Forwarded-Tenant.
    XForwarded,
    /// X-Auth-Request-User, X-Auth-Request-Email, X-Auth-Request-Groups, X-Auth-Request-Tenant.
    XAuthRequest,
}
