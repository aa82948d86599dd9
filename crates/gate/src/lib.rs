//! The request pipeline: what happens to a request between the listener and the service, in the
//! order in which it happens (see `pipeline.rs`).
//!
//! ```text
//! edge -> shield -> identify -> shield -> csrf -> authorize -> (service) -> refuse -> seal -> audit
//! ```
//!
//! [`Gate::layer`] puts the whole of it around any axum `Router`; a service behind it finds an
//! [`Exchange`] and an [`Allowed`] permit in its request, and says no with [`refused`].

pub mod current;
pub mod exchange;
pub mod forms;
pub mod identity_headers;
pub mod metrics;
pub mod peek;
pub mod trail;
pub mod wire;

mod begun;
mod body;
mod caching;
mod course;
mod gate;
mod layer;
mod limits;
mod manner;
mod pipeline;
mod stage;

pub use exchange::{
    Allowed, BrokeGlass, CredentialEnded, Exchange, KeyRotated, OwnPage, Peer, SignedIn, refused,
    refused_with,
};
pub use gate::{Gate, GateParts};
pub use layer::{GateLayer, Gated};
pub use metrics::Metrics;
pub use stage::refuse::{render, wait_in_words};
pub use trail::Trail;
