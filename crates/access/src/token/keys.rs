//! Key pairs that the server makes for itself, and their public halves.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use palisade_model::World;
use palisade_model::digest::sha256;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::error::AccessError;

/// The kind of an asymmetric key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ed25519 (RFC 8037).
    Ed25519,
    /// P-256 (RFC 7518 section 3.4).
    P256,
}

/// A private key with its public half.
pub(crate) struct Pair {
    pub(crate) pkcs8: Zeroizing<Vec<u8>>,
    /// As the verifier takes it: 32 bytes, or an uncompressed point of 65.
    pub(crate) public: Vec<u8>,
    /// RFC 7638 thumbprint of the public half.
    pub(crate) kid: String,
    /// The public half (RFC 7517).
    pub(crate) jwk: Value,
}

impl Kind {
    const NAMES: [(Self, &'static str); 2] = [(Self::Ed25519, "ed25519"), (Self::P256, "p256")];

    /// Its name in the store.
    pub(crate) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("ed25519", |(_, name)| name)
    }

    /// The kind of that name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

impl Pair {
    pub(crate) fn from_pkcs8(kind: Kind, name: &str, pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, AccessError> {
        let damaged = |_| AccessError::Key { name: name.to_owned() };
        let public = match kind {
            Kind::Ed25519 => {
                Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(damaged)?.public_key().as_ref().to_vec()
            }
            Kind::P256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8)
                .map_err(damaged)?
                .public_key()
                .as_ref()
                .to_vec(),
        };
        let (kid, jwk) = publish(kind, &public);
        Ok(Self { pkcs8, public, kid, jwk })
    }
}

/// A new private key as PKCS#8.
pub(crate) fn generate(kind: Kind, name: &str, world: &World) -> Result<Zeroizing<Vec<u8>>, AccessError> {
    let failed = || AccessError::Key { name: name.to_owned() };
    let document = match kind {
        Kind::Ed25519 => {
            let mut seed = Zeroizing::new([0_u8; 32]);
            world.entropy.fill(seed.as_mut())?;
            Ed25519KeyPair::from_seed_unchecked(seed.as_ref())
                .map_err(|_| failed())?
                .to_pkcs8()
                .map_err(|_| failed())?
        }
        // The library draws the scalar itself: it has to lie in the group's range without bias.
        Kind::P256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| failed())?,
    };
    Ok(Zeroizing::new(document.as_ref().to_vec()))
}

/// The key's id and public form. The members of the thumbprint are in the order of RFC 7638 section 3.
fn publish(kind: Kind, public: &[u8]) -> (String, Value) {
    let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    match kind {
        Kind::Ed25519 => {
            let x = encode(public);
            let kid = thumbprint(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
            let jwk =
                json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "alg": "EdDSA", "use": "sig"});
            (kid, jwk)
        }
        Kind::P256 => {
            let (x, y) = public.get(1..).unwrap_or_default().split_at_checked(32).unwrap_or_default();
            let (x, y) = (encode(x), encode(y));
            let kid = thumbprint(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#));
            let jwk = json!({
                "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, "alg": "ES256", "use": "sig",
            });
            (kid, jwk)
        }
    }
}

fn thumbprint(canonical: &str) -> String {
    BASE64URL_NOPAD.encode(&sha256(&[canonical.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: ID-9
    #[test]
    fn the_key_id_is_rfc_8037s_thumbprint() {
        let public = BASE64URL_NOPAD.decode(b"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let (kid, jwk) = publish(Kind::Ed25519, &public);
        assert_eq!(kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(jwk["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    }

    // proves: ID-9
    #[test]
    fn what_is_published_holds_no_private_half() {
        let world = World::real();
        for kind in [Kind::Ed25519, Kind::P256] {
            let pair = Pair::from_pkcs8(kind, "k", generate(kind, "k", &world).unwrap()).unwrap();
            assert_eq!(pair.jwk.get("d"), None);
            assert_eq!(pair.jwk["use"], "sig");
            assert_eq!(pair.kid.len(), 43);
        }
    }
}
