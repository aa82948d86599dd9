//! What the pipeline works with.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use palisade_access::Access;
use palisade_model::{Refusal, World};
use palisade_policy::Policy;
use palisade_store::limiter::Limiter;

use crate::stage::audit::Watch;
use crate::stage::shield::{limit, seal};
use crate::stage::{edge, refuse};
use crate::{GateLayer, Metrics, Peer, Trail};

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
        let mut response = refuse::write(refusal, &watch.course.id, false).map(Bytes::from);
        seal::seal(self, &watch.course, &mut response);
        watch.spoken(response.status());
        response
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
}
