//! One file for each step of a request's way, named as in `policy/src/section` and `docs/stages`.

pub(crate) mod audit;
pub(crate) mod authorize;
pub(crate) mod csrf;
pub(crate) mod edge;
pub(crate) mod identify;
pub(crate) mod refuse;
pub(crate) mod shield;
