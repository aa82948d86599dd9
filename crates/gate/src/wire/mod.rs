//! The strict reading of HTTP (EDGE-6).
//!
//! A front that reads a request leniently hands on what it did not judge: the application behind it may see another
//! path, another body or another request altogether. Here nothing is repaired and nothing is guessed. A request that
//! two readers could understand differently is refused, and one that passes means the same to all of them.
//!
//! | module | judges |
//! |---|---|
//! | [`path`] | the path of a request, for HTTP/1 and HTTP/2 alike |
//! | [`host`] | a Host field or `:authority` |
//! | [`field`] | names and values of header fields, and names that mimic others |
//! | [`request`] | a whole HTTP/2 request, once its frames were read |
//! | [`stream`] | the bytes of an HTTP/1 connection: which of them may be read, and when |
//! | [`guard`] | the same around a socket, so that an HTTP server can only read what was judged |
//! | [`render`] | the last words on a connection |
//!
//! `docs/stages/wire.md` lists every rule with its reason.

mod chunked;
pub mod field;
pub mod guard;

mod head;
pub mod host;
pub mod path;
pub mod render;
pub mod request;
pub mod stream;
mod target;
mod violation;

pub use guard::{Exchanges, GuardedIo};
pub use violation::{Violation, of_error};
