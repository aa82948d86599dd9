//! [`Access`]: the parts together. What it does stands in `service/`, one file for each matter.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use palisade_model::audit::Origin;
use palisade_model::id::UserId;
use palisade_model::world::NoEntropy;
use palisade_model::{Action, AuditEvent, Denial, Refusal, Timestamp, World};
use palisade_policy::Policy;
use palisade_store::{Store, StoreError, Subject, User};

use crate::csrf::Csrf;
use crate::factor::passkeys::Passkeys;
use crate::keys::{Roots, Sealer};
use crate::live::Live;
use crate::lockout::Lockouts;
use crate::oidc::Providers;
use crate::password::{HashingLoad, Passwords};
use crate::session::Sessions;
use crate::token::keyring::Keyring;
use crate::token::opaque_cache::OpaqueTokens;
use crate::token::refresh::Successors;
use crate::token::verified::Verified;

/// Who is asking and what they may do. Cheap to clone: clones share everything.
///
/// Caches are believed only while [`Access::run`] runs: without it, each request asks the store.
#[derive(Clone)]
pub struct Access(pub(crate) Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) policy: Arc<Policy>,
    pub(crate) store: Store,
    pub(crate) world: World,
    pub(crate) live: Live,
    pub(crate) passwords: Passwords,
    pub(crate) lockouts: Lockouts,
    pub(crate) passkeys: Passkeys,
    /// Seals the secrets of authenticator applications.
    pub(crate) factors: Sealer,
    pub(crate) sessions: Sessions,
    pub(crate) verified: Verified,
    pub(crate) keyring: ArcSwap<Keyring>,
    pub(crate) roots: Roots,
    pub(crate) sealer: Sealer,
    pub(crate) opaque: OpaqueTokens,
    pub(crate) successors: Successors,
    pub(crate) csrf: Csrf,
    pub(crate) providers: Providers,
    /// Seals letters.
    pub(crate) outbox: Sealer,
    /// A letter was queued.
    pub(crate) posted: tokio::sync::Notify,
    /// The last invalidation that was seen.
    pub(crate) cursor: std::sync::atomic::AtomicI64,
}

impl Access {
    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.0.policy
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.world.now()
    }

    /// The signing keys of this moment.
    pub(crate) fn keyring(&self) -> Guard<Arc<Keyring>> {
        self.0.keyring.load()
    }

    /// An id for a new user.
    pub(crate) fn new_user_id(&self) -> Result<UserId, NoEntropy> {
        UserId::generate(self.now(), &*self.0.world.entropy)
    }

    /// How much the pool that hashes passwords did and does.
    #[must_use]
    pub fn hashing_load(&self) -> HashingLoad {
        self.0.passwords.load()
    }

    /// Forgets what is cached of these, on this node and at once.
    pub(crate) fn revoke(&self, subjects: &[Subject]) {
        for subject in subjects {
            self.0.live.revoke(subject);
        }
    }

    /// Forgets everything that is cached of a user.
    pub(crate) fn revoke_user(&self, user: UserId) {
        self.revoke(&[Subject::User(user)]);
    }
}

/// An entry of the trail about something that `user` did or suffered.
pub(crate) fn entry(
    action: Action,
    entity_type: &'static str,
    entity_id: &impl ToString,
    user: &User,
    origin: &Origin,
) -> AuditEvent {
    let mut event = AuditEvent::new(action, entity_type, entity_id.to_string()).by(user.id).from(origin);
    event.email = Some(user.email.clone().unwrap_or_else(|| user.name.clone()));
    event.tenant.clone_from(&user.tenant);
    event
}

/// The store failed while somebody was being identified: closed.
#[expect(clippy::needless_pass_by_value, reason = "what map_err hands over")]
pub(crate) fn unknowable(error: StoreError) -> Refusal {
    Refusal::new(Denial::IdentityUnavailable, error.to_string())
}

/// The store failed while something was being changed: nothing was.
pub(crate) fn unchanged(error: StoreError) -> Refusal {
    match error {
        StoreError::Unavailable(_) => Refusal::new(Denial::StoreUnavailable, error.to_string()),
        StoreError::Gone => Refusal::new(Denial::CredentialInvalid, "the account is gone or disabled"),
        StoreError::LastWay => Refusal::new(Denial::LastWayIn, "nothing else lets them in"),
        StoreError::FactorNeeded => {
            Refusal::new(Denial::SecondFactorNeeded, "a second factor came meanwhile")
        }
        other => Refusal::new(Denial::Internal, other.to_string()),
    }
}

/// The refusal of a sign-in could not be recorded: no answer without its row.
#[expect(clippy::needless_pass_by_value, reason = "what map_err hands over")]
pub(crate) fn unrecorded(error: StoreError) -> Refusal {
    Refusal::new(Denial::AuditUnavailable, error.to_string())
}

/// No randomness: nothing secret can be made.
pub(crate) fn unrandom(error: NoEntropy) -> Refusal {
    Refusal::new(Denial::Internal, error.to_string())
}
