//! The store as its users see it. Every promise is tested on each database.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod chaos;
mod engine;
mod factors;
mod fixture;
mod foreign;
mod identities;
mod limiter;
mod lockout;
mod recover;
mod reseal;
mod revoke;
mod server;
mod sessions;
mod signing;
mod tokens;
mod trail;
mod users;
