//! An authenticator in software: makes passkeys and shows them, honestly or not (WebAuthn level 3, sections 6.1, 6.5).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use palisade_model::Secret;
use palisade_model::digest::sha256;
use serde_json::{Value, json};

/// User present, user verified.
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const ATTESTED: u8 = 0x40;

/// One passkey, and what it tells of itself.
pub struct Key {
    pair: EcdsaKeyPair,
    pub id: Vec<u8>,
    user: Vec<u8>,
    pub counter: u32,
    pub origin: String,
    pub site: String,
    pub verifies: bool,
}

impl Key {
    pub fn new() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref()).unwrap();
        let id = sha256(&[pair.public_key().as_ref()])[..20].to_vec();
        Self {
            pair,
            id,
            user: Vec::new(),
            counter: 1,
            origin: "https://tracker.example".into(),
            site: "tracker.example".into(),
            verifies: true,
        }
    }

    /// Takes another user's name for itself.
    pub fn claim(&mut self, user: &[u8]) {
        self.user = user.to_vec();
    }

    fn authenticator_data(&self, flags: u8) -> Vec<u8> {
        let flags = flags | PRESENT | if self.verifies { VERIFIED } else { 0 };
        [&sha256(&[self.site.as_bytes()])[..], &[flags], &self.counter.to_be_bytes()].concat()
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let challenge = options["publicKey"]["challenge"].as_str().unwrap();
        let data = json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false});
        data.to_string().into_bytes()
    }

    /// `navigator.credentials.create`.
    pub fn make(&mut self, options: &Value) -> Secret {
        let user = options["publicKey"]["user"]["id"].as_str().unwrap();
        self.user = BASE64URL_NOPAD.decode(user.as_bytes()).unwrap();
        let point = self.pair.public_key().as_ref();
        let (x, y) = (&point[1..33], &point[33..65]);
        let cose =
            [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 0x20][..], x, &[0x22, 0x58, 0x20], y].concat();
        let length = u16::try_from(self.id.len()).unwrap().to_be_bytes();
        let data = [&self.authenticator_data(ATTESTED)[..], &[0; 16], &length, &self.id, &cose].concat();
        let mut object = vec![0xa3, 0x63];
        object.extend(b"fmt");
        object.push(0x64);
        object.extend(b"none");
        object.push(0x67);
        object.extend(b"attStmt");
        object.push(0xa0);
        object.push(0x68);
        object.extend(b"authData");
        object.extend([0x58, u8::try_from(data.len()).unwrap()]);
        object.extend(data);
        let client = self.client_data("webauthn.create", options);
        self.credential(&json!({
            "attestationObject": BASE64URL_NOPAD.encode(&object),
            "clientDataJSON": BASE64URL_NOPAD.encode(&client),
        }))
    }

    /// `navigator.credentials.get`.
    pub fn show(&mut self, options: &Value) -> Secret {
        self.counter += 1;
        self.sign(options, |_| {})
    }

    /// The same, with something changed after it was signed.
    pub fn sign(&self, options: &Value, bend: impl FnOnce(&mut Value)) -> Secret {
        let (data, client) = (self.authenticator_data(0), self.client_data("webauthn.get", options));
        let signed = [&data[..], &sha256(&[&client])].concat();
        let signature = self.pair.sign(&SystemRandom::new(), &signed).unwrap();
        let mut response = json!({
            "authenticatorData": BASE64URL_NOPAD.encode(&data),
            "clientDataJSON": BASE64URL_NOPAD.encode(&client),
            "signature": BASE64URL_NOPAD.encode(signature.as_ref()),
            "userHandle": BASE64URL_NOPAD.encode(&self.user),
        });
        bend(&mut response);
        self.credential(&response)
    }

    fn credential(&self, response: &Value) -> Secret {
        let id = BASE64URL_NOPAD.encode(&self.id);
        let credential = json!({
            "id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": {},
        });
        Secret::new(credential.to_string())
    }
}
