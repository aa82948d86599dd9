//! The root secret, and what is derived from it.

pub(crate) mod root;
pub(crate) mod seal;

use palisade_model::digest::hmac_sha256;
use zeroize::Zeroizing;

/// 256 bits for one purpose, wiped when dropped.
#[derive(Clone)]
pub(crate) struct Key(Zeroizing<[u8; 32]>);

impl Key {
    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The root of all derived keys: HKDF-SHA256 (RFC 5869), extracted once.
pub(crate) struct Root(Key);

impl Root {
    /// From the secret's bytes.
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(Key(Zeroizing::new(hmac_sha256(b"palisade root 1", &[secret]))))
    }

    /// The key for one purpose (HKDF-Expand, one block). Different labels give unrelated keys.
    pub(crate) fn derive(&self, label: &str) -> Key {
        Key(Zeroizing::new(hmac_sha256(self.0.expose(), &[label.as_bytes(), &[1]])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_label_and_each_secret_has_its_own_key() {
        let (a, b) = (Root::new(b"one"), Root::new(b"two"));
        assert_ne!(a.derive("csrf").expose(), a.derive("seal").expose());
        assert_ne!(a.derive("csrf").expose(), b.derive("csrf").expose());
        assert_eq!(a.derive("csrf").expose(), Root::new(b"one").derive("csrf").expose());
    }
}
