//! Passkeys (WebAuthn level 3), by webauthn-rs. What its ceremonies remember between their two halves stays with us.
//!
//! A passkey has to know its holder each time (user verification): it is two factors in one, and may stand alone.

use palisade_model::{Denial, Refusal};
use palisade_policy::Policy;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;
use uuid::Uuid;
use webauthn_rs::prelude::{
    AuthenticationResult, DiscoverableAuthentication, Passkey, PasskeyAuthentication, PasskeyRegistration,
    PublicKeyCredential, RegisterPublicKeyCredential, WebauthnError,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

/// Why a passkey was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Forged, for another site or another challenge, or broken.
    Wrong,
    /// Its counter went back: there may be a copy of it.
    Copied,
}

impl From<WebauthnError> for Doubt {
    fn from(error: WebauthnError) -> Self {
        match error {
            WebauthnError::CredentialPossibleCompromise => Self::Copied,
            _ => Self::Wrong,
        }
    }
}

/// What believes passkeys; it is not there where browsers have none: on plain http, and at an IP address.
pub(crate) struct Passkeys(Option<Webauthn>);

/// What the server remembers of a ceremony, and what the browser is asked.
pub(crate) struct Begun {
    /// To be kept until the answer comes.
    pub(crate) state: Vec<u8>,
    /// For `navigator.credentials`.
    pub(crate) options: Value,
}

impl Passkeys {
    pub(crate) fn new(policy: &Policy) -> Self {
        let base = &policy.app.base_url;
        let url = Url::parse(&base.origin).ok();
        let known = url.as_ref().and_then(|url| Some((url, url.domain()?)));
        let known =
            known.filter(|(_, host)| base.secure || *host == "localhost" || host.ends_with(".localhost"));
        Self(known.and_then(|(url, host)| {
            WebauthnBuilder::new(host, url).ok()?.rp_name(&policy.app.name).build().ok()
        }))
    }

    /// Whether there can be any on this site.
    pub(crate) fn possible(&self) -> bool {
        self.0.is_some()
    }

    fn site(&self) -> Result<&Webauthn, Refusal> {
        self.0.as_ref().ok_or_else(|| Refusal::new(Denial::RouteUnknown, "no passkeys on this site"))
    }

    /// Asks for a new passkey, on no authenticator that has one of `present`.
    pub(crate) fn register(&self, user: Uuid, name: &str, present: &[Passkey]) -> Result<Begun, Refusal> {
        let present = present.iter().map(|passkey| passkey.cred_id().clone()).collect();
        let (options, state) =
            self.site()?.start_passkey_registration(user, name, name, Some(present)).map_err(broken)?;
        let mut options = to_value(&options)?;
        // Kept by the authenticator, it can be offered by the browser before anybody has typed a name.
        if let Some(wish) =
            options.pointer_mut("/publicKey/authenticatorSelection").and_then(Value::as_object_mut)
        {
            wish.insert("residentKey".into(), "required".into());
            wish.insert("requireResidentKey".into(), true.into());
        }
        Ok(Begun { state: to_bytes(&state)?, options })
    }

    /// The passkey that was made.
    pub(crate) fn registered(
        &self,
        state: &[u8],
        credential: &str,
    ) -> Result<Result<Passkey, Doubt>, Refusal> {
        let state: PasskeyRegistration = from_bytes(state)?;
        let Ok(credential) = serde_json::from_str::<RegisterPublicKeyCredential>(credential) else {
            return Ok(Err(Doubt::Wrong));
        };
        Ok(self.site()?.finish_passkey_registration(&credential, &state).map_err(Doubt::from))
    }

    /// Asks for one of these.
    pub(crate) fn ask(&self, of: &[Passkey]) -> Result<Begun, Refusal> {
        let (options, state) = self.site()?.start_passkey_authentication(of).map_err(broken)?;
        Ok(Begun { state: to_bytes(&state)?, options: to_value(&options)? })
    }

    /// Which of those that were asked for was shown.
    pub(crate) fn shown(
        &self,
        state: &[u8],
        credential: &str,
    ) -> Result<Result<AuthenticationResult, Doubt>, Refusal> {
        let state: PasskeyAuthentication = from_bytes(state)?;
        let Ok(credential) = serde_json::from_str::<PublicKeyCredential>(credential) else {
            return Ok(Err(Doubt::Wrong));
        };
        Ok(self.site()?.finish_passkey_authentication(&credential, &state).map_err(Doubt::from))
    }

    /// Asks for any passkey of this site.
    pub(crate) fn ask_anybody(&self) -> Result<Begun, Refusal> {
        let (options, state) = self.site()?.start_discoverable_authentication().map_err(broken)?;
        Ok(Begun { state: to_bytes(&state)?, options: to_value(&options)? })
    }

    /// Whose passkey claims to be shown, and which. Nothing is verified yet.
    pub(crate) fn claimed(&self, credential: &str) -> Option<(Uuid, Vec<u8>)> {
        let credential: PublicKeyCredential = serde_json::from_str(credential).ok()?;
        let (user, id) = self.0.as_ref()?.identify_discoverable_authentication(&credential).ok()?;
        Some((user, id.to_vec()))
    }

    /// Whether whoever was asked for any passkey showed this one.
    pub(crate) fn discovered(
        &self,
        state: &[u8],
        credential: &str,
        passkey: &Passkey,
    ) -> Result<Result<AuthenticationResult, Doubt>, Refusal> {
        let state: DiscoverableAuthentication = from_bytes(state)?;
        let Ok(credential) = serde_json::from_str::<PublicKeyCredential>(credential) else {
            return Ok(Err(Doubt::Wrong));
        };
        let shown = self.site()?.finish_discoverable_authentication_v2(&credential, state, passkey);
        Ok(shown.map_err(Doubt::from))
    }
}

/// A passkey from the store.
pub(crate) fn opened(kept: &palisade_store::Passkey) -> Result<Passkey, Refusal> {
    serde_json::from_str(&kept.credential)
        .map_err(|_| Refusal::new(Denial::Internal, "a passkey in the store is damaged"))
}

/// A passkey for the store.
pub(crate) fn kept(passkey: &Passkey) -> Result<String, Refusal> {
    serde_json::to_string(passkey)
        .map_err(|_| Refusal::new(Denial::Internal, "a passkey could not be written"))
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err hands over")]
fn broken(error: WebauthnError) -> Refusal {
    Refusal::new(Denial::Internal, error.to_string())
}

fn to_value(options: &impl Serialize) -> Result<Value, Refusal> {
    serde_json::to_value(options)
        .map_err(|_| Refusal::new(Denial::Internal, "a challenge could not be written"))
}

fn to_bytes(state: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(state).map_err(|_| Refusal::new(Denial::Internal, "a ceremony could not be written"))
}

fn from_bytes<T: DeserializeOwned>(state: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(state).map_err(|_| Refusal::new(Denial::Internal, "a ceremony could not be read"))
}
