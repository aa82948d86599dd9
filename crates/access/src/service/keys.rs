//! Signing keys: made, rotated with overlap, retired (ID-11).

use std::time::Duration;

use palisade_model::audit::Origin;
use palisade_model::id::UserId;
use palisade_model::{Action, AuditEvent, Denial, Refusal, Timestamp, World};
use palisade_policy::section::identify::Tokens;
use palisade_store::{SigningKey, Store, StoreError};
use serde_json::Value;

use crate::access::{Access, unchanged, unknowable};
use crate::error::AccessError;
use crate::keys::Sealer;
use crate::token::keyring::{self, Keyring, Purpose};
use crate::token::keys::{Kind, Pair, generate};

/// How a key gives way to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The new key is published first and signs later (`identify.tokens.publish_ahead`); what the former ones signed
    /// is accepted for so long after that.
    Overlap(Duration),
    /// For a key that has leaked: the new one signs at once, and what the former ones signed is refused at once.
    AtOnce,
}

impl Access {
    /// The public halves of all signing keys that verify now or will (RFC 7517), for /.well-known/jwks.json. A
    /// shared secret is never among them.
    #[must_use]
    pub fn jwks(&self) -> Value {
        self.keyring().published(self.now())
    }

    /// All signing keys that are kept, of each purpose the one that became active last first.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>, Refusal> {
        self.store().signing_keys().await.map_err(unknowable)
    }

    /// Makes a new key of this purpose and ends the former ones. Every node knows it within a second.
    ///
    /// # Errors
    /// `InvalidInput` with the field `purpose` where the policy itself gives the key, and with the field `overlap`
    /// where tokens would die before their time; the store's failures.
    pub async fn rotate_key(
        &self,
        purpose: Purpose,
        turn: Turn,
        by: Option<UserId>,
        origin: &Origin,
    ) -> Result<SigningKey, Refusal> {
        let tokens = &self.policy().identify.tokens;
        let Some(kind) = purpose.kind(tokens) else {
            let message = "Tokens are signed by HS256 with a secret of yours: give it another one, and put the former \
                           one into identify.tokens.previous_secrets.";
            return Err(Refusal::field("purpose", message));
        };
        let now = self.now();
        let (active_from, others_end) = match turn {
            Turn::AtOnce => (now, now),
            Turn::Overlap(overlap) if purpose == Purpose::Tokens && overlap < tokens.access => {
                return Err(Refusal::field("overlap", "Choose at least the life of an access token."));
            }
            Turn::Overlap(overlap) => {
                let from = now.plus(tokens.publish_ahead);
                (from, from.plus(overlap))
            }
        };
        let key = make(purpose, kind, active_from, &self.0.sealer, &self.0.world).map_err(unmade)?;
        let row = about(Action::KeyRotated, &key, by, origin)
            .change("active_from", Value::Null, key.active_from.to_string())
            .change("former_end", Value::Null, others_end.to_string());
        self.store().rotate_signing_key(&key, others_end, vec![row]).await.map_err(unchanged)?;
        self.renew_keys().await?;
        Ok(key)
    }

    /// Ends a key at once. `false` when there is no such key, it has ended already, or no other signs in its place.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn retire_key(&self, id: &str, by: Option<UserId>, origin: &Origin) -> Result<bool, Refusal> {
        let mut row = AuditEvent::new(Action::KeyRetired, "signing_key", id).from(origin);
        row.user = by;
        let retired = self.store().retire_signing_key(id, self.now(), vec![row]).await.map_err(unchanged)?;
        if retired {
            self.renew_keys().await?;
        }
        Ok(retired)
    }

    /// Takes the keys from the store. Keys that cannot be opened change nothing: the present ones go on.
    pub(crate) async fn reload_keys(&self) -> Result<(), StoreError> {
        let kept = self.store().signing_keys().await?;
        let parts = &*self.0;
        match Keyring::new(&kept, &parts.sealer, &parts.roots, &self.policy().identify.tokens) {
            Ok(keyring) => parts.keyring.store(std::sync::Arc::new(keyring)),
            Err(error) => tracing::error!(%error, "new signing keys cannot be used: the present ones go on"),
        }
        Ok(())
    }

    /// The same after a change of our own; what retired keys verified is forgotten.
    async fn renew_keys(&self) -> Result<(), Refusal> {
        self.reload_keys().await.map_err(unknowable)?;
        self.0.live.revoke_all();
        Ok(())
    }
}

/// The kept keys at the start: made where there are none, sealed anew where a former root had sealed them.
pub(crate) async fn kept(
    tokens: &Tokens,
    sealer: &Sealer,
    store: &Store,
    world: &World,
) -> Result<Vec<SigningKey>, AccessError> {
    let known = store.signing_keys().await?;
    for purpose in Purpose::ALL {
        let Some(kind) = purpose.kind(tokens) else { continue };
        let open_ended = |key: &SigningKey| {
            key.purpose == purpose.name() && key.kind == kind.name() && key.retired_at.is_none()
        };
        if !known.iter().any(open_ended) {
            let now = world.now();
            let key = match adopted(purpose, kind, sealer, store, world).await? {
                Some(key) => key,
                None => make(purpose, kind, now, sealer, world)?,
            };
            let row = about(Action::KeyMade, &key, None, &Origin::default());
            // Whoever changes the algorithm loses nobody's tokens.
            store.first_signing_key(&key, now.plus(tokens.access), vec![row]).await?;
        }
    }
    for key in &known {
        let (_, pair, stale) = keyring::open(key, sealer)?;
        if stale {
            let sealed = sealer.seal(&keyring::seal_name(key), &pair.pkcs8, world)?;
            store.reseal_signing_key(&key.id, &key.sealed, &sealed).await?;
        }
    }
    Ok(store.signing_keys().await?)
}

/// The key that an earlier version kept for this.
async fn adopted(
    purpose: Purpose,
    kind: Kind,
    sealer: &Sealer,
    store: &Store,
    world: &World,
) -> Result<Option<SigningKey>, AccessError> {
    let name = format!("{}.{}", purpose.name(), kind.name());
    let Some(sealed) = store.kept_secret(&name).await? else { return Ok(None) };
    let pair = Pair::from_pkcs8(kind, &name, sealer.open(&name, &sealed)?.secret)?;
    sealed_as(&pair, purpose, kind, world.now(), sealer, world).map(Some)
}

fn make(
    purpose: Purpose,
    kind: Kind,
    active_from: Timestamp,
    sealer: &Sealer,
    world: &World,
) -> Result<SigningKey, AccessError> {
    let name = purpose.name();
    let pair = Pair::from_pkcs8(kind, name, generate(kind, name, world)?)?;
    sealed_as(&pair, purpose, kind, active_from, sealer, world)
}

fn sealed_as(
    pair: &Pair,
    purpose: Purpose,
    kind: Kind,
    active_from: Timestamp,
    sealer: &Sealer,
    world: &World,
) -> Result<SigningKey, AccessError> {
    let mut key = SigningKey {
        id: pair.kid.clone(),
        purpose: purpose.name().to_owned(),
        kind: kind.name().to_owned(),
        sealed: Vec::new(),
        created_at: world.now(),
        active_from,
        retired_at: None,
    };
    key.sealed = sealer.seal(&keyring::seal_name(&key), &pair.pkcs8, world)?;
    Ok(key)
}

fn about(action: Action, key: &SigningKey, by: Option<UserId>, origin: &Origin) -> AuditEvent {
    let mut row = AuditEvent::new(action, "signing_key", key.id.clone()).from(origin);
    row.user = by;
    row.change("purpose", Value::Null, key.purpose.clone())
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err hands over")]
fn unmade(error: AccessError) -> Refusal {
    Refusal::new(Denial::Internal, error.to_string())
}
