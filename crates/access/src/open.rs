//! Opening: secrets, signing keys, imported users.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use palisade_model::World;
use palisade_policy::Policy;
use palisade_policy::section::identify::Algorithm;
use palisade_store::Store;
use serde_json::{Value, json};

use crate::access::{Access, Parts};
use crate::csrf::Csrf;
use crate::error::AccessError;
use crate::keys::{Key, Root, root};
use crate::live::Live;
use crate::password::Passwords;
use crate::service::run::END;
use crate::session::Sessions;
use crate::token::assertion::Assertions;
use crate::token::keys::{Kind, Pair};
use crate::token::refresh::Successors;
use crate::token::signer::Signer;
use crate::token::verified::Verified;

/// The least length of an HS256 secret, in bytes (RFC 7518 section 3.2).
const LEAST: usize = 32;

impl Access {
    /// Reads or makes the secrets and keys, and imports the users of AUTH_USERS (ID-5).
    ///
    /// # Errors
    /// [`AccessError`] says which setting is missing or wrong, without showing it.
    pub async fn open(policy: Arc<Policy>, store: Store, world: World) -> Result<Self, AccessError> {
        let root = root::root(&policy, &world)?;
        let sealing = root.derive("seal");
        let (signer, published) = signer(&policy, &root, &sealing, &store, &world).await?;
        let pair = Pair::kept(Kind::Ed25519, "assertion.ed25519", &sealing, &store, &world).await?;
        let assertions = Assertions::new(&pair, &policy.identify.tokens.issuer)?;
        let keys: Vec<Value> = published.into_iter().chain([assertions.jwk().clone()]).collect();
        // Before anything can be cached: what was revoked earlier cannot be in an empty cache.
        let cursor = store.invalidations_after(END).await?.0;
        let access = Self(Arc::new(Parts {
            live: Live::new(),
            passwords: Passwords::new(&policy, root.derive("nobody"), world.clone())?,
            sessions: Sessions::new(policy.identify.sessions.idle),
            verified: Verified::new(),
            signer,
            successors: Successors::new(root.derive("refresh")),
            csrf: Csrf::new(root.derive("csrf")),
            assertions,
            outbox: root.derive("outbox"),
            posted: tokio::sync::Notify::new(),
            jwks: json!({ "keys": keys }),
            cursor: AtomicI64::new(cursor),
            policy,
            store,
            world,
        }));
        access.import_users().await?;
        Ok(access)
    }

    /// The public halves of all signing keys (RFC 7517), for /.well-known/jwks.json. A shared secret is
    /// never among them.
    #[must_use]
    pub fn jwks(&self) -> &Value {
        &self.0.jwks
    }
}

async fn signer(
    policy: &Policy,
    root: &Root,
    sealing: &Key,
    store: &Store,
    world: &World,
) -> Result<(Signer, Option<Value>), AccessError> {
    let tokens = &policy.identify.tokens;
    let (kind, name) = match tokens.algorithm {
        Algorithm::Hs256 => {
            let signer = match &tokens.secret {
                Some(secret) if secret.expose().len() < LEAST => return Err(AccessError::TokenSecretShort),
                Some(secret) => Signer::hs256(secret.expose().as_bytes(), tokens),
                None => Signer::hs256(root.derive("tokens").expose(), tokens),
            };
            return Ok((signer, None));
        }
        Algorithm::EdDsa => (Kind::Ed25519, "tokens.ed25519"),
        Algorithm::Es256 => (Kind::P256, "tokens.p256"),
    };
    let pair = Pair::kept(kind, name, sealing, store, world).await?;
    Ok((Signer::asymmetric(kind, &pair, tokens), Some(pair.jwk)))
}
