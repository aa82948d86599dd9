//! Sign-in at other sites by OpenID Connect (ID-6): the code flow with PKCE, state and nonce.
//!
//! The protocol is `openidconnect`'s; what is ours stands around it: which endpoints are spoken to, when a discovery
//! document or a key is asked for again, which algorithms count, and that each sign-in ends in the browser, at the
//! provider and in the transaction in which it began. Requests go out through [`Outgoing`], which the caller brings.

mod claims;
mod farewell;
mod keys;
mod logout;
mod outgoing;
mod provider;
mod transaction;
mod types;

use std::sync::Arc;

use palisade_model::World;
use palisade_policy::Policy;
use palisade_policy::section::identify::Provider as Settings;

pub(crate) use claims::Claims;
pub use outgoing::{Answering, Offline, Outgoing, OutgoingError};
pub(crate) use provider::{Provider, printable};
pub(crate) use transaction::{LIFE, Sealer, Transaction};

use crate::keys::Roots;

/// Every provider of the policy.
pub(crate) struct Providers {
    all: Vec<Provider>,
    /// Seals what a sign-in that is under way leaves in the browser.
    pub(crate) sealer: Sealer,
}

impl Providers {
    pub(crate) fn new(policy: &Policy, outgoing: &Arc<dyn Outgoing>, roots: &Roots, world: &World) -> Self {
        let origin = &policy.app.base_url.origin;
        let one = |settings: &Settings| {
            Provider::new(
                settings.clone(),
                Arc::clone(outgoing),
                callback_of(origin, &settings.name),
                world.clone(),
            )
        };
        Self { all: policy.identify.providers.iter().map(one).collect(), sealer: Sealer::new(roots) }
    }

    pub(crate) fn of_issuer(&self, issuer: &str) -> Option<&Provider> {
        self.all.iter().find(|provider| provider.settings.issuer.text == issuer)
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Provider> {
        self.all.iter().find(|provider| provider.settings.name == name)
    }
}

/// The redirect URI that is registered at the provider: one for each, so that an answer of one is never taken for
/// another's (RFC 9700 section 4.4).
fn callback_of(origin: &str, name: &str) -> String {
    format!("{origin}/auth/callback/{name}")
}
