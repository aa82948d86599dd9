//! The gate as a tower layer.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use http::{Request, Response};
use tower::{Layer, Service};

use crate::gate::Gate;

impl Gate {
    /// The gate as a layer around an axum `Router` or any other service.
    #[must_use]
    pub fn layer(&self) -> GateLayer {
        GateLayer(self.clone())
    }
}

/// Puts the gate around a service: see [`Gate::layer`].
#[derive(Clone)]
pub struct GateLayer(Gate);

impl<S> Layer<S> for GateLayer {
    type Service = Gated<S>;

    fn layer(&self, service: S) -> Gated<S> {
        Gated { gate: self.0.clone(), service }
    }
}

/// A service behind the gate.
#[derive(Clone)]
pub struct Gated<S> {
    gate: Gate,
    service: S,
}

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The inner service is made ready after the stages, which most refused requests never reach.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (gate, service) = (self.gate.clone(), self.service.clone());
        Box::pin(async move { Ok(gate.handle(request, &service).await) })
    }
}
