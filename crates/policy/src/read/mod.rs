//! From text to typed values: settings, the kinds of value that they take, and the reader.

pub(crate) mod kind;
pub(crate) mod net;
pub(crate) mod quantity;
mod reader;
pub(crate) mod secret;
pub mod setting;

pub use quantity::parse_duration;
pub(crate) use reader::{Places, Reader, Table};
pub use setting::{AnySetting, Scope, Setting, Shape};
