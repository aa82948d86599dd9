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
