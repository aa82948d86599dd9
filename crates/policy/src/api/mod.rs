//! The public JSON API in words: one entry for each route of Palisade's own that speaks JSON, and the OpenAPI
//! document that is made from them.
//!
//! What the rows of [`crate::section::route`] say already (who may, which limits, which token against forged
//! requests) is read from there and written here nowhere. A test holds rows and entries together: who adds a
//! row adds an [`Operation`] to the file of its matter here.

mod account;
mod admin;
mod auth;
mod common;
mod document;
mod factor;
mod keys;
mod list;
mod operation;
mod server;
mod shape;

pub use document::document;
pub use list::operations;
pub use operation::{Gives, Operation};
pub use shape::{Field, Named, Shape};
