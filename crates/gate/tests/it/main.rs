//! The gate as a whole, and its parts that others use, from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod cross_origin;
mod csrf;
mod edge;
mod forms;
mod forms_stream;
mod house;
mod identify;
mod limits;
mod opaque;
mod refusals;
mod sealing;
mod trail;
mod wire;
