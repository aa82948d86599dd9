//! The applications behind Palisade: each request goes to one of them, over pooled connections.
//!
//! A request that arrives here was judged by every stage before. This service only carries it: the body is streamed
//! both ways and never held, hop-by-hop fields are left behind, and what Palisade knows is added.

mod answer;
mod ear;
mod failure;
mod figures;
mod forward;
mod hop;
mod identity;
mod link;
mod outgoing;
mod pool;
mod vigil;
mod websocket;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use palisade_access::{Access, Permit, Principal, Via};
use palisade_gate::{Exchange, Metrics, refused};
use palisade_model::{Denial, Refusal};
use palisade_policy::Policy;
use palisade_policy::section::route::{Rewrite, Route};
use palisade_policy::section::upstream::{IdentityHeaders, Upstream};
use palisade_store::SessionKind;
use tokio::sync::watch;
use tokio::time::timeout;

use answer::Answer;
use failure::Failure;
use figures::Figures;
use outgoing::{Outgoing, Progress};
use pool::{Lease, Pool};
use vigil::Vigil;

/// How often idle connections are looked through.
const PRUNING: Duration = Duration::from_millis(500);

/// Says that a request is made in a breakglass session (ID-13). The edge takes it out of what clients send.
const BREAKGLASS: HeaderName = HeaderName::from_static("x-palisade-breakglass");

const ASSERTION: HeaderName = HeaderName::from_static("x-palisade-assertion");

/// Every application of the policy.
pub struct Upstreams {
    policy: Arc<Policy>,
    access: Access,
    applications: Vec<Application>,
    /// By route: how its paths become the application's. `None` for a route that leads nowhere here.
    rewrites: Vec<Option<(usize, Rewrite)>>,
    stopping: watch::Sender<bool>,
}

struct Application {
    name: String,
    pool: Arc<Pool>,
    /// The Host field, unless the client's is passed on.
    host: Option<HeaderValue>,
    identity: IdentityHeaders,
    assertion: bool,
}

/// A request that is ready for its application.
struct Errand<'a> {
    application: &'a Application,
    request: Request<Outgoing>,
    /// How the client's body comes along, if there is one.
    progress: Option<Progress>,
    /// The client's connection, if the application may take it over.
    client: Option<OnUpgrade>,
}

impl Application {
    fn new(upstream: &Upstream) -> Self {
        Self {
            name: upstream.name.clone(),
            pool: Pool::new(upstream),
            host: (!upstream.preserve_host)
                .then(|| HeaderValue::from_str(&upstream.authority).ok())
                .flatten(),
            identity: upstream.identity,
            assertion: upstream.assertion,
        }
    }
}

impl Upstreams {
    /// From the policy. Connects to nothing yet.
    #[must_use]
    pub fn new(policy: Arc<Policy>, access: Access) -> Self {
        let applications = policy.upstreams.iter().map(Application::new).collect();
        let rewrites = policy.routes.rows.iter().map(|route| Rewrite::of(route, &policy.upstreams)).collect();
        Self { policy, access, applications, rewrites, stopping: watch::Sender::new(false) }
    }

    /// Shows how the connections are used, among the other metrics.
    pub fn show(self: &Arc<Self>, metrics: &Metrics) {
        metrics.register(|registry| registry.register_collector(Box::new(Figures(Arc::downgrade(self)))));
    }

    /// Carries a request that the gate let through to its application, and the answer back.
    pub async fn handle(
        &self,
        request: Request<Body>,
        route: &Route,
        exchange: &Exchange,
        permit: &Permit,
    ) -> Response<Body> {
        match self.carry(request, route, exchange, permit).await {
            Ok(response) => response,
            Err(refusal) => refused(refusal),
        }
    }

    async fn carry(
        &self,
        request: Request<Body>,
        route: &Route,
        exchange: &Exchange,
        permit: &Permit,
    ) -> Result<Response<Body>, Refusal> {
        let errand = self.prepare(request, route, exchange, permit)?;
        let Errand { application, progress, client, request } = errand;
        let send = pin!(application.pool.send(request, exchange.client));
        let (response, lease) = within(route.timeout, progress.as_ref(), send).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let vigil = permit.principal().map(|principal| Vigil::new(self.access.tenure(principal)));
            return Ok(answer(response, lease, vigil));
        }
        let Some(client) = client else { return Err(Failure::Switched.into()) };
        let ends = websocket::Ends {
            id: exchange.id.clone(),
            stopping: self.stopping.subscribe(),
            tenure: permit.principal().map(|principal| self.access.tenure(principal)),
        };
        Ok(Box::pin(websocket::join(response, lease, client, ends)).await?)
    }

    /// Makes the request that the application gets.
    fn prepare(
        &self,
        request: Request<Body>,
        route: &Route,
        exchange: &Exchange,
        permit: &Permit,
    ) -> Result<Errand<'_>, Refusal> {
        let Some(Some((index, rewrite))) = self.rewrites.get(route.index) else {
            return Err(no_application());
        };
        let Some(application) = self.applications.get(*index) else { return Err(no_application()) };

        let (mut parts, body) = request.into_parts();
        let client = self.upgrade_of(&mut parts, route, exchange, permit)?;
        parts.uri = forward::target(rewrite, &parts.uri)?;
        forward::leave_behind(&mut parts);
        forward::introduce(&mut parts, exchange, rewrite.strip.as_deref());
        forward::address_to(&mut parts.headers, application.host.as_ref(), exchange);
        if let Some(principal) = permit.principal() {
            identity::write(&mut parts.headers, application.identity, principal);
            if principal.kind() == SessionKind::Breakglass {
                parts.headers.insert(BREAKGLASS, HeaderValue::from_static("1"));
            }
            if application.assertion {
                self.assert(&mut parts, principal, exchange)?;
            }
        }
        if client.is_some() {
            forward::ask_for_websocket(&mut parts.headers);
        }
        parts.extensions.clear();
        let body = Outgoing::new(body);
        let progress = body.progress();
        forward::frame(&mut parts.headers, progress.is_some());
        Ok(Errand { application, progress, client, request: Request::from_parts(parts, body) })
    }

    /// The client's connection, if this request may take it over as a WebSocket. Elsewhere the wish to upgrade is
    /// left behind with the other hop-by-hop fields, and the application answers an ordinary request.
    fn upgrade_of(
        &self,
        parts: &mut http::request::Parts,
        route: &Route,
        exchange: &Exchange,
        permit: &Permit,
    ) -> Result<Option<OnUpgrade>, Refusal> {
        let client = parts.extensions.remove::<OnUpgrade>();
        let wanted = route.upgrade
            && parts.method == Method::GET
            && parts.version == Version::HTTP_11
            && hop::asks_for_websocket(&parts.headers);
        if !wanted {
            return Ok(None);
        }
        if permit.principal().is_some_and(|principal| matches!(principal.via(), Via::Session(_))) {
            let cors = route.cors.as_ref().or(self.policy.shield.cors.as_ref());
            websocket::check_origin(&parts.headers, exchange, &self.policy.app.base_url, cors)?;
        }
        Ok(client)
    }

    /// Adds the signed word about who is asking. An application that relies on it must not go without.
    fn assert(
        &self,
        parts: &mut http::request::Parts,
        principal: &Principal,
        exchange: &Exchange,
    ) -> Result<(), Refusal> {
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let signed = self.access.assertion(principal, parts.method.as_str(), target, &exchange.id);
        let value = signed.and_then(|text| HeaderValue::try_from(text).ok());
        let value = value.ok_or_else(|| Refusal::new(Denial::Internal, "the assertion cannot be signed"))?;
        parts.headers.insert(ASSERTION, value);
        Ok(())
    }

    /// Looks after idle connections until `stop`, then closes the open WebSockets.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        while timeout(PRUNING, &mut stop).await.is_err() {
            for application in &self.applications {
                application.pool.prune();
            }
        }
        self.stopping.send_replace(true);
    }
}

fn no_application() -> Refusal {
    Refusal::new(Denial::Internal, "a route to an application that is not there")
}

/// The head of the answer within the route's time. While the client's body still flows the time does not run.
async fn within(
    limit: Duration,
    progress: Option<&Progress>,
    mut send: Pin<&mut impl Future<Output = Result<(Response<Incoming>, Lease), Failure>>>,
) -> Result<(Response<Incoming>, Lease), Failure> {
    let mut wait = limit;
    loop {
        match timeout(wait, &mut send).await {
            Ok(outcome) => return outcome,
            Err(_) => match progress.map(Progress::pause).and_then(|pause| limit.checked_sub(pause)) {
                Some(left) if !left.is_zero() => wait = left,
                _ => return Err(Failure::AnswerTimeout),
            },
        }
    }
}

/// The answer as the client gets it.
fn answer(response: Response<Incoming>, lease: Lease, vigil: Option<Vigil>) -> Response<Body> {
    let (mut head, incoming) = response.into_parts();
    if head.headers.contains_key(TRANSFER_ENCODING) {
        // Where both are there the length is void (RFC 9112 section 6.3).
        head.headers.remove(CONTENT_LENGTH);
    }
    hop::remove(&mut head.headers);
    head.version = Version::HTTP_11;
    Response::from_parts(head, Body::new(Answer::new(incoming, lease, vigil)))
}
