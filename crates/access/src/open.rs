//! Opening: secrets, signing keys, imported users.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use arc_swap::ArcSwap;
use palisade_model::World;
use palisade_policy::Policy;
use palisade_store::Store;

use crate::access::{Access, Parts};
use crate::csrf::Csrf;
use crate::error::AccessError;
use crate::factor::passkeys::Passkeys;
use crate::keys::root;
use crate::live::Live;
use crate::lockout::Lockouts;
use crate::oidc::{Offline, Outgoing, Providers};
use crate::password::Passwords;
use crate::service::keys;
use crate::service::run::END;
use crate::session::Sessions;
use crate::token::keyring::Keyring;
use crate::token::opaque_cache::OpaqueTokens;
use crate::token::refresh::Successors;
use crate::token::verified::Verified;

impl Access {
    /// Reads or makes the secrets and keys, and imports the users of AUTH_USERS (ID-5).
    ///
    /// # Errors
    /// [`AccessError`] says which setting is missing or wrong, without showing it.
    pub async fn open(policy: Arc<Policy>, store: Store, world: World) -> Result<Self, AccessError> {
        Self::open_with(policy, store, world, Arc::new(Offline)).await
    }

    /// The same, with a way to the policy's sign-in providers. None of them is spoken to before somebody wants in.
    ///
    /// # Errors
    /// As [`Access::open`], which speaks to nobody.
    pub async fn open_with(
        policy: Arc<Policy>,
        store: Store,
        world: World,
        outgoing: Arc<dyn Outgoing>,
    ) -> Result<Self, AccessError> {
        let roots = root::roots(&policy, &world)?;
        let sealer = roots.sealer("seal");
        // Before anything can be cached: what was revoked earlier cannot be in an empty cache.
        let cursor = store.invalidations_after(END).await?.0;
        let kept = keys::kept(&policy.identify.tokens, &sealer, &store, &world).await;
        let kept = kept.map_err(|error| root::explain(error, &policy))?;
        let keyring = Keyring::new(&kept, &sealer, &roots, &policy.identify.tokens)?;
        let access = Self(Arc::new(Parts {
            live: Live::new(),
            passwords: Passwords::new(&policy, roots.derive("nobody"), world.clone())?,
            lockouts: Lockouts::new(&roots, &policy.identify.lockout),
            passkeys: Passkeys::new(&policy),
            factors: roots.sealer("factors"),
            sessions: Sessions::new(policy.identify.sessions.idle),
            verified: Verified::new(),
            opaque: OpaqueTokens::new(),
            outbox: roots.sealer("outbox"),
            posted: tokio::sync::Notify::new(),
            successors: Successors::new(&roots),
            csrf: Csrf::new(&roots),
            providers: Providers::new(&policy, &outgoing, &roots, &world),
            keyring: ArcSwap::from_pointee(keyring),
            roots,
            sealer,
            cursor: AtomicI64::new(cursor),
            policy,
            store,
            world,
        }));
        access.import_users().await?;
        Ok(access)
    }
}
