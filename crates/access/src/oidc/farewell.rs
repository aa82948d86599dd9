//! The way to the provider for whoever signs out (OpenID Connect RP-Initiated Logout 1.0).

use palisade_model::Timestamp;
use url::Url;

use super::provider::Provider;

/// A longer ID token makes an address that not every server takes: the provider then asks its user instead.
const LONGEST_HINT: usize = 4096;

impl Provider {
    /// The address there at which somebody signs out and comes back to `back`; `None` where the provider offers none, or
    /// cannot be asked. `hint` is the ID token that the session began with: it stands in that address and nowhere else.
    pub(crate) async fn way_out(
        &self,
        hint: Option<&str>,
        back: &str,
        state: &str,
        now: Timestamp,
    ) -> Option<String> {
        let metadata = self.metadata(now).await.ok()?;
        let mut url =
            Url::parse(metadata.additional_metadata().end_session_endpoint.as_ref()?.as_str()?).ok()?;
        let allowed = url.scheme() == "https" || (url.scheme() == "http" && !self.settings.issuer.secure);
        if !allowed || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let mut query = url.query_pairs_mut();
        query.append_pair("client_id", &self.settings.client_id);
        if let Some(hint) = hint.filter(|hint| hint.len() <= LONGEST_HINT) {
            query.append_pair("id_token_hint", hint);
        }
        query.append_pair("post_logout_redirect_uri", back).append_pair("state", state);
        drop(query);
        Some(url.into())
    }
}
