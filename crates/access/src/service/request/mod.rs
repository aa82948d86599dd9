//! What each request asks: who, whether they may, and for how long.

pub(crate) mod authorize;
pub(crate) mod identify;
pub(crate) mod tenure;
