//! What travels with a request and its answer: the words between listener, gate and services.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use palisade_access::Permit;
use palisade_model::audit::Origin;
use palisade_model::{ClientAddress, Denial, Refusal, RequestId, Secret, SecurityEvent, Timestamp};

/// Who is at the other end of the connection. The listener puts it into each request's extensions;
/// a request without it is refused, for nothing could be known of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The connection's other end: the client, or a proxy.
    pub address: SocketAddr,
    /// Whether the connection is TLS.
    pub secure: bool,
}

/// What the gate has found out about a request, for the service that answers it: an
/// `Arc<Exchange>` in the request's extensions.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The request's name (EDGE-4).
    pub id: RequestId,
    /// Where it comes from, once forwarding headers were judged (EDGE-3).
    pub client: ClientAddress,
    /// Whether the client speaks https, to this server or to a trusted proxy in front of it.
    pub secure: bool,
    /// The host that the client asked for, with its port where one was given.
    pub host: String,
    /// The route's index in `Policy::routes.rows`.
    pub route: usize,
    /// When the request arrived.
    pub started: Timestamp,
    /// The client's User-Agent.
    pub agent: Option<HeaderValue>,
    /// What the device shows of having signed in before (LIMIT-8): its cookie, for the identity service alone.
    pub device: Option<Secret>,
}

impl Exchange {
    /// Where an action of this request comes from, for its audit entries.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin { device: self.device.clone(), ..origin(&self.id, self.client, self.agent.as_ref()) }
    }
}

/// The error of an answer's body that was ended from here: whoever asked may not have the rest (ID-8, ID-10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the credential ended while its answer was still running")]
pub struct CredentialEnded;

/// The longest User-Agent that is kept, in characters.
const AGENT_CHARS: usize = 256;

pub(crate) fn origin(id: &RequestId, client: ClientAddress, agent: Option<&HeaderValue>) -> Origin {
    let text =
        |agent: &HeaderValue| String::from_utf8_lossy(agent.as_bytes()).chars().take(AGENT_CHARS).collect();
    Origin { address: Some(client), agent: agent.map(text), request_id: Some(id.clone()), device: None }
}

/// Response extension of a page of Palisade's own: the shield writes a Content-Security-Policy
/// that lets this nonce's styles and scripts run and nothing else (HEAD-1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPage {
    /// Random, from [`palisade_model::World`], made for this answer alone; base64url or hexadecimal.
    pub nonce: String,
}

/// Response extension of an answer that signs somebody in: it is counted (OBS-1).
#[derive(Clone, Copy, Debug)]
pub struct SignedIn;

/// Response extension of an answer that used up a breakglass token for this principal: it is told and counted (ID-13).
#[derive(Clone, Debug)]
pub struct BrokeGlass(pub palisade_access::Principal);

/// Response extension of an answer that put a successor in the place of a key: the events log is told (ID-16).
#[derive(Clone, Copy, Debug)]
pub struct KeyRotated {
    /// The key that goes.
    pub key: palisade_model::id::KeyId,
    /// The one that comes.
    pub successor: palisade_model::id::KeyId,
}

impl KeyRotated {
    /// As the events log has it.
    #[must_use]
    pub fn event(self, now: Timestamp) -> SecurityEvent {
        SecurityEvent::new(now, "token_rotation")
            .with("key", self.key.to_string())
            .with("successor", self.successor.to_string())
    }
}

/// What the request was allowed: every handler behind the gate takes one.
///
/// As an axum extractor it is only there when the gate let the request in. A handler that was mounted without the gate
/// answers 500 and does nothing: it fails closed.
#[derive(Clone)]
pub struct Allowed(pub Permit);

impl<S: Sync> FromRequestParts<S> for Allowed {
    type Rejection = Response<Body>;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response<Body>> {
        let absent = || refused(Refusal::new(Denial::Internal, "a handler stands outside the gate"));
        parts.extensions.get::<Self>().cloned().ok_or_else(absent)
    }
}

/// Response extension: a service's no.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) refusal: Arc<Refusal>,
    /// Whether the response is what the client shall see, and not yet to be made.
    pub(crate) rendered: bool,
}

/// A service's no. The gate renders it, records it and seals it like a stage's own refusal; without
/// a gate around the service the client sees the bare status.
#[must_use]
pub fn refused(refusal: Refusal) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() =
        StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.extensions_mut().insert(Refused { refusal: Arc::new(refusal), rendered: false });
    response
}

/// A service's no in its own words, as a form that comes back with what is wrong in it: the gate
/// records the refusal and leaves the response as it is.
#[must_use]
pub fn refused_with(refusal: Refusal, mut response: Response<Body>) -> Response<Body> {
    response.extensions_mut().insert(Refused { refusal: Arc::new(refusal), rendered: true });
    response
}
