//! Access tokens: made and verified with one key, whose algorithm the policy fixed (RFC 8725 section 3.1).

use std::time::Duration;

use data_encoding::HEXLOWER;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use palisade_model::digest::hmac_sha256;
use palisade_model::{Denial, Refusal, Timestamp, World, id};
use palisade_policy::section::identify::Tokens;
use serde_json::Value;

use super::claims::{Claims, Holder, Named, TYP};
use super::keys::{Kind, Pair};

/// Longer than any token that is made here.
const LONGEST: usize = 4096;

/// Makes and verifies access tokens.
pub(crate) struct Signer {
    algorithm: Algorithm,
    encoding: EncodingKey,
    decoding: DecodingKey,
    kid: String,
    jwk: Option<Value>,
    issuer: String,
    audience: String,
    life: Duration,
}

impl Signer {
    /// With a shared secret, of 32 bytes or more.
    pub(crate) fn hs256(secret: &[u8], tokens: &Tokens) -> Self {
        // Names the key without telling anything of it.
        let kid = hmac_sha256(secret, &[b"palisade kid"]);
        Self::new(
            Algorithm::HS256,
            EncodingKey::from_secret(secret),
            DecodingKey::from_secret(secret),
            HEXLOWER.encode(kid.get(..8).unwrap_or_default()),
            tokens,
        )
    }

    /// With a key pair.
    pub(crate) fn asymmetric(kind: Kind, pair: &Pair, tokens: &Tokens) -> Self {
        let (algorithm, encoding, decoding) = match kind {
            Kind::Ed25519 => (
                Algorithm::EdDSA,
                EncodingKey::from_ed_der(&pair.pkcs8),
                DecodingKey::from_ed_der(&pair.public),
            ),
            Kind::P256 => (
                Algorithm::ES256,
                EncodingKey::from_ec_der(&pair.pkcs8),
                DecodingKey::from_ec_der(&pair.public),
            ),
        };
        let signer = Self::new(algorithm, encoding, decoding, pair.kid.clone(), tokens);
        Self { jwk: Some(pair.jwk.clone()), ..signer }
    }

    fn new(
        algorithm: Algorithm,
        encoding: EncodingKey,
        decoding: DecodingKey,
        kid: String,
        tokens: &Tokens,
    ) -> Self {
        Self {
            algorithm,
            encoding,
            decoding,
            kid,
            jwk: None,
            issuer: tokens.issuer.clone(),
            audience: tokens.audience.clone(),
            life: tokens.access,
        }
    }

    /// What the header of its tokens calls it.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half; `None` for a shared secret.
    pub(crate) fn jwk(&self) -> Option<&Value> {
        self.jwk.as_ref()
    }

    /// A token for `holder` from now on.
    ///
    /// # Errors
    /// [`Denial::Internal`] when there is no randomness or the key does not sign.
    pub(crate) fn issue(&self, holder: &Holder<'_>, world: &World) -> Result<String, Refusal> {
        let internal = |why: String| Refusal::new(Denial::Internal, why);
        let now = world.now();
        let jti = id::uuid_v7(now, &*world.entropy).map_err(|error| internal(error.to_string()))?;
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: holder.user.to_string(),
            exp: now.plus(self.life).as_secs(),
            nbf: now.as_secs(),
            iat: now.as_secs(),
            jti: jti.to_string(),
            sid: holder.family.to_string(),
            tenant: holder.tenant.map(ToString::to_string),
            roles: holder.roles.to_vec(),
        };
        self.sign(&claims).map_err(|error| internal(format!("signing: {error}")))
    }

    fn sign(&self, claims: &Claims) -> Result<String, jsonwebtoken::errors::Error> {
        jsonwebtoken::encode(&self.header(), claims, &self.encoding)
    }

    fn header(&self) -> Header {
        Header { typ: Some(TYP.to_owned()), kid: Some(self.kid.clone()), ..Header::new(self.algorithm) }
    }

    /// Whom a token names. The reason for a refusal is for the log.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<Named, &'static str> {
        self.judge_header(&header_of(token)?)?;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.signature_only())
            .map_err(|_| "token is forged or malformed")?
            .claims;
        claims.judge(&self.issuer, &self.audience, now)
    }

    /// The header has to be exactly of our making: it chooses nothing.
    fn judge_header(&self, header: &Header) -> Result<(), &'static str> {
        if header.alg != self.algorithm {
            return Err("token has another algorithm than its key");
        }
        if header.typ.as_deref() != Some(TYP) {
            return Err("token is of another type");
        }
        if header.kid.as_deref() != Some(self.kid.as_str()) {
            return Err("token names another key");
        }
        if *header == self.header() { Ok(()) } else { Err("token's header has fields that are not ours") }
    }

    /// The library checks the signature with our algorithm alone; the claims are judged by [`Claims`],
    /// against our own clock.
    fn signature_only(&self) -> Validation {
        let mut validation = Validation::new(self.algorithm);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation
    }
}

/// The header of a token, before anything of it is believed.
pub(super) fn header_of(token: &str) -> Result<Header, &'static str> {
    if token.len() > LONGEST {
        return Err("token is too long");
    }
    jsonwebtoken::decode_header(token).map_err(|_| "token does not parse")
}

#[cfg(test)]
#[path = "signer_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "signer_vectors.rs"]
mod vectors;
