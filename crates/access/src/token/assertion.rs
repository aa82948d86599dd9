//! The signed word to the upstream about who is asking (ACC-6).
//!
//! Bound to one method, path and request id, and valid for a minute: what one request carried is of no use
//! to another. Its key and `typ` are its own, so that it never passes for an access token, nor the reverse.

use std::time::Duration;

use aws_lc_rs::signature::Ed25519KeyPair;
use data_encoding::BASE64URL_NOPAD;
use palisade_model::{RequestId, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use super::keys::Pair;
use crate::error::AccessError;
use crate::principal::Principal;

/// How long an upstream may take it for true.
const LIFE: Duration = Duration::from_secs(60);

/// The header's `typ`.
const TYP: &str = "palisade-assertion+jwt";

/// The only audience.
const AUDIENCE: &str = "upstream";

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'static str,
    sub: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    /// As OpenID Connect has it; `true` wherever there is an address, since no other is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    roles: &'a [String],
    method: &'a str,
    path: &'a str,
}

/// Signs assertions. The key is parsed once and the header encoded once: an assertion costs one Ed25519
/// signature and a few allocations.
pub(crate) struct Assertions {
    pair: Ed25519KeyPair,
    header: String,
    jwk: Value,
    issuer: String,
}

impl Assertions {
    pub(crate) fn new(pair: &Pair, issuer: &str) -> Result<Self, AccessError> {
        let header = json!({"typ": TYP, "alg": "EdDSA", "kid": pair.kid}).to_string();
        let signing = Ed25519KeyPair::from_pkcs8(&pair.pkcs8)
            .map_err(|_| AccessError::Key { name: "assertion".into() })?;
        Ok(Self {
            pair: signing,
            header: BASE64URL_NOPAD.encode(header.as_bytes()),
            jwk: pair.jwk.clone(),
            issuer: issuer.to_owned(),
        })
    }

    /// The public half.
    pub(crate) fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// The assertion; `path` as the upstream gets it, with its query. `None` when signing fails: then the
    /// upstream gets no assertion, and must refuse.
    pub(crate) fn sign(
        &self,
        principal: &Principal,
        method: &str,
        path: &str,
        request: &RequestId,
        now: Timestamp,
    ) -> Option<String> {
        let sub = principal.user().to_string();
        let claims = Claims {
            iss: &self.issuer,
            aud: AUDIENCE,
            sub: &sub,
            iat: now.as_secs(),
            nbf: now.as_secs(),
            exp: now.plus(LIFE).as_secs(),
            jti: request.as_str(),
            name: principal.name(),
            email: principal.confirmed_email(),
            email_verified: principal.confirmed_email().map(|_| true),
            tenant: principal.tenant().map(|tenant| tenant.as_str()),
            roles: principal.role_names(),
            method,
            path,
        };
        let body = serde_json::to_vec(&claims).ok()?;
        let mut token = String::with_capacity(self.header.len() + body.len() * 4 / 3 + 96);
        token.push_str(&self.header);
        token.push('.');
        BASE64URL_NOPAD.encode_append(&body, &mut token);
        let signature = self.pair.try_sign(token.as_bytes()).ok()?;
        token.push('.');
        BASE64URL_NOPAD.encode_append(signature.as_ref(), &mut token);
        Some(token)
    }
}
