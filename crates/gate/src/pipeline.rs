//! A request's life, on one page.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use palisade_access::Access;
use palisade_model::{Denial, Refusal, World};
use palisade_policy::Policy;
use palisade_store::limiter::Limiter;
use tower::{Service, ServiceExt as _};

use crate::course::Course;
use crate::exchange::Allowed;
use crate::stage::audit::{self, Watch};
use crate::stage::shield::{self, cors, limit, seal};
use crate::stage::{authorize, edge, identify, refuse};
use crate::trail::Trail;
use crate::{GateLayer, Metrics, Peer, wire};

/// What a gate is made of.
pub struct GateParts {
    /// The compiled policy.
    pub policy: Arc<Policy>,
    /// Who may.
    pub access: Access,
    /// What rate limits count with.
    pub limiter: Arc<Limiter>,
    /// Where it is written down.
    pub trail: Trail,
    /// Where it is counted.
    pub metrics: Metrics,
    /// Time and randomness.
    pub world: World,
}

/// The gate. Cheap to clone.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    parts: GateParts,
    limits: limit::Limits,
}

impl Gate {
    /// A gate for this policy.
    #[must_use]
    pub fn new(parts: GateParts) -> Self {
        let limits = limit::Limits::compile(&parts.policy);
        Self(Arc::new(Inner { parts, limits }))
    }

    /// The gate as a layer around an axum `Router` or any other service.
    #[must_use]
    pub fn layer(&self) -> GateLayer {
        GateLayer(self.clone())
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.0.parts.policy
    }

    pub(crate) fn parts(&self) -> &GateParts {
        &self.0.parts
    }

    pub(crate) fn limits(&self) -> &limit::Limits {
        &self.0.limits
    }

    /// Sees one request through.
    pub async fn handle<S>(&self, mut request: Request<Body>, service: &S) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
    {
        // Dropped before its answer is whole, the watch writes down that the request was abandoned.
        let mut watch = Watch::new(self.clone(), edge::receive(self, &request));
        let mut response = match self.admit(&mut watch.course, &mut request).await {
            Ok(Admitted::Answered(response)) => Ok(response),
            Ok(Admitted::In) => self.serve(&mut watch.course, request, service).await,
            Err(refusal) => Err(refusal),
        }
        .unwrap_or_else(|refusal| {
            watch.refused(&refusal);
            refuse::answer(&refusal, &watch.course.id, &watch.course.manner)
        });
        if let Some(refusal) = refuse::rendered(&response) {
            watch.refused(&refusal);
        }
        seal::seal(self, &watch.course, &mut response);
        watch.answer(response)
    }

    /// Refuses what never became a request, with the last words on its connection: how the byte stream's guard says no.
    #[must_use]
    pub fn turn_away(&self, refusal: &Refusal, peer: Peer) -> Bytes {
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(peer);
        let mut watch = Watch::new(self.clone(), edge::receive(self, &request));
        watch.refused(refusal);
        let mut response = refuse::write(refusal, &watch.course.id, false).map(Bytes::from);
        seal::seal(self, &watch.course, &mut response);
        watch.spoken(response.status());
        wire::render::last_words(&response, self.parts().world.now())
    }

    /// The stages, in order. What they let in may be served.
    async fn admit(&self, course: &mut Course, request: &mut Request<Body>) -> Result<Admitted, Refusal> {
        let route = edge::judge(self, course, request)?;
        shield::refuse_networks(self, course)?;
        if let Some(answer) = cors::judge(self, course, route, request)? {
            return Ok(Admitted::Answered(answer));
        }
        limit::by_address(self, course, route)?;
        identify::identify(self, course, route, request).await?;
        limit::by_principal(self, course, route, request).await?;
        //csrf::judge(self, course, route, request).await?;
        let permit = authorize::authorize(self, course, route, request)?;
        audit::record_change(self, course, route).await?;
        request.extensions_mut().insert(Allowed(permit));
        Ok(Admitted::In)
    }

    /// The service, and what may be made of its answer.
    async fn serve<S>(
        &self,
        course: &mut Course,
        mut request: Request<Body>,
        service: &S,
    ) -> Result<Response<Body>, Refusal>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
    {
        let exchange =
            course.exchange().ok_or_else(|| Refusal::new(Denial::Internal, "no route was found"))?;
        let upstream = course.leads_upstream(self.policy());
        request.extensions_mut().insert(Arc::new(exchange));
        identify::strip(self, request.headers_mut());
        //let page = upstream.then(|| csrf::before(self, course, &mut request)).flatten();
        let Ok(mut response) = service.clone().oneshot(request).await;
        if let Some(refusal) =
            course.gauge.as_ref().and_then(crate::body::Gauge::refusal).or_else(|| refuse::of(&response))
        {
            return Err(refusal);
        }
        if upstream {
            seal::clean(self, &mut response);
            //response = csrf::after(response, page);
        }
        Ok(response)
    }
}

/// What the stages come to.
enum Admitted {
    /// The service may have it.
    In,
    /// The gate itself answers: a preflight.
    Answered(Response<Body>),
}
