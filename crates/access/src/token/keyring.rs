//! All signing keys of a moment: read from the store as a whole, and replaced as a whole.

use palisade_model::{Refusal, RequestId, Timestamp, World};
use palisade_policy::section::identify::{Algorithm, Tokens};
use palisade_store::SigningKey;
use serde_json::{Value, json};

use super::assertion::Assertions;
use super::claims::{Holder, Named};
use super::keys::{Kind, Pair};
use super::ring::{Ring, Slot};
use super::signer::{Signer, header_of};
use crate::error::AccessError;
use crate::keys::{Roots, Sealer};
use crate::principal::Principal;

/// What a key is for. A key of one purpose never serves another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Access tokens.
    Tokens,
    /// The word to the application about who is asking.
    Assertion,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 2] = [Self::Tokens, Self::Assertion];

    /// Its name, in the store and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Assertion => "assertion",
        }
    }

    /// Which kind of key it takes by this policy; `None` where the policy itself gives the key.
    pub(crate) fn kind(self, tokens: &Tokens) -> Option<Kind> {
        match (self, tokens.algorithm) {
            (Self::Tokens, Algorithm::Hs256) => None,
            (Self::Tokens, Algorithm::Es256) => Some(Kind::P256),
            (Self::Tokens, Algorithm::EdDsa) | (Self::Assertion, _) => Some(Kind::Ed25519),
        }
    }
}

/// Under which name a key is sealed: in the place of another it does not open.
pub(crate) fn seal_name(key: &SigningKey) -> String {
    format!("signing {} {} {}", key.purpose, key.kind, key.id)
}

/// The private half of a kept key, and whether it should be sealed anew.
pub(crate) fn open(key: &SigningKey, sealer: &Sealer) -> Result<(Kind, Pair, bool), AccessError> {
    let damaged = || AccessError::Key { name: key.id.clone() };
    let kind = Kind::of(&key.kind).ok_or_else(damaged)?;
    let opened = sealer.open(&seal_name(key), &key.sealed)?;
    let pair = Pair::from_pkcs8(kind, &key.id, opened.secret)?;
    if pair.kid == key.id { Ok((kind, pair, opened.stale)) } else { Err(damaged()) }
}

/// All signing keys of a moment.
pub(crate) struct Keyring {
    tokens: Ring<Signer>,
    assertions: Ring<Assertions>,
}

impl Keyring {
    /// Of the kept keys, the one of each purpose that became active last first; or of the policy's secrets.
    pub(crate) fn new(
        kept: &[SigningKey],
        sealer: &Sealer,
        roots: &Roots,
        tokens: &Tokens,
    ) -> Result<Self, AccessError> {
        let slots = |purpose: Purpose| kept.iter().filter(move |key| key.purpose == purpose.name());
        let signers = match Purpose::Tokens.kind(tokens) {
            None => shared(roots, tokens)?,
            Some(wanted) => {
                let mut signers = Vec::new();
                for key in slots(Purpose::Tokens) {
                    let (kind, pair, _) = open(key, sealer)?;
                    let slot = slot(key, Signer::asymmetric(kind, &pair, tokens));
                    signers.push((kind != wanted, slot));
                }
                // Stable: within each kind the order stays. Keys of the policy's kind sign.
                signers.sort_by_key(|(other, _)| *other);
                signers.into_iter().map(|(_, slot)| slot).collect()
            }
        };
        let mut assertions = Vec::new();
        for key in slots(Purpose::Assertion) {
            let (_, pair, _) = open(key, sealer)?;
            assertions.push(slot(key, Assertions::new(&pair, &tokens.issuer)?));
        }
        Ok(Self { tokens: Ring::new(signers), assertions: Ring::new(assertions) })
    }

    /// An access token for `holder` from now on.
    ///
    /// # Errors
    /// `Internal` when there is no randomness or no key signs.
    pub(crate) fn issue(&self, holder: &Holder<'_>, world: &World) -> Result<String, Refusal> {
        let signer = self.tokens.signing(world.now());
        signer
            .ok_or_else(|| Refusal::new(palisade_model::Denial::Internal, "no key signs tokens"))?
            .issue(holder, world)
    }

    /// Whom an access token names, by the key that its header names. The reason for a refusal is for the log.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<Named, &'static str> {
        let kid = header_of(token)?.kid.ok_or("token names no key")?;
        let mut living = self.tokens.living(now);
        let slot = living.find(|slot| slot.key.kid() == kid).ok_or("token names another key")?;
        let named = slot.key.verify(token, now)?;
        let expires_at = slot.retired_at.map_or(named.expires_at, |at| at.min(named.expires_at));
        Ok(Named { expires_at, ..named })
    }

    /// The word to the application about who is asking; `None` when it cannot be signed.
    pub(crate) fn assertion(
        &self,
        principal: &Principal,
        method: &str,
        path: &str,
        request: &RequestId,
        now: Timestamp,
    ) -> Option<String> {
        self.assertions.signing(now)?.sign(principal, method, path, request, now)
    }

    /// The public halves of all keys that verify now or will (RFC 7517).
    pub(crate) fn published(&self, now: Timestamp) -> Value {
        let tokens = self.tokens.living(now).filter_map(|slot| slot.key.jwk());
        let assertions = self.assertions.living(now).map(|slot| slot.key.jwk());
        json!({ "keys": tokens.chain(assertions).collect::<Vec<_>>() })
    }
}

fn slot<T>(kept: &SigningKey, key: T) -> Slot<T> {
    Slot { key, active_from: kept.active_from, retired_at: kept.retired_at }
}

/// The least length of an HS256 secret, in bytes (RFC 7518 section 3.2).
const LEAST: usize = 32;

/// HS256: the policy's secret, then its former ones, which verify alone.
fn shared(roots: &Roots, tokens: &Tokens) -> Result<Vec<Slot<Signer>>, AccessError> {
    if tokens.secret.iter().chain(&tokens.previous_secrets).any(|secret| secret.expose().len() < LEAST) {
        return Err(AccessError::TokenSecretShort);
    }
    let given = tokens.secret.iter().chain(&tokens.previous_secrets);
    let mut signers: Vec<Slot<Signer>> =
        given.map(|secret| Slot::given(Signer::hs256(secret.expose().as_bytes(), tokens))).collect();
    if tokens.secret.is_none() {
        let derived = roots.derive_all("tokens");
        let derived = derived.iter().map(|key| Slot::given(Signer::hs256(key.expose(), tokens)));
        signers.splice(0..0, derived);
    }
    Ok(signers)
}
