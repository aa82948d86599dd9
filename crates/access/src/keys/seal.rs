//! Secrets that rest in the store: AES-256-GCM under a derived key, bound to their name.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use palisade_model::World;
use zeroize::Zeroizing;

use super::Key;
use crate::error::AccessError;

/// First byte of every sealed secret, so that the form can change one day.
const VERSION: u8 = 1;

/// `VERSION`, a random nonce of 96 bits, ciphertext and tag.
///
/// A key seals a handful of secrets in its life, far from the 2^32 where random nonces become unsafe
/// (NIST SP 800-38D section 8.3).
pub(crate) fn seal(key: &Key, name: &str, secret: &[u8], world: &World) -> Result<Vec<u8>, AccessError> {
    let mut nonce = [0_u8; NONCE_LEN];
    world.entropy.fill(&mut nonce)?;
    let mut body = secret.to_vec();
    cipher(key, name)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(name.as_bytes()), &mut body)
        .map_err(|_| AccessError::Seal { name: name.to_owned() })?;
    Ok([&[VERSION][..], &nonce, &body].concat())
}

/// What [`seal`] was given; an error when the key is another, or when one bit or the name differs.
pub(crate) fn open(key: &Key, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, AccessError> {
    let refused = || AccessError::Seal { name: name.to_owned() };
    let rest = sealed.strip_prefix(&[VERSION]).ok_or_else(refused)?;
    let (nonce, body) = rest.split_at_checked(NONCE_LEN).ok_or_else(refused)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| refused())?;
    let mut body = Zeroizing::new(body.to_vec());
    let length = cipher(key, name)?
        .open_in_place(nonce, Aad::from(name.as_bytes()), &mut body)
        .map_err(|_| refused())?
        .len();
    body.truncate(length);
    Ok(body)
}

fn cipher(key: &Key, name: &str) -> Result<LessSafeKey, AccessError> {
    UnboundKey::new(&AES_256_GCM, key.expose())
        .map(LessSafeKey::new)
        .map_err(|_| AccessError::Seal { name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Root;
    use palisade_model::Timestamp;

    // proves: ID-9
    #[test]
    fn only_the_same_key_and_name_open_it_and_no_bit_can_change() {
        let (world, _) = World::still(Timestamp::from_secs(1));
        let key = Root::new(b"root").derive("seal");
        let sealed = seal(&key, "a", b"private key", &world).unwrap();
        assert!(!sealed.windows(7).any(|w| w == b"private"));
        assert_eq!(open(&key, "a", &sealed).unwrap().as_slice(), b"private key");
        assert!(open(&key, "b", &sealed).is_err(), "swapped for another secret");
        assert!(open(&Root::new(b"other").derive("seal"), "a", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert!(open(&key, "a", &bent).is_err(), "byte {at}");
            assert!(open(&key, "a", &sealed[..at]).is_err(), "cut at {at}");
        }
    }
}
