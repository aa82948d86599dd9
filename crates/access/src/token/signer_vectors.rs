//! Signatures as others forge them: Project Wycheproof's vectors, and the classics by hand.

use data_encoding::{BASE64URL, BASE64URL_NOPAD};
use jsonwebtoken::errors::ErrorKind;
use palisade_model::Secret;
use palisade_policy::section::identify::Algorithm as Wanted;
use serde_json::{Value, json};

use super::*;
use crate::token::assertion::Assertions;
use crate::token::keys::generate;

const VECTORS: &str = include_str!("../../tests/vectors/wycheproof_jws.json");

fn tokens() -> Tokens {
    Tokens {
        algorithm: Wanted::EdDsa,
        secret: Some(Secret::new("unused")),
        previous_secrets: Vec::new(),
        publish_ahead: Duration::ZERO,
        issuer: "https://app.example".into(),
        audience: "https://app.example".into(),
        access: Duration::from_secs(1800),
        refresh: Duration::from_secs(7 * 86_400),
        race: Duration::from_secs(10),
    }
}

fn decoded(jwk: &Value, member: &str) -> Vec<u8> {
    BASE64URL_NOPAD.decode(jwk[member].as_str().unwrap().as_bytes()).unwrap()
}

/// A signer whose verifying half is the vectors' key.
fn verifier(group: &Value) -> Signer {
    if let Some(key) = group.get("public") {
        let pair =
            Pair::from_pkcs8(Kind::P256, "k", generate(Kind::P256, "k", &World::real()).unwrap()).unwrap();
        let point = [&[4][..], &decoded(key, "x"), &decoded(key, "y")].concat();
        let ours = Signer::asymmetric(Kind::P256, &pair, &tokens());
        return Signer { decoding: DecodingKey::from_ec_der(&point), ..ours };
    }
    Signer::hs256(&decoded(&group["private"], "k"), &tokens())
}

/// Whether the step that judges signatures lets this pass. The vectors' payloads are no JSON, so that a signature
/// which holds shows as a payload that does not parse.
fn holds(signer: &Signer, token: &str) -> bool {
    if jsonwebtoken::decode_header(token).is_err() {
        return false;
    }
    match jsonwebtoken::decode::<Value>(token, &signer.decoding, &signer.signature_only()) {
        Ok(_) => true,
        Err(error) => matches!(error.kind(), ErrorKind::Json(_)),
    }
}

/// Two that are letter for letter the valid test 357 and said to be invalid, and two with characters outside of
/// base64url that a lenient reader may skip: ours does not.
const OTHERWISE: [i64; 4] = [367, 370, 372, 373];

// proves: ID-9
#[test]
fn the_signatures_of_project_wycheproof_are_judged_as_it_says() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let (mut right, mut wrong) = (0, Vec::new());
    for group in vectors["testGroups"].as_array().unwrap() {
        let signer = verifier(group);
        for test in group["tests"].as_array().unwrap() {
            let token = test["jws"].as_str().unwrap();
            let comment = test["comment"].as_str().unwrap();
            assert!(signer.verify(token, Timestamp::from_secs(0)).is_err(), "{comment}: no token of ours");
            let expected = test["result"] == "valid";
            if holds(&signer, token) == expected {
                right += 1;
            } else {
                wrong.push(test["tcId"].as_i64().unwrap());
            }
        }
    }
    assert_eq!((right, wrong), (75, OTHERWISE.to_vec()));
}

struct Bench {
    signer: Signer,
    pair: Pair,
    token: String,
    world: World,
}

impl Bench {
    fn new(kind: Kind) -> Self {
        let (world, _) = World::still(Timestamp::from_secs(1_700_000_000));
        let pair = Pair::from_pkcs8(kind, "k", generate(kind, "k", &world).unwrap()).unwrap();
        let signer = Signer::asymmetric(kind, &pair, &tokens());
        let holder = Holder {
            user: id::UserId::generate(world.now(), &*world.entropy).unwrap(),
            family: id::FamilyId::generate(world.now(), &*world.entropy).unwrap(),
            tenant: None,
            roles: &[],
        };
        let token = signer.issue(&holder, &world).unwrap();
        assert!(signer.verify(&token, world.now()).is_ok());
        Self { signer, pair, token, world }
    }

    fn refuses(&self, token: &str) -> bool {
        self.signer.verify(token, self.world.now()).is_err()
    }

    fn with_signature(&self, signature: &[u8]) -> String {
        let message = self.token.rsplit_once('.').unwrap().0;
        format!("{message}.{}", BASE64URL_NOPAD.encode(signature))
    }

    fn signature(&self) -> Vec<u8> {
        BASE64URL_NOPAD.decode(self.token.rsplit_once('.').unwrap().1.as_bytes()).unwrap()
    }
}

/// CVE-2022-21449: r = s = 0 was good for any message.
// proves: ID-9
#[test]
fn psychic_signatures_are_refused() {
    let order = data_encoding::HEXLOWER
        .decode(b"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
        .unwrap();
    for kind in [Kind::P256, Kind::Ed25519] {
        let bench = Bench::new(kind);
        let signature = bench.signature();
        let (r, s) = signature.split_at(32);
        let zero = [0_u8; 32];
        for forged in [
            [zero, zero].concat(),
            [order.as_slice(), order.as_slice()].concat(),
            [r, &zero].concat(),
            [&zero[..], s].concat(),
            [r, &order].concat(),
            vec![0; 63],
            vec![0; 65],
            Vec::new(),
            [&signature[..], &[0]].concat(),
            signature[..63].to_vec(),
            // DER, which JWS does not speak (RFC 7518 section 3.4).
            [&[0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01][..]].concat(),
        ] {
            assert!(bench.refuses(&bench.with_signature(&forged)), "{kind:?}: {forged:?}");
        }
    }
}

/// s + L is another spelling of the same signature (RFC 8032 section 5.1.7): it must not pass, or a token has two
/// digests.
// proves: ID-9
#[test]
fn an_ed25519_signature_has_one_spelling() {
    let bench = Bench::new(Kind::Ed25519);
    let order = data_encoding::HEXLOWER
        .decode(b"edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
        .unwrap();
    let mut signature = bench.signature();
    let mut carry = 0_u16;
    for (byte, add) in signature[32..].iter_mut().zip(&order) {
        let sum = u16::from(*byte) + u16::from(*add) + carry;
        *byte = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    assert!(bench.refuses(&bench.with_signature(&signature)));
}

// proves: ID-9
#[test]
fn a_token_has_one_spelling_in_base64() {
    for kind in [Kind::P256, Kind::Ed25519] {
        let bench = Bench::new(kind);
        let token = &bench.token;
        let parts: Vec<&str> = token.split('.').collect();
        let padded: Vec<String> = parts
            .iter()
            .map(|part| BASE64URL.encode(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()))
            .collect();
        let mut spellings = vec![
            padded.join("."),
            token.replace('.', ". "),
            token.replace('.', ".\n"),
            format!("\t{token}"),
            format!("{token}%00"),
            format!("{token}\0"),
            format!("{token}."),
            format!(".{token}"),
            format!("{token}.{token}"),
            format!("{token},{token}"),
            token.replace(['-', '_'], "+"),
            format!("{}..{}", parts[0], parts[2]),
            // Detached and unencoded (RFC 7797).
            format!("{}.{}.{}", parts[0], "{}", parts[2]),
            // The JSON serialisation (RFC 7515 section 7.2).
            json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]}).to_string(),
            // Encrypted ones have five parts.
            format!("{token}.{}.{}", parts[1], parts[2]),
        ];
        // The last character has bits that stand for nothing.
        let last = token.chars().last().unwrap();
        let others = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars();
        spellings.extend(others.filter(|c| *c != last).map(|c| format!("{}{c}", &token[..token.len() - 1])));
        for spelling in spellings.iter().filter(|spelling| *spelling != token) {
            assert!(bench.refuses(spelling), "{kind:?}: {spelling}");
        }
    }
}

// proves: ID-9
#[test]
fn names_that_stand_twice_are_refused_in_header_and_claims() {
    let bench = Bench::new(Kind::Ed25519);
    let parts: Vec<String> = bench
        .token
        .split('.')
        .take(2)
        .map(|part| String::from_utf8(BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap())
        .collect();
    let sign = |header: &str, claims: &str| {
        let message = format!(
            "{}.{}",
            BASE64URL_NOPAD.encode(header.as_bytes()),
            BASE64URL_NOPAD.encode(claims.as_bytes())
        );
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &bench.signer.encoding, bench.signer.algorithm);
        format!("{message}.{}", signature.unwrap())
    };
    assert!(!bench.refuses(&sign(&parts[0], &parts[1])), "as it is, it passes");
    let twice =
        |text: &str, name: &str, value: &str| text.replacen('{', &format!("{{\"{name}\":{value},"), 1);
    for (name, value) in [("alg", "\"none\""), ("kid", "\"other\""), ("typ", "\"JWT\"")] {
        assert!(bench.refuses(&sign(&twice(&parts[0], name, value), &parts[1])), "{name}");
    }
    for (name, value) in [("sub", "\"x\""), ("exp", "9999999999"), ("aud", "\"x\""), ("sid", "\"x\"")] {
        assert!(bench.refuses(&sign(&parts[0], &twice(&parts[1], name, value))), "{name}");
    }
}

/// The word to the application is signed, unexpired and by the same issuer; it is no access token all the same.
// proves: ID-9, ACC-6
#[test]
fn an_assertion_is_no_access_token_even_under_the_same_key() {
    let bench = Bench::new(Kind::Ed25519);
    let assertions = Assertions::new(&bench.pair, "https://app.example").unwrap();
    let principal = crate::Principal::for_tests(&bench.world);
    let request = palisade_model::RequestId::parse("request-1").unwrap();
    let said = assertions.sign(&principal, "GET", "/", &request, bench.world.now()).unwrap();
    assert_eq!(bench.signer.verify(&said, bench.world.now()), Err("token is of another type"));
}

// proves: ID-9
#[test]
fn a_huge_token_is_refused_before_it_is_read() {
    let bench = Bench::new(Kind::Ed25519);
    let huge = format!("{}{}", bench.token, "A".repeat(5 << 20));
    assert_eq!(bench.signer.verify(&huge, bench.world.now()), Err("token is too long"));
    let deep = BASE64URL_NOPAD.encode("[".repeat(2900).as_bytes());
    assert!(bench.refuses(&format!("{deep}.e30.AA")));
}
