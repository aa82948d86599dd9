//! Logout tokens (OpenID Connect Back-Channel Logout 1.0, section 2.6).

use std::collections::BTreeMap;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use openidconnect::JsonWebKey as _;
use openidconnect::core::{CoreJsonWebKey, CoreJwsSigningAlgorithm as Algorithm};
use palisade_model::{Refusal, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::claims::{allowed, refused};
use super::provider::Provider;
use super::types::Metadata;

/// The event that says it.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// How far the provider's clock may be from ours, and how old a token may be that has no end of its own.
const SKEW: Duration = Duration::from_secs(60);
const OLDEST: Duration = Duration::from_secs(150);

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 8 * 1024;

/// Whose sessions end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Logout {
    /// All of this subject's, unless a session is named.
    pub(crate) subject: Option<String>,
    /// The provider's session.
    pub(crate) sid: Option<String>,
    /// The token's own name: it counts once.
    pub(crate) id: String,
    /// Until when it has to be remembered.
    pub(crate) until: Timestamp,
}

#[derive(Deserialize)]
struct Header {
    alg: Algorithm,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct Body {
    iss: String,
    aud: Audience,
    iat: i64,
    #[serde(default)]
    exp: Option<i64>,
    jti: String,
    events: BTreeMap<String, Value>,
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    sid: Option<String>,
    #[serde(default)]
    nonce: Option<Value>,
}

impl Provider {
    /// What a logout token asks for, if it is this provider's, for us, fresh, and nothing else.
    ///
    /// # Errors
    /// [`palisade_model::Denial::ProviderUnavailable`], and [`palisade_model::Denial::ProviderRefused`].
    pub(crate) async fn logout(&self, token: &str, now: Timestamp) -> Result<Logout, Refusal> {
        if token.len() > LONGEST {
            return Err(refused("logout token: too long"));
        }
        let metadata = self.metadata(now).await?;
        let body = match signed(&metadata, token)? {
            Some(body) => body,
            None => {
                let newer = self.newer_keys(now).await;
                let body = newer.map(|newer| signed(&newer, token)).transpose()?.flatten();
                body.ok_or_else(|| refused("logout token: signed by a key that is not the provider's"))?
            }
        };
        self.asked_for(body, now).map_err(|why| refused(format!("logout token: {why}")))
    }

    fn asked_for(&self, body: Body, now: Timestamp) -> Result<Logout, &'static str> {
        if body.iss != self.settings.issuer.text {
            return Err("of another issuer");
        }
        let ours = |aud: &String| *aud == self.settings.client_id;
        let for_us = match &body.aud {
            Audience::One(one) => ours(one),
            Audience::Many(many) => !many.is_empty() && many.iter().all(ours),
        };
        if !for_us {
            return Err("for another client");
        }
        let issued = Timestamp::from_secs(body.iat);
        if issued > now.plus(SKEW) {
            return Err("issued in the future");
        }
        let ends = body.exp.map_or_else(|| issued.plus(OLDEST), Timestamp::from_secs).plus(SKEW);
        if now >= ends {
            return Err("expired");
        }
        if !matches!(body.events.get(EVENT), Some(Value::Object(_))) {
            return Err("no logout event");
        }
        // So that no ID token passes for one.
        if body.nonce.is_some() {
            return Err("a nonce, which logout tokens have not");
        }
        let fits = |text: &String| !text.is_empty() && text.len() <= 255 && !text.contains('\0');
        if ![&body.sub, &body.sid].into_iter().flatten().all(fits) || !fits(&body.jti) {
            return Err("an empty or too long name");
        }
        if body.sub.is_none() && body.sid.is_none() {
            return Err("neither subject nor session");
        }
        Ok(Logout { subject: body.sub, sid: body.sid, id: body.jti, until: ends })
    }
}

/// The body of a token that one of the keys has signed; none when no key has that name.
fn signed(metadata: &Metadata, token: &str) -> Result<Option<Body>, Refusal> {
    let malformed = || refused("logout token: no signed JWT");
    let mut parts = token.split('.');
    let (Some(head), Some(body), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(malformed());
    };
    let header: Header = decoded(head).ok_or_else(malformed)?;
    let kind = header.typ.as_deref().unwrap_or("logout+jwt").to_ascii_lowercase();
    let kind = kind.strip_prefix("application/").unwrap_or(&kind).to_owned();
    if !matches!(kind.as_str(), "logout+jwt" | "jwt") || header.crit.is_some() {
        return Err(refused("logout token: of another kind"));
    }
    if !allowed(metadata).any(|algorithm| algorithm == header.alg) {
        return Err(refused("logout token: an algorithm that does not count"));
    }
    let Some(key) = key_of(metadata, &header) else { return Ok(None) };
    let message = token.rsplit_once('.').map(|(message, _)| message).unwrap_or_default();
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).map_err(|_| malformed())?;
    key.verify_signature(&header.alg, message.as_bytes(), &signature)
        .map_err(|_| refused("logout token: the signature is wrong"))?;
    decoded(body).map(Some).ok_or_else(|| refused("logout token: its claims cannot be read"))
}

fn decoded<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).ok()?).ok()
}

/// The key of that name; without a name, the only one there is.
fn key_of<'m>(metadata: &'m Metadata, header: &Header) -> Option<&'m CoreJsonWebKey> {
    let keys = metadata.jwks().keys();
    match &header.kid {
        Some(kid) => keys.iter().find(|key| key.key_id().is_some_and(|id| id.as_str() == kid)),
        None => keys.first().filter(|_| keys.len() == 1),
    }
}
