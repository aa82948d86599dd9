//! A provider that says whatever the test wants, without a network.

use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use data_encoding::BASE64URL_NOPAD;
use palisade_access::{Answering, Outgoing};
use palisade_model::{Timestamp, World};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::COMPANY;

/// Who signs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    Properly,
    /// `alg: none`
    None,
    /// HS256 with the public key for a secret.
    ByPublicKey,
    /// Another key under the same name.
    ByForeignKey,
}

/// What the provider says next.
#[derive(Clone)]
pub struct Forged {
    pub header: Value,
    pub claims: Value,
    pub signed: Signed,
    pub no_token: bool,
    pub info: Value,
    pub foreign_jwk: Value,
    pub now: i64,
}

impl Forged {
    /// A token that is right.
    pub fn good(issuer: &str, nonce: &str, now: Timestamp) -> Self {
        let now = now.as_secs();
        Self {
            header: json!({"alg": "EdDSA", "typ": "JWT", "kid": "one"}),
            claims: json!({
                "iss": issuer, "sub": "ada", "aud": "us", "exp": now + 300, "iat": now, "nonce": nonce,
                "email": "ada@example.com", "email_verified": true, "sid": "their-session",
            }),
            signed: Signed::Properly,
            no_token: false,
            info: Value::Null,
            foreign_jwk: jwk(&foreign(), "foreign"),
            now,
        }
    }

    pub fn without(&mut self, claim: &str) {
        self.claims.as_object_mut().unwrap().remove(claim);
    }

    /// Written and signed by `key`.
    pub fn token(&self, key: &Ed25519KeyPair) -> String {
        let mut header = self.header.clone();
        match self.signed {
            Signed::None => header["alg"] = "none".into(),
            Signed::ByPublicKey => header["alg"] = "HS256".into(),
            Signed::Properly | Signed::ByForeignKey => {}
        }
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let message = format!("{}.{}", part(&header), part(&self.claims));
        let signature = match self.signed {
            Signed::Properly => key.sign(message.as_bytes()).as_ref().to_vec(),
            Signed::ByForeignKey => foreign().sign(message.as_bytes()).as_ref().to_vec(),
            Signed::None => Vec::new(),
            Signed::ByPublicKey => {
                let secret = hmac::Key::new(hmac::HMAC_SHA256, key.public_key().as_ref());
                hmac::sign(&secret, message.as_bytes()).as_ref().to_vec()
            }
        };
        format!("{message}.{}", BASE64URL_NOPAD.encode(&signature))
    }
}

struct State {
    seed: u8,
    kid: &'static str,
    next: Option<Forged>,
    bend: fn(&mut Value),
    asked: Vec<String>,
}

/// The provider.
#[derive(Clone)]
pub struct Evil(Arc<Mutex<State>>);

impl Evil {
    pub fn new(_: &World) -> Self {
        Self(Arc::new(Mutex::new(State { seed: 1, kid: "one", next: None, bend: |_| {}, asked: Vec::new() })))
    }

    pub fn says(&self, next: Forged) {
        self.0.lock().next = Some(next);
    }

    pub fn rotate(&self) {
        let mut state = self.0.lock();
        state.seed += 1;
        state.kid = "two";
    }

    pub fn bend_discovery(&self, bend: fn(&mut Value)) {
        self.0.lock().bend = bend;
    }

    /// How often it was asked for that path.
    pub fn asked(&self, path: &str) -> usize {
        self.0.lock().asked.iter().filter(|asked| *asked == path).count()
    }

    pub fn key(&self) -> Ed25519KeyPair {
        pair(self.0.lock().seed)
    }

    fn answer(&self, path: &str) -> Value {
        let key = self.key();
        let mut state = self.0.lock();
        state.asked.push(path.to_owned());
        match path {
            "/.well-known/openid-configuration" => {
                let mut document = json!({
                    "issuer": COMPANY,
                    "authorization_endpoint": format!("{COMPANY}/auth"),
                    "token_endpoint": format!("{COMPANY}/token"),
                    "userinfo_endpoint": format!("{COMPANY}/me"),
                    "jwks_uri": format!("{COMPANY}/jwks"),
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    // It would take anything.
                    "id_token_signing_alg_values_supported": ["none", "HS256", "RS256", "EdDSA"],
                });
                (state.bend)(&mut document);
                document
            }
            "/jwks" => json!({"keys": [jwk(&key, state.kid)]}),
            "/token" => {
                let kid = state.kid;
                let Some(mut next) = state.next.clone() else { return Value::Null };
                if next.header["kid"] == "one" {
                    next.header["kid"] = kid.into();
                }
                let mut tokens = json!({"access_token": "access", "token_type": "Bearer"});
                if !next.no_token {
                    tokens["id_token"] = next.token(&key).into();
                }
                tokens
            }
            "/me" => state.next.as_ref().map_or(Value::Null, |next| next.info.clone()),
            other => panic!("nobody asks for {other}"),
        }
    }
}

impl Outgoing for Evil {
    fn send(&self, provider: &str, request: http::Request<Vec<u8>>) -> Answering {
        assert_eq!(provider, "company");
        let body = self.answer(request.uri().path()).to_string().into_bytes();
        let response =
            http::Response::builder().header("content-type", "application/json").body(body).unwrap();
        Box::pin(std::future::ready(Ok(response)))
    }
}

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn foreign() -> Ed25519KeyPair {
    pair(99)
}

fn jwk(key: &Ed25519KeyPair, kid: &str) -> Value {
    let x = BASE64URL_NOPAD.encode(key.public_key().as_ref());
    json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "use": "sig", "alg": "EdDSA"})
}
