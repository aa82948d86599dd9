//! Your SECURITY.md, in force: the parts of the `palisade` binary.
//!
//! The binary only calls [`cli::run`]. Everything else is a library, so that the tests can start a whole Palisade in
//! their own process. [`compose`] is the one place where all parts meet.

pub mod cli;
pub mod compose;
pub mod demo;
mod device;
mod exposure;
pub mod listener;
mod locked;
pub mod logging;
pub mod outgoing;
pub mod pages;
pub mod post;
pub mod service;
pub mod signals;
