//! The whole program, driven as users drive it: over sockets, before real listeners.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod audit;
mod authorize;
mod browser;
mod cli;
mod csrf;
mod demo;
mod edge;
mod express;
mod flask;
mod health;
mod identify;
mod lifecycle;
mod openapi;
mod proxy;
mod refuse;
mod secrets;
mod shield;
mod support;
mod wire;
