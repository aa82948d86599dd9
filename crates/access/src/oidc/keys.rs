//! Which of a provider's keys can be believed.

use data_encoding::BASE64URL_NOPAD;
use openidconnect::core::{CoreJsonWebKey, CoreJsonWebKeySet};
use serde_json::Value;

/// The shortest modulus, in bits (RFC 7518 section 3.3), and the longest, which bounds the work.
const MODULUS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The least public exponent (FIPS 186-5 section 5.4).
const EXPONENT: u64 = 65_537;

/// Those keys that prove what they sign: public halves, of a strength that nobody computes the other half of.
pub(super) fn sound(keys: &CoreJsonWebKeySet) -> CoreJsonWebKeySet {
    CoreJsonWebKeySet::new(keys.keys().iter().filter(|key| is_sound(key)).cloned().collect())
}

fn is_sound(key: &CoreJsonWebKey) -> bool {
    // The library tells nothing of a key but by writing it down.
    let Ok(written) = serde_json::to_value(key) else { return false };
    let number = |name: &str| {
        let bytes = BASE64URL_NOPAD.decode(written.get(name)?.as_str()?.as_bytes()).ok()?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        bytes.get(zeros..).map(<[u8]>::to_vec)
    };
    match written.get("kty").and_then(Value::as_str) {
        Some("RSA") => {
            number("n").is_some_and(|n| MODULUS.contains(&bits(&n)))
                && number("e").is_some_and(|e| {
                    e.len() <= 8 && {
                        let value = e.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
                        value >= EXPONENT && value % 2 == 1
                    }
                })
        }
        Some("EC" | "OKP") => written.get("d").is_none_or(Value::is_null),
        // A shared secret that everybody can read.
        _ => false,
    }
}

/// The length of a number without leading zero bytes.
fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| {
        number.len().saturating_mul(8).saturating_sub(usize::try_from(first.leading_zeros()).unwrap_or(0))
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use openidconnect::JsonWebKey as _;
    use openidconnect::core::CoreJwsSigningAlgorithm;
    use serde_json::json;

    use super::*;

    const VECTORS: &str = include_str!("../../tests/vectors/wycheproof_keys.json");

    /// Keys as a provider publishes them.
    fn published(group: &Value) -> CoreJsonWebKeySet {
        let keys = group["public"].get("keys").cloned().unwrap_or_else(|| json!([group["public"]]));
        // As the library does: what it does not know it leaves out.
        serde_json::from_value(json!({ "keys": keys })).unwrap()
    }

    /// Whether a sound key of these has signed it, in a way that counts.
    fn believed(keys: &CoreJsonWebKeySet, jws: &str) -> bool {
        let parts: Vec<&str> = jws.split('.').collect();
        let [header, payload, signature] = parts[..] else { return false };
        let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).ok();
        let (Some(head), Some(signature)) = (decode(header), decode(signature)) else { return false };
        let Ok(head) = serde_json::from_slice::<Value>(&head) else { return false };
        let Ok(algorithm) = serde_json::from_value::<CoreJwsSigningAlgorithm>(head["alg"].clone()) else {
            return false;
        };
        let kid = head["kid"].as_str();
        let message = format!("{header}.{payload}");
        let counts = matches!(
            algorithm,
            CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256
                | CoreJwsSigningAlgorithm::RsaSsaPssSha256
                | CoreJwsSigningAlgorithm::EcdsaP256Sha256
        );
        decode(payload).is_some()
            && counts
            && sound(keys).keys().iter().any(|key| {
                let named = kid.is_none() || key.key_id().map(|id| id.as_str()) == kid;
                named && key.verify_signature(&algorithm, message.as_bytes(), &signature).is_ok()
            })
    }

    /// What is not refused though it is said to be invalid, and why that is so: `key_ops` is not read, since providers
    /// say `use`; and a modulus of a broken card (ROCA) looks like any other.
    const OTHERWISE: [&str; 3] = ["rsa_encryption", "ec_key_for_encryption", "jws_rsa_roca_key"];

    /// Gives how many were accepted and refused, and what came out otherwise.
    fn judged(text: &str) -> (usize, usize, Vec<String>) {
        let vectors: Value = serde_json::from_str(text).unwrap();
        let (mut accepted, mut refused, mut otherwise) = (0, 0, Vec::new());
        for group in
            vectors["testGroups"].as_array().unwrap().iter().filter(|group| group.get("public").is_some())
        {
            let keys = published(group);
            for test in group["tests"].as_array().unwrap() {
                let Some(jws) = test["jws"].as_str() else { continue };
                let counts = ["RS256", "PS256", "ES256"].iter().any(|alg| {
                    let head =
                        jws.split('.').next().and_then(|head| BASE64URL_NOPAD.decode(head.as_bytes()).ok());
                    head.is_some_and(|head| String::from_utf8_lossy(&head).contains(alg))
                });
                let wanted = test["result"] == "valid" && counts;
                match believed(&keys, jws) {
                    found if found != wanted => otherwise.push(group["comment"].as_str().unwrap().to_owned()),
                    true => accepted += 1,
                    false => refused += 1,
                }
            }
        }
        (accepted, refused, otherwise)
    }

    // proves: ID-6
    #[test]
    fn signatures_and_keys_of_project_wycheproof_are_judged_as_it_says() {
        let (accepted, refused, otherwise) = judged(VECTORS);
        assert!(otherwise.iter().all(|comment| OTHERWISE.contains(&comment.as_str())), "{otherwise:?}");
        assert!(accepted >= 10 && refused >= 80, "{accepted} {refused}");
        let Some(folder) = std::env::var_os("PALISADE_WYCHEPROOF").map(PathBuf::from) else { return };
        for name in ["wycheproof_jws.json", "wycheproof_jwk.json"] {
            let (accepted, _, otherwise) = judged(&std::fs::read_to_string(folder.join(name)).unwrap());
            assert!(
                otherwise.iter().all(|comment| OTHERWISE.contains(&comment.as_str())),
                "{name}: {otherwise:?}"
            );
            assert!(accepted > 0, "{name}");
        }
    }

    // proves: ID-6
    #[test]
    fn a_weak_key_or_a_published_secret_proves_nothing() {
        let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let rsa = |n: &[u8], e: &[u8]| json!({ "kty": "RSA", "n": encode(n), "e": encode(e), "use": "sig" });
        let strong = [0xff; 256];
        for (key, is) in [
            (rsa(&strong, &[1, 0, 1]), true),
            (rsa(&[&[0], &strong[..]].concat(), &[0, 1, 0, 1]), true),
            (rsa(&strong, &[1]), false),
            (rsa(&strong, &[3]), false),
            (rsa(&strong, &[1, 0, 2]), false),
            (rsa(&strong, &[0]), false),
            (rsa(&strong, &[0xff; 9]), false),
            (rsa(&strong[..255], &[1, 0, 1]), false),
            (rsa(&[&[0x7f], &strong[1..]].concat(), &[1, 0, 1]), false),
            (rsa(&[0xff; 2048], &[1, 0, 1]), false),
            (rsa(&[0; 256], &[1, 0, 1]), false),
            (json!({ "kty": "RSA", "use": "sig" }), false),
            (json!({ "kty": "oct", "k": encode(&strong[..32]), "use": "sig" }), false),
            (json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(&strong[..32]) }), true),
        ] {
            let keys: CoreJsonWebKeySet = serde_json::from_value(json!({ "keys": [key] })).unwrap();
            assert_eq!(!sound(&keys).keys().is_empty(), is, "{key}");
        }
    }
}
