//! One provider: what it says of itself, asked for when it is needed and kept for a while.

use std::sync::Arc;
use std::time::Duration;

use openidconnect::core::{CoreClientAuthMethod, CoreJsonWebKeySet};
use openidconnect::{
    AsyncHttpClient, AuthType, ClientId, ClientSecret, HttpRequest, IssuerUrl, JsonWebKeySet, RedirectUrl,
};
use palisade_model::{Denial, Refusal, Timestamp, World};
use palisade_policy::section::identify::Provider as Settings;
use parking_lot::RwLock;

use super::keys::sound;
use super::outgoing::{Answering, Outgoing, OutgoingError};
use super::types::{Metadata, Relying};

/// A discovery document is asked for again after so long.
const FRESH: Duration = Duration::from_secs(3600);

/// While the provider cannot be asked, what it said last counts for so long.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// After a failure nobody asks for so long: a provider that hangs keeps one visitor waiting, not all.
const PAUSE: Duration = Duration::from_secs(5);

/// A key that is not known makes the keys be asked for again, this often at most: anybody can send one.
const KEYS_PAUSE: Duration = Duration::from_secs(60);

/// What is known of the provider.
#[derive(Clone, Default)]
struct Known {
    metadata: Option<(Arc<Metadata>, Timestamp)>,
    failed_at: Option<Timestamp>,
    keys_asked_at: Option<Timestamp>,
}

/// One provider.
pub(crate) struct Provider {
    pub(crate) settings: Settings,
    outgoing: Arc<dyn Outgoing>,
    callback: String,
    world: World,
    known: RwLock<Known>,
    /// Whoever holds it asks the provider; all others wait for the answer.
    asking: tokio::sync::Mutex<()>,
}

/// The library's way to send: through [`Outgoing`].
pub(super) struct Sender<'p>(&'p Provider);

impl<'c> AsyncHttpClient<'c> for Sender<'_> {
    type Error = OutgoingError;
    type Future = Answering;

    fn call(&'c self, request: HttpRequest) -> Answering {
        // Here, since the library follows a document to its keys before anybody can judge it.
        if self.0.settings.issuer.secure && request.uri().scheme() != Some(&http::uri::Scheme::HTTPS) {
            return Box::pin(std::future::ready(Err(OutgoingError::Plain)));
        }
        self.0.outgoing.send(&self.0.settings.name, request)
    }
}

impl Provider {
    pub(super) fn new(
        settings: Settings,
        outgoing: Arc<dyn Outgoing>,
        callback: String,
        world: World,
    ) -> Self {
        Self {
            settings,
            outgoing,
            callback,
            world,
            known: RwLock::default(),
            asking: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn sender(&self) -> Sender<'_> {
        Sender(self)
    }

    /// Where the provider sends people back to.
    pub(crate) fn callback(&self) -> &str {
        &self.callback
    }

    /// What the provider says of itself.
    ///
    /// # Errors
    /// [`Denial::ProviderUnavailable`] when it does not say it, or says what cannot be.
    pub(super) async fn metadata(&self, now: Timestamp) -> Result<Arc<Metadata>, Refusal> {
        let (usable, fresh) = self.usable(now);
        if let (Some(metadata), true) = (&usable, fresh) {
            return Ok(Arc::clone(metadata));
        }
        let _turn = match (usable, self.asking.try_lock()) {
            // Somebody asks already, and what is known is good enough meanwhile.
            (Some(metadata), Err(_)) => return Ok(metadata),
            (_, Ok(turn)) => turn,
            (None, Err(_)) => self.asking.lock().await,
        };
        let (usable, fresh) = self.usable(now);
        if let (Some(metadata), true) = (&usable, fresh) {
            return Ok(Arc::clone(metadata));
        }
        let paused = self.known.read().failed_at.is_some_and(|at| now.since(at) < PAUSE);
        let asked = if paused { Err("it failed a moment ago".to_owned()) } else { self.discover(now).await };
        match (asked, usable) {
            (Ok(metadata), _) | (Err(_), Some(metadata)) => Ok(metadata),
            (Err(why), None) => Err(unavailable(format!("discovery of {}: {why}", self.settings.name))),
        }
    }

    /// What is known and may be used, and whether it need not be asked for again.
    fn usable(&self, now: Timestamp) -> (Option<Arc<Metadata>>, bool) {
        let known = self.known.read();
        let Some((metadata, at)) = &known.metadata else { return (None, false) };
        let age = now.since(*at);
        ((age < STALE).then(|| Arc::clone(metadata)), age < FRESH)
    }

    async fn discover(&self, now: Timestamp) -> Result<Arc<Metadata>, String> {
        let found = async {
            let issuer =
                IssuerUrl::new(self.settings.issuer.text.clone()).map_err(|error| error.to_string())?;
            let sender = self.sender();
            // Boxed: the library's futures are large. Its errors can hold whole answers, hence their summary alone.
            let metadata =
                Box::pin(Metadata::discover_async(issuer, &sender)).await.map_err(|error| said(&error))?;
            self.judge(&metadata)?;
            let keys = sound(metadata.jwks());
            Ok(Arc::new(metadata.set_jwks(keys)))
        };
        let found: Result<Arc<Metadata>, String> = found.await;
        let mut known = self.known.write();
        match &found {
            Ok(metadata) => {
                known.metadata = Some((Arc::clone(metadata), now));
                known.failed_at = None;
            }
            // Not when it was begun: one that hangs fails late.
            Err(_) => known.failed_at = Some(self.world.now()),
        }
        found
    }

    /// Nothing of a sign-in crosses a network in the clear, whatever a document says.
    fn judge(&self, metadata: &Metadata) -> Result<(), String> {
        if !self.settings.issuer.secure {
            return Ok(());
        }
        let token = metadata.token_endpoint().map(|endpoint| endpoint.url().scheme());
        let info = metadata.userinfo_endpoint().map(|endpoint| endpoint.url().scheme());
        let always = [metadata.authorization_endpoint().url().scheme(), metadata.jwks_uri().url().scheme()];
        if always.into_iter().chain(token).chain(info).any(|scheme| scheme != "https") {
            return Err("an endpoint is not https".to_owned());
        }
        Ok(())
    }

    /// The keys, asked for again because one was missing; `None` when that was done a moment ago or does not work.
    pub(super) async fn newer_keys(&self, now: Timestamp) -> Option<Arc<Metadata>> {
        let _turn = self.asking.lock().await;
        let (metadata, at) = {
            let mut known = self.known.write();
            if known.keys_asked_at.is_some_and(|at| now.since(at) < KEYS_PAUSE) {
                // Perhaps by whoever held the turn before.
                return known.metadata.as_ref().map(|(metadata, _)| Arc::clone(metadata));
            }
            known.keys_asked_at = Some(now);
            known.metadata.clone()?
        };
        let sender = self.sender();
        let asked = Box::pin(JsonWebKeySet::fetch_async(metadata.jwks_uri(), &sender)).await;
        let keys: CoreJsonWebKeySet = asked
            .map_err(
                |error| tracing::warn!(provider = %self.settings.name, why = %said(&error), "no new keys"),
            )
            .ok()?;
        let newer = Arc::new(Metadata::clone(&metadata).set_jwks(sound(&keys)));
        self.known.write().metadata = Some((Arc::clone(&newer), at));
        Some(newer)
    }

    /// This site as its client.
    pub(super) fn relying(&self, metadata: &Metadata) -> Result<Relying, Refusal> {
        let callback = RedirectUrl::new(self.callback.clone())
            .map_err(|_| Refusal::new(Denial::Internal, "app.base_url makes no redirect URI"))?;
        let secret =
            self.settings.client_secret.as_ref().map(|secret| ClientSecret::new(secret.expose().to_owned()));
        let by_body = metadata.token_endpoint_auth_methods_supported().is_some_and(|methods| {
            !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
                && methods.contains(&CoreClientAuthMethod::ClientSecretPost)
        });
        let auth = if by_body { AuthType::RequestBody } else { AuthType::BasicAuth };
        let id = ClientId::new(self.settings.client_id.clone());
        Ok(Relying::from_provider_metadata(metadata.clone(), id, secret)
            .set_redirect_uri(callback)
            .set_auth_type(auth))
    }
}

/// The provider is to blame, or the way to it.
pub(super) fn unavailable(why: impl Into<String>) -> Refusal {
    Refusal::new(Denial::ProviderUnavailable, why.into())
}

/// What went wrong, without what the provider sent.
pub(super) fn said(error: &(dyn std::error::Error + 'static)) -> String {
    let innermost = std::iter::successors(Some(error), |error| error.source()).last();
    let text = innermost.map_or_else(|| error.to_string(), ToString::to_string);
    text.chars().filter(|c| !c.is_control()).take(160).collect()
}

/// A text of the provider's in a form that can stand in a log: it is nobody we trust.
pub(crate) fn printable(text: &str) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
    text.chars().filter(fits).take(64).collect()
}
