//! A request's life, on one page.
//!
//! Plain calls, in the order in which they run. The policy can tune a stage or switch it off, and never
//! change the order.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Method, Request, Response, Uri};
use palisade_model::{Denial, Refusal};
use tower::{Service, ServiceExt as _};

use crate::course::Course;
use crate::current;
use crate::exchange::{Allowed, Peer};
use crate::gate::Gate;
use crate::stage::audit::{self, Watch};
use crate::stage::shield::{self, cors, limit, seal};
use crate::stage::{authorize, csrf, edge, identify, refuse};

/// What the stages come to, if none of them refuses.
enum Admitted {
    /// The service may have it.
    In,
    /// The gate itself answers: a preflight, or a token that leaves the address bar.
    Answered(Response<Body>),
}

impl Gate {
    /// Sees one request through, from its head to the last byte of its answer.
    pub async fn handle<S>(&self, mut request: Request<Body>, service: &S) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
    {
        // Dropped before the answer is whole, the watch writes down that the request was abandoned.
        let mut watch = Watch::new(self.clone(), edge::receive(self, &request));
        let outcome = current::scope(watch.course.id.clone(), async {
            match self.admit(&mut watch.course, &mut request).await {
                Ok(Admitted::In) => self.serve(&mut watch.course, request, service).await,
                Ok(Admitted::Answered(response)) => Ok(response),
                Err(refusal) => Err(refusal),
            }
        })
        .await;
        let mut response = outcome.unwrap_or_else(|refusal| {
            let refusal = authorize::hide(self, &watch.course, refusal);
            let refusal = limit::nowhere(self, &mut watch.course, refusal);
            watch.refused(&refusal);
            refuse::answer(&refusal, &watch.course.id, &watch.course.manner)
        });
        if let Some(refusal) = refuse::rendered(&mut response) {
            watch.refused(&refusal);
        }
        seal::seal(self, &watch.course, &mut response);
        watch.answer(response)
    }

    /// The stages.
    async fn admit(&self, course: &mut Course, request: &mut Request<Body>) -> Result<Admitted, Refusal> {
        let route = edge::judge(self, course, request)?;
        shield::refuse_networks(self, course)?;
        if let Some(answer) = cors::judge(self, course, route, request)? {
            return Ok(Admitted::Answered(answer));
        }
        limit::by_address(self, course, route)?;
        if let Some(answer) = identify::identify(self, course, route, request).await? {
            return Ok(Admitted::Answered(answer));
        }
        limit::by_principal(self, course, route, request).await?;
        csrf::judge(self, course, route, request).await?;
        let permit = authorize::authorize(self, course, route, request)?;
        audit::record_change(self, course, route).await?;
        request.extensions_mut().insert(Allowed(permit));
        Ok(Admitted::In)
    }

    /// The service, and what may be kept of its answer.
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
        request.extensions_mut().insert(Arc::new(exchange));
        let due = csrf::before(self, course, &mut request);
        identify::strip(self, course, request.headers_mut());
        let serving = AssertUnwindSafe(service.clone().oneshot(request)).catch_unwind();
        let Ok(Ok(mut response)) = serving.await else {
            return Err(Refusal::new(Denial::Internal, "the service panicked"));
        };
        // A body that was too long or broke off is the reason for whatever the service made of it.
        if let Some(refusal) = course.body_refusal().or_else(|| refuse::of(&response)) {
            return Err(refusal);
        }
        if course.leads_upstream(self.policy()) {
            seal::clean(self, &mut response);
        }
        csrf::after(self, course, due, response)
    }

    /// Refuses what never became a request: how the byte stream's guard and the listener say no.
    #[must_use]
    pub fn turn_away(&self, refusal: &Refusal, peer: Peer) -> Response<Bytes> {
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(peer);
        // What it asked for is not known, and nothing must stand in its place.
        *request.method_mut() = Method::from_bytes(b"-").unwrap_or_default();
        *request.uri_mut() = Uri::from_static("*");
        let mut watch = Watch::new(self.clone(), edge::receive(self, &request));
        watch.refused(refusal);
        let mut response = refuse::write(refusal, &watch.course.id, false, None).map(Bytes::from);
        seal::seal(self, &watch.course, &mut response);
        watch.spoken(response.status());
        response
    }
}
