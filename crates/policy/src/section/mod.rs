//! One file for each section of `palisade.toml`: its settings and what they compile to.

pub mod app;
pub mod audit;
pub mod authorize;
pub mod csrf;
pub mod edge;
pub mod identify;
pub mod route;
pub mod shield;
pub mod store;
pub mod upstream;

use crate::read::Scope;

/// Every table of a policy, in the order in which people should read them.
pub const SCOPES: &[&[Scope]] = &[
    app::SCOPES,
    edge::SCOPES,
    store::SCOPES,
    shield::SCOPES,
    shield::headers::SCOPES,
    shield::cors::SCOPES,
    shield::limits::SCOPES,
    identify::SCOPES,
    csrf::SCOPES,
    authorize::SCOPES,
    route::read::SCOPES,
    upstream::SCOPES,
    audit::SCOPES,
];

/// The same, one after the other.
pub fn scopes() -> impl Iterator<Item = &'static Scope> + Clone {
    SCOPES.iter().copied().flatten()
}
