//! The connection edge on raw sockets: what is sent is bytes, and what is compared is what the service received.

#[path = "../../../../../tests/wire/case.rs"]
mod case;
mod client;
mod corpus;
mod end_to_end;
mod frames;
mod http2;
mod limits;
mod llhttp;
mod play;
mod server;
mod upgrade;
