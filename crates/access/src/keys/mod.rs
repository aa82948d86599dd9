//! The root secrets, what is derived from them, and the keys that are kept under their seal.

pub(crate) mod root;
pub(crate) mod seal;

use palisade_model::World;
use palisade_model::digest::hmac_sha256;
use zeroize::Zeroizing;

use crate::error::AccessError;

/// 256 bits for one purpose, wiped when dropped.
#[derive(Clone)]
pub(crate) struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// From bytes that are as good as random.
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

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

/// The present root, and former ones while the root secret rotates (ID-11).
pub(crate) struct Roots {
    present: Root,
    former: Vec<Root>,
}

impl Roots {
    pub(crate) fn new(present: Root, former: Vec<Root>) -> Self {
        Self { present, former }
    }

    /// The key for one purpose, from the present root: for whatever is made now.
    pub(crate) fn derive(&self, label: &str) -> Key {
        self.present.derive(label)
    }

    /// The same from every root, the present one first: for whatever was made earlier.
    pub(crate) fn derive_all(&self, label: &str) -> Vec<Key> {
        std::iter::once(&self.present).chain(&self.former).map(|root| root.derive(label)).collect()
    }

    /// Seals what rests in the store for one purpose, and opens what any of the roots has sealed for it.
    pub(crate) fn sealer(&self, label: &str) -> Sealer {
        Sealer { keys: self.derive_all(label) }
    }
}

/// Seals what rests in the store under the present root; opens what former ones have sealed, too.
pub(crate) struct Sealer {
    /// The present one first.
    keys: Vec<Key>,
}

/// What was under a seal.
pub(crate) struct Opened {
    /// The secret.
    pub(crate) secret: Zeroizing<Vec<u8>>,
    /// Whether a former root had sealed it: it should be sealed anew.
    pub(crate) stale: bool,
}

impl Sealer {
    /// Seals a secret under a name: only under the same name does it open again.
    ///
    /// # Errors
    /// When there is no randomness.
    pub(crate) fn seal(&self, name: &str, secret: &[u8], world: &World) -> Result<Vec<u8>, AccessError> {
        let present = self.keys.first().ok_or_else(|| AccessError::Seal { name: name.to_owned() })?;
        seal::seal(present, name, secret, world)
    }

    /// What [`seal`](Self::seal) was given.
    ///
    /// # Errors
    /// When none of the roots sealed it, or one bit or the name differs.
    pub(crate) fn open(&self, name: &str, sealed: &[u8]) -> Result<Opened, AccessError> {
        let opened = self.keys.iter().enumerate().find_map(|(at, key)| {
            let secret = seal::open(key, name, sealed).ok()?;
            Some(Opened { secret, stale: at > 0 })
        });
        opened.ok_or_else(|| AccessError::Seal { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_model::Timestamp;

    #[test]
    fn each_label_and_each_secret_has_its_own_key() {
        let (a, b) = (Root::new(b"one"), Root::new(b"two"));
        assert_ne!(a.derive("csrf").expose(), a.derive("seal").expose());
        assert_ne!(a.derive("csrf").expose(), b.derive("csrf").expose());
        assert_eq!(a.derive("csrf").expose(), Root::new(b"one").derive("csrf").expose());
    }

    // proves: ID-11
    #[test]
    fn what_a_former_root_sealed_opens_as_long_as_it_is_listed() {
        let (world, _) = World::still(Timestamp::from_secs(1));
        let before = Roots::new(Root::new(b"one"), Vec::new()).sealer("seal");
        let sealed = before.seal("a", b"secret", &world).unwrap();
        assert!(!before.open("a", &sealed).unwrap().stale);
        let during = Roots::new(Root::new(b"two"), vec![Root::new(b"one")]).sealer("seal");
        let opened = during.open("a", &sealed).unwrap();
        assert!(opened.stale && opened.secret.as_slice() == b"secret");
        assert!(during.open("b", &sealed).is_err(), "under another name");
        let again = during.seal("a", &opened.secret, &world).unwrap();
        let after = Roots::new(Root::new(b"two"), Vec::new()).sealer("seal");
        assert!(!after.open("a", &again).unwrap().stale);
        assert!(after.open("a", &sealed).is_err(), "the former root is not listed any more");
    }
}
