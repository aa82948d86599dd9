//! What answers once the stages let a request in.

pub mod assets;
pub mod health;
pub mod identity;
pub mod keys;
pub mod metrics;
pub mod upstream;
