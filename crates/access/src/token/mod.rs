//! Access tokens, refresh tokens and the assertion to the upstream.

pub(crate) mod assertion;

pub(crate) mod claims;
pub(crate) mod keyring;
pub(crate) mod keys;
pub(crate) mod opaque;
pub(crate) mod opaque_cache;
pub(crate) mod refresh;
pub(crate) mod ring;
pub(crate) mod signer;
pub(crate) mod verified;
