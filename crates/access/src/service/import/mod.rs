//! Users and tokens from elsewhere.

pub(crate) mod environment;
pub(crate) mod inherit;
pub(crate) mod newcomer;
