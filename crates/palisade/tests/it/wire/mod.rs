//! The connection edge on raw sockets: what is sent is bytes, and what is compared is what the service received.

mod case;
mod client;
mod corpus;
mod limits;
mod llhttp;
mod server;
mod upgrade;
