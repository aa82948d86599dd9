//! The applications behind Palisade: each request goes to one of them, over pooled connections.
//!
//! A request that arrives here was judged by every stage before. This service only carries it: the body is streamed
//! both ways and never held, hop-by-hop fields are left behind, and what Palisade knows is added.

mod answer;
mod failure;
mod forward;
mod hop;
mod link;
mod outgoing;
mod pool;
