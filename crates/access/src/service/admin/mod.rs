//! What administrators do to others.

pub(crate) mod oversee;
pub(crate) mod unlock;
pub(crate) mod users;
