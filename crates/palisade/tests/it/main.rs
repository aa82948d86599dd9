//! The whole program, driven as users drive it: over sockets, before real listeners.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod audit;
mod authorize;
mod browser;
mod cli;
mod cli_keys;
mod cli_live;
mod cli_tokens;
mod csrf;
mod demo;
mod edge;
mod express;
mod flask;
mod health;
mod identify;
mod import;
mod lifecycle;
mod oidc;
mod openapi;
mod passkeys;
mod post;
mod proxy;
mod proxy_failure;
mod proxy_headers;
mod proxy_lasting;
mod proxy_stream;
mod proxy_websocket;
mod refuse;
mod secrets;
mod shield;
mod support;
mod wire;
