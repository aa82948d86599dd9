//! Attacks on access tokens (RFC 8725), each against a token that would otherwise be good.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use palisade_model::id::{FamilyId, UserId};
use palisade_model::{ManualClock, Secret, TenantId};
use palisade_policy::section::identify::Algorithm as Wanted;
use serde_json::{Value, json};

use super::*;
use crate::token::keys::generate;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn tokens(algorithm: Wanted) -> Tokens {
    Tokens {
        algorithm,
        secret: Some(Secret::new("unused")),
        previous_secrets: Vec::new(),
        publish_ahead: Duration::from_secs(300),
        issuer: "https://app.example".into(),
        audience: "https://app.example".into(),
        access: Duration::from_secs(1800),
        refresh: Duration::from_secs(7 * 86_400),
        race: Duration::from_secs(10),
    }
}

struct Bench {
    signer: Signer,
    /// The public half, where there is one.
    public: Vec<u8>,
    world: World,
    clock: Arc<ManualClock>,
    user: UserId,
    family: FamilyId,
}

fn bench(algorithm: Wanted) -> Bench {
    let (world, clock) = World::still(Timestamp::from_secs(1_700_000_000));
    let policy = tokens(algorithm);
    let pair = |kind| Pair::from_pkcs8(kind, "k", generate(kind, "k", &world).unwrap()).unwrap();
    let (signer, public) = match algorithm {
        Wanted::Hs256 => (Signer::hs256(SECRET, &policy), SECRET.to_vec()),
        Wanted::EdDsa => {
            let pair = pair(Kind::Ed25519);
            (Signer::asymmetric(Kind::Ed25519, &pair, &policy), pair.public)
        }
        Wanted::Es256 => {
            let pair = pair(Kind::P256);
            (Signer::asymmetric(Kind::P256, &pair, &policy), pair.public)
        }
    };
    let user = UserId::generate(world.now(), &*world.entropy).unwrap();
    let family = FamilyId::generate(world.now(), &*world.entropy).unwrap();
    Bench { signer, public, world, clock, user, family }
}

impl Bench {
    fn token(&self) -> String {
        let tenant = TenantId::parse("north").unwrap();
        let roles = ["user".to_owned()];
        let holder = Holder { user: self.user, family: self.family, tenant: Some(&tenant), roles: &roles };
        self.signer.issue(&holder, &self.world).unwrap()
    }

    fn verify(&self, token: &str) -> Result<Named, &'static str> {
        self.signer.verify(token, self.world.now())
    }

    /// A token with our own signature and changed claims or header: only the judging of them is left.
    fn signed_with(&self, bend: impl FnOnce(&mut Value, &mut Value)) -> String {
        let token = self.token();
        let mut parts = token.split('.').map(|part| BASE64URL_NOPAD.decode(part.as_bytes()).unwrap());
        let mut header: Value = serde_json::from_slice(&parts.next().unwrap()).unwrap();
        let mut claims: Value = serde_json::from_slice(&parts.next().unwrap()).unwrap();
        bend(&mut header, &mut claims);
        self.sign_parts(&header.to_string(), &claims.to_string())
    }

    fn sign_parts(&self, header: &str, claims: &str) -> String {
        let message = format!(
            "{}.{}",
            BASE64URL_NOPAD.encode(header.as_bytes()),
            BASE64URL_NOPAD.encode(claims.as_bytes())
        );
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &self.signer.encoding, self.signer.algorithm);
        format!("{message}.{}", signature.unwrap())
    }
}

const ALL: [Wanted; 3] = [Wanted::Hs256, Wanted::EdDsa, Wanted::Es256];

// proves: ID-9
#[test]
fn a_token_verifies_until_its_last_second_and_carries_what_it_should() {
    for algorithm in ALL {
        let bench = bench(algorithm);
        let token = bench.token();
        let named = bench.verify(&token).unwrap();
        assert_eq!((named.user, named.family), (bench.user, bench.family));
        let claims = token.split('.').nth(1).unwrap();
        let claims: Value =
            serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap()).unwrap();
        for name in ["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "sid", "tenant", "roles"] {
            assert!(claims.get(name).is_some(), "{name}");
        }
        bench.clock.advance(Duration::from_secs(1799));
        assert!(bench.verify(&token).is_ok());
        bench.clock.advance(Duration::from_secs(1));
        assert_eq!(bench.verify(&token), Err("token has expired"));
    }
}

// proves: ID-9
#[test]
fn claims_that_are_not_for_us_now_are_refused_under_a_good_signature() {
    type Bend = fn(&mut Value, &mut Value);
    let now = 1_700_000_000;
    let bends: [(&str, Bend); 16] = [
        ("another issuer", |_, c| c["iss"] = json!("https://evil.example")),
        ("two issuers", |_, c| c["iss"] = json!(["https://app.example", "https://evil.example"])),
        ("another audience", |_, c| c["aud"] = json!("https://other.example")),
        ("two audiences", |_, c| c["aud"] = json!(["https://app.example", "x"])),
        ("no audience", |_, c| drop(c.as_object_mut().unwrap().remove("aud"))),
        ("no exp", |_, c| drop(c.as_object_mut().unwrap().remove("exp"))),
        ("exp as text", |_, c| c["exp"] = json!("9999999999")),
        ("exp as null", |_, c| c["exp"] = Value::Null),
        ("exp of the far past", |_, c| c["exp"] = json!(-1)),
        ("no nbf", |_, c| drop(c.as_object_mut().unwrap().remove("nbf"))),
        ("no jti", |_, c| drop(c.as_object_mut().unwrap().remove("jti"))),
        ("empty jti", |_, c| c["jti"] = json!("")),
        ("no family", |_, c| c["sid"] = json!("")),
        ("nobody", |_, c| c["sub"] = json!("admin")),
        ("another type", |h, _| h["typ"] = json!("JWT")),
        ("no type", |h, _| drop(h.as_object_mut().unwrap().remove("typ"))),
    ];
    for algorithm in ALL {
        let bench = bench(algorithm);
        assert!(bench.verify(&bench.signed_with(|_, _| {})).is_ok());
        for (what, bend) in bends {
            assert!(bench.verify(&bench.signed_with(bend)).is_err(), "{algorithm:?}: {what}");
        }
        for (what, nbf) in [("future nbf", now + 6), ("distant nbf", i64::MAX)] {
            let token = bench.signed_with(|_, c| c["nbf"] = json!(nbf));
            assert_eq!(bench.verify(&token), Err("token is not valid yet"), "{what}");
        }
        assert!(bench.verify(&bench.signed_with(|_, c| c["nbf"] = json!(now + 5))).is_ok(), "the leeway");
    }
}

// proves: ID-9
#[test]
fn the_header_chooses_nothing() {
    type Bend = fn(&mut Value, &mut Value);
    let bends: [(&str, Bend); 24] = [
        ("none", |h, _| h["alg"] = json!("none")),
        ("None", |h, _| h["alg"] = json!("None")),
        ("NONE", |h, _| h["alg"] = json!("NONE")),
        ("nOnE", |h, _| h["alg"] = json!("nOnE")),
        ("none and a blank", |h, _| h["alg"] = json!("none ")),
        ("nothing", |h, _| h["alg"] = json!("")),
        ("null", |h, _| h["alg"] = Value::Null),
        ("no algorithm", |h, _| drop(h.as_object_mut().unwrap().remove("alg"))),
        ("several", |h, _| h["alg"] = json!(["HS256", "ES256", "EdDSA"])),
        ("a path as the key", |h, _| h["kid"] = json!("/dev/null")),
        ("SQL as the key", |h, _| h["kid"] = json!("x' UNION SELECT 'secret' --")),
        ("certificates", |h, _| h["x5c"] = json!(["MIIB"])),
        ("certificates elsewhere", |h, _| h["x5u"] = json!("https://evil.example/x5u")),
        ("a payload in the clear", |h, _| h["b64"] = json!(false)),
        ("compressed", |h, _| h["zip"] = json!("DEF")),
        ("another content type", |h, _| h["cty"] = json!("JWT")),
        ("anything else", |h, _| h["admin"] = json!(true)),
        ("another of the family", |h, _| h["alg"] = json!("HS512")),
        ("another family", |h, _| h["alg"] = json!("RS256")),
        ("another key", |h, _| h["kid"] = json!("../../dev/null")),
        ("no key", |h, _| drop(h.as_object_mut().unwrap().remove("kid"))),
        ("its own key", |h, _| h["jwk"] = json!({"kty": "oct", "k": "AAAA"})),
        ("a key elsewhere", |h, _| h["jku"] = json!("https://evil.example/jwks.json")),
        ("something critical", |h, _| h["crit"] = json!(["exp"])),
    ];
    for algorithm in ALL {
        let bench = bench(algorithm);
        for (what, bend) in bends {
            assert!(bench.verify(&bench.signed_with(bend)).is_err(), "{algorithm:?}: {what}");
        }
    }
}

/// The classic confusion: the public key, which everybody has, used as an HMAC secret.
// proves: ID-9
#[test]
fn a_token_signed_with_the_public_key_as_a_secret_is_refused() {
    for algorithm in [Wanted::EdDsa, Wanted::Es256] {
        let bench = bench(algorithm);
        let forger = Signer::hs256(&bench.public, &tokens(Wanted::Hs256));
        let holder = Holder { user: bench.user, family: bench.family, tenant: None, roles: &[] };
        for kid in [forger.kid.clone(), bench.signer.kid.clone()] {
            let forger = Signer { kid, ..Signer::hs256(&bench.public, &tokens(Wanted::Hs256)) };
            let token = forger.issue(&holder, &bench.world).unwrap();
            assert_eq!(bench.verify(&token), Err("token has another algorithm than its key"));
            // And with the header saying what we want to hear.
            let header = json!({"typ": TYP, "alg": bench.signer.algorithm, "kid": bench.signer.kid});
            let rest = token.split_once('.').unwrap().1;
            let bent = format!("{}.{rest}", BASE64URL_NOPAD.encode(header.to_string().as_bytes()));
            assert_eq!(bench.verify(&bent), Err("token is forged or malformed"));
        }
    }
}

// proves: ID-9
#[test]
fn no_bit_of_a_token_can_change() {
    for algorithm in ALL {
        let bench = bench(algorithm);
        let token = bench.token();
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let bent = String::from_utf8(bytes).unwrap();
            assert!(bent == token || bench.verify(&bent).is_err(), "{algorithm:?}: byte {at}");
        }
        for end in 0..token.len() {
            assert!(bench.verify(&token[..end]).is_err(), "{algorithm:?}: cut at {end}");
        }
    }
}

// proves: ID-9
#[test]
fn malformed_tokens_and_foreign_keys_are_refused() {
    for algorithm in ALL {
        let bench = bench(algorithm);
        let token = bench.token();
        let parts: Vec<&str> = token.split('.').collect();
        let (header, claims, signature) = (parts[0], parts[1], parts[2]);
        let bad = [
            String::new(),
            ".".into(),
            "..".into(),
            format!("{header}.{claims}."),
            format!("{header}.{claims}"),
            format!("{token}.{signature}"),
            format!("{header}.{claims}.{signature}="),
            format!(" {token}"),
            format!("{token}\n"),
            format!("{header}..{signature}"),
            "a".repeat(5000),
            "\u{1f600}.\u{1f600}.\u{1f600}".into(),
        ];
        for bad in bad {
            assert!(bench.verify(&bad).is_err(), "{algorithm:?}: {bad:.60}");
        }
        let twice = format!(
            r#"{{"iss":"https://evil.example",{}"#,
            String::from_utf8(BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap())
                .unwrap()
                .trim_start_matches('{')
        );
        let header = String::from_utf8(BASE64URL_NOPAD.decode(header.as_bytes()).unwrap()).unwrap();
        assert!(bench.verify(&bench.sign_parts(&header, &twice)).is_err(), "a claim that stands twice");
    }
    let (ours, theirs) = (bench(Wanted::EdDsa), {
        let mut other = bench(Wanted::EdDsa);
        let world = World::real();
        let pair =
            Pair::from_pkcs8(Kind::Ed25519, "k", generate(Kind::Ed25519, "k", &world).unwrap()).unwrap();
        other.signer = Signer::asymmetric(Kind::Ed25519, &pair, &tokens(Wanted::EdDsa));
        other
    });
    assert_eq!(ours.verify(&theirs.token()), Err("token names another key"));
    let kid = ours.signer.kid.clone();
    assert!(ours.verify(&theirs.signed_with(|h, _| h["kid"] = json!(kid))).is_err());
}
