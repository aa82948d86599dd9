//! `[[route]]`: which path leads where, and on which terms.

mod free;
pub(crate) mod legacy;
pub(crate) mod own;
mod path;
pub(crate) mod read;
mod rewrite;
mod table;

use std::time::Duration;

use http::{HeaderValue, Method};

use super::authorize::Access;
use super::csrf::CsrfRule;
use super::shield::Cors;

pub use rewrite::Rewrite;
pub use table::{Found, Routes};

/// One row of the route table.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its place in [`Routes::rows`], which names it in metrics.
    pub index: usize,
    /// The path as written: `/api/{id}`, `/static/{*rest}`.
    pub path: String,
    /// The methods that it takes. GET implies HEAD.
    pub methods: Methods,
    /// What answers.
    pub target: Target,
    /// What is asked of state-changing requests with a cookie.
    pub csrf: CsrfRule,
    /// Who may.
    pub access: Access,
    /// Limits that count here: indexes into `shield.limits`.
    pub limits: Vec<usize>,
    /// The longest body, in bytes.
    pub body_bytes: u64,
    /// How long the upstream may take to begin its answer.
    pub timeout: Duration,
    /// Cross-origin rules, if others than the common ones.
    pub cors: Option<Cors>,
    /// Whether a refusal reads as 'nothing there' (ACC-2).
    pub hide: bool,
    /// What kind of proof of who asks it wants besides (ID-17).
    pub proof: Proof,
    /// Open to whoever still has to set up the second factor that their role needs (ID-17).
    pub enrols: bool,
    /// WebSocket upgrades are let through.
    pub upgrade: bool,
    /// A legacy route's announcements (EDGE-8).
    pub legacy: Option<Legacy>,
    /// The line in the policy file; 0 for a route of Palisade's own.
    pub line: usize,
}

/// What a route asks of somebody who may use it, besides being signed in (ID-17, RFC 9470).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// Nothing more.
    #[default]
    Any,
    /// That they proved who they are within `identify.second_factor.fresh`, in this session.
    Recent,
    /// That a second factor was part of how they came in.
    Strong,
}

/// What answers a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An application: index into `Policy::upstreams`.
    Upstream {
        /// Which.
        index: usize,
        /// Taken off the front of the path, if it is there.
        strip: Option<String>,
        /// Put in front of what is left.
        prefix: Option<String>,
    },
    /// A service of Palisade's own.
    Service(Service),
}

/// A service of Palisade's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// /auth and /account pages and their JSON forms.
    Identity,
    /// /healthz and /readyz.
    Health,
    /// /.well-known/jwks.json.
    Keys,
    /// /api/v1/openapi.json.
    Description,
    /// /.palisade/assets.
    Assets,
}

/// Deprecation (RFC 9745), Sunset (RFC 8594) and Link headers of a legacy route (EDGE-8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Legacy {
    /// `Deprecation: @1688169599`.
    pub deprecation: HeaderValue,
    /// `Sunset: Sat, 31 Dec 2026 23:59:59 GMT`.
    pub sunset: Option<HeaderValue>,
    /// `Link: </api/v1/x>; rel="successor-version"`.
    pub link: Option<HeaderValue>,
}

/// A set of methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Methods(u8);

impl Methods {
    /// In the order of their bits, and of the Allow header.
    const ORDER: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];

    /// No method.
    pub const NONE: Self = Self(0);

    /// Every method that a route can take.
    pub const ALL: Self = Self(0x7f);

    /// The same with one more; GET brings HEAD with it. Unknown methods are ignored: no route takes them.
    #[must_use]
    pub fn with(self, method: &Method) -> Self {
        let bit = |m: &Method| Self::ORDER.iter().position(|known| known == m).map_or(0, |i| 1_u8 << i);
        let head = if *method == Method::GET { bit(&Method::HEAD) } else { 0 };
        Self(self.0 | bit(method) | head)
    }

    /// Each of them.
    pub(crate) fn iter(self) -> impl Iterator<Item = &'static Method> {
        const ORDER: &[Method; 7] = &Methods::ORDER;
        ORDER.iter().filter(move |method| self.has(method))
    }

    /// Both together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those in both.
    #[must_use]
    pub const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether there are any in both.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether it is taken.
    #[must_use]
    pub fn has(self, method: &Method) -> bool {
        Self::ORDER.iter().position(|known| known == method).is_some_and(|i| self.0 & (1 << i) != 0)
    }

    /// The Allow header's value.
    #[must_use]
    pub fn allow(self) -> String {
        let names: Vec<&str> = self.iter().map(Method::as_str).collect();
        names.join(", ")
    }
}
