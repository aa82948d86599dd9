//! What the pipeline works with.

use std::sync::Arc;

use palisade_access::Access;
use palisade_model::World;
use palisade_policy::Policy;
use palisade_store::limiter::Limiter;

use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::trail::Trail;

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
    limits: Limits,
}

impl Gate {
    /// A gate for this policy.
    #[must_use]
    pub fn new(parts: GateParts) -> Self {
        let limits = Limits::compile(&parts.policy);
        Self(Arc::new(Inner { parts, limits }))
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.0.parts.policy
    }

    pub(crate) fn parts(&self) -> &GateParts {
        &self.0.parts
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }
}
