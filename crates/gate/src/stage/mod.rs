//! One file for each step of a request's way, named as in `policy/src/section` and `docs/stages`.

pub(crate) mod refuse;
