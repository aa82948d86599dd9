//! What the stages have found out about one request so far.

use std::time::Duration;

use http::{HeaderValue, Method, Uri};
use palisade_access::Principal;
use palisade_model::audit::Origin;
use palisade_model::{ClientAddress, Denial, Refusal, RequestId, Secret, Timestamp};

use palisade_policy::Policy;
use palisade_policy::section::route::Target;

use crate::body::Gauge;
use crate::exchange::{self, Exchange};
use crate::limits::Quota;
use crate::manner::Manner;

/// One request's course through the stages: each adds what it found, and the answer is sealed and recorded by it.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) id: RequestId,
    pub(crate) client: ClientAddress,
    pub(crate) secure: bool,
    pub(crate) host: String,
    pub(crate) started: Timestamp,
    pub(crate) agent: Option<HeaderValue>,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) manner: Manner,
    /// The route's index; `None` until one is found.
    pub(crate) route: Option<usize>,
    /// Tenants that the client claimed in headers, which were removed (ACC-3).
    pub(crate) claimed_tenants: Vec<HeaderValue>,
    /// What goes wrong with the request's body, if it has one.
    pub(crate) gauge: Option<Gauge>,
    /// The Origin header, where the route's CORS rules list it: it goes back with the answer.
    pub(crate) cors_origin: Option<HeaderValue>,
    /// What is left of the tightest limit.
    pub(crate) quota: Option<Quota>,
    /// It counted against the default limit by address.
    pub(crate) counted: bool,
    /// It is answered as if nothing were at its address.
    pub(crate) nowhere: bool,
    /// User tokens that the client showed in a reserved header, which was removed.
    pub(crate) user_tokens: Vec<HeaderValue>,
    pub(crate) principal: Option<Principal>,
    /// The credential was shown on purpose, whatever it led to: no browser added it by itself.
    pub(crate) explicit: bool,
    /// Cookies of a session that began with this request.
    pub(crate) begun: Vec<HeaderValue>,
    /// The cookie of a device that signed in before, where the identity service answers.
    pub(crate) device: Option<Secret>,
    /// The session cookie that came names no session any more: the browser is told to forget it.
    pub(crate) forget_session: bool,
    /// Why the request was refused, if it was.
    pub(crate) refused: Option<Denial>,
    /// How long the head of the answer took.
    pub(crate) took: Option<Duration>,
}

impl Course {
    /// Whether an application answers, and not Palisade itself.
    pub(crate) fn leads_upstream(&self, policy: &Policy) -> bool {
        let route = self.route.and_then(|index| policy.routes.rows.get(index));
        route.is_some_and(|route| matches!(route.target, Target::Upstream { .. }))
    }

    /// What is wrong with the request's body, as far as it was read.
    pub(crate) fn body_refusal(&self) -> Option<Refusal> {
        self.gauge.as_ref().and_then(Gauge::refusal)
    }

    /// Where the request comes from, for audit entries.
    pub(crate) fn origin(&self) -> Origin {
        exchange::origin(&self.id, self.client, self.agent.as_ref())
    }

    /// What a service is told; `None` before a route is found.
    pub(crate) fn exchange(&self) -> Option<Exchange> {
        Some(Exchange {
            id: self.id.clone(),
            client: self.client,
            secure: self.secure,
            host: self.host.clone(),
            route: self.route?,
            started: self.started,
            agent: self.agent.clone(),
            device: self.device.clone(),
        })
    }
}
