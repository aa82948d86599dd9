//! Sign-in: the proof, the second factor, and what comes of it.

pub(crate) mod attempt;
pub(crate) mod confirm;
pub(crate) mod enter;
mod follow;
pub(crate) mod passkey;
pub(crate) mod password;
pub(crate) mod prove;
pub(crate) mod provider;
pub(crate) mod second;
pub(crate) mod show;
pub(crate) mod tokens;
