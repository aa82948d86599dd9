//! `[upstream.NAME]`: the application behind Palisade.

use std::time::Duration;

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
