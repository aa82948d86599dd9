//! What lets somebody in without a new proof: sessions, tokens, links, and ceremonies under way.

pub(crate) mod api_token;
pub(crate) mod link;
pub(crate) mod pending;
pub(crate) mod refresh;
pub(crate) mod revoke;
pub(crate) mod session;
