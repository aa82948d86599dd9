//! The first look at a request: who sends it, in what name, to which route; and nothing that could be
//! understood in two ways.
//!
//! [`receive`] finds the client and cannot fail, so that whatever is refused later is recorded under the right
//! address and id. [`judge`] refuses.

mod forwarded;

use axum::body::Body;
use http::header::{CONTENT_LENGTH, EXPECT, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, Method, Request};
use http_body::Body as _;
use palisade_model::{ClientAddress, Denial, Refusal, RequestId};
use palisade_policy::section::route::{Found, Methods, Route};

use super::identify::shown::X_USER_TOKEN;
use super::shield::cors;
use crate::course::Course;
use crate::gate::Gate;
use crate::manner::Manner;
use crate::{Peer, body, identity_headers, wire};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Headers that ask for another method than the request line does, in the spelling that
/// [`identity_headers::same`] folds to.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Opens the course of a request: its id, its sender and how the sender likes to be told no.
pub(crate) fn receive(gate: &Gate, request: &Request<Body>) -> Course {
    let policy = &gate.policy().edge;
    let headers = request.headers();
    let started = gate.parts().world.now();
    let peer = request.extensions().get::<Peer>();
    let seen = peer.map(|peer| {
        forwarded::read(headers, peer.address.ip(), &policy.trusted_proxies, policy.trusted_hops)
    });
    let trusted = seen.as_ref().is_some_and(|seen| seen.trusted);
    let client = seen.as_ref().map_or(ClientAddress::behind([0, 0, 0, 0].into()), |seen| seen.client);
    if !client.is_known() || seen.as_ref().is_some_and(|seen| seen.doubtful) {
        // Once is enough: /readyz and the metrics go on telling.
        if gate.parts().metrics.client_unknown(started) {
            tracing::warn!(
                proxy = %client,
                "clients cannot be told apart by address: name the proxy in edge.trusted_proxies, and let it set X-Forwarded-For"
            );
        }
    }
    let id = proxy_id(trusted, headers)
        .or_else(|| RequestId::generate(gate.parts().world.entropy.as_ref()).ok())
        .unwrap_or_else(RequestId::unknown);
    Course {
        agent: headers.get(USER_AGENT).cloned(),
        id,
        client,
        secure: seen.as_ref().and_then(|seen| seen.secure).unwrap_or(peer.is_some_and(|peer| peer.secure)),
        host: seen.and_then(|seen| seen.host).unwrap_or_default(),
        started,
        method: request.method().clone(),
        uri: request.uri().clone(),
        manner: Manner::of(request.method(), request.uri(), headers),
        route: None,
        claimed_tenants: Vec::new(),
        gauge: None,
        cors_origin: None,
        quota: None,
        counted: false,
        nowhere: false,
        user_tokens: Vec::new(),
        principal: None,
        explicit: false,
        begun: Vec::new(),
        device: None,
        forget_session: false,
        refused: None,
        took: None,
    }
}

/// A request id counts when a trusted proxy sent exactly one and it is well-formed (EDGE-4).
fn proxy_id(trusted: bool, headers: &HeaderMap) -> Option<RequestId> {
    let mut lines = headers.get_all(REQUEST_ID).iter();
    let only = lines.next().filter(|_| trusted && lines.next().is_none())?;
    only.to_str().ok().and_then(RequestId::parse)
}

/// Finds the request's route, or refuses it; takes out of the request what only Palisade may say.
pub(crate) fn judge<'g>(
    gate: &'g Gate,
    course: &mut Course,
    request: &mut Request<Body>,
) -> Result<&'g Route, Refusal> {
    if request.extensions().get::<Peer>().is_none() {
        return Err(Refusal::new(Denial::Internal, "the listener did not say who the peer is"));
    }
    if course.id == RequestId::unknown() {
        return Err(Refusal::new(Denial::Internal, "no randomness for a request id"));
    }
    if !Methods::ALL.has(request.method()) {
        return Err(Refusal::new(Denial::MethodUnsupported, "method is not one that a route can take"));
    }
    if request
        .headers()
        .get(EXPECT)
        .is_some_and(|expect| !expect.as_bytes().eq_ignore_ascii_case(b"100-continue"))
    {
        return Err(Denial::ExpectationUnknown.into());
    }
    let own = host(request)?;
    if course.host.is_empty() {
        course.host = own;
    } else {
        wire::host::judge(course.host.as_bytes())?;
        course.host.make_ascii_lowercase();
    }
    if !gate.policy().edge.allowed_hosts.allows(&course.host) {
        return Err(Refusal::new(Denial::HostUnknown, "host is not one of edge.allowed_hosts"));
    }
    wire::path::judge(request.uri().path())?;
    refuse_overrides(request.headers())?;
    course.claimed_tenants = request
        .headers()
        .iter()
        .filter(|(name, _)| identity_headers::names_a_tenant(name))
        .map(|(_, value)| value.clone())
        .collect();
    course.user_tokens = request.headers().get_all(X_USER_TOKEN).iter().cloned().collect();
    identity_headers::remove(request.headers_mut());

    let route = route(gate, request)?;
    course.route = Some(route.index);
    limit_body(route, course, request)?;
    Ok(route)
}

/// The host that the request names, in lower case. Its two places, the target and the Host field, must
/// not disagree (RFC 9112 section 3.2.2, RFC 9113 section 8.3.1).
fn host(request: &Request<Body>) -> Result<String, Refusal> {
    let mut fields = request.headers().get_all(HOST).iter();
    let (field, second) = (fields.next(), fields.next());
    if second.is_some() {
        return Err(Refusal::new(Denial::Ambiguous, "more than one Host field"));
    }
    let target = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let host = match (target, field.map(http::HeaderValue::as_bytes)) {
        (Some(target), Some(field)) if !target.eq_ignore_ascii_case(field) => {
            return Err(Refusal::new(Denial::Ambiguous, "Host and the request target disagree"));
        }
        (Some(host), _) | (None, Some(host)) => host,
        (None, None) => return Err(Refusal::new(Denial::Malformed, "no Host field")),
    };
    wire::host::judge(host)?;
    Ok(String::from_utf8_lossy(host).to_ascii_lowercase())
}

fn refuse_overrides(headers: &HeaderMap) -> Result<(), Refusal> {
    let overrides =
        |name: &HeaderName| METHOD_OVERRIDES.iter().any(|known| identity_headers::same(name.as_str(), known));
    if headers.keys().any(overrides) {
        return Err(Refusal::new(Denial::MethodOverride, "a header asks for another method"));
    }
    Ok(())
}

/// The row for the request; for a preflight, the row of the request that it asks about.
fn route<'g>(gate: &'g Gate, request: &Request<Body>) -> Result<&'g Route, Refusal> {
    let routes = &gate.policy().routes;
    let path = request.uri().path();
    let asked = cors::preflight_method(request);
    let others = match routes.find(path, asked.as_ref().unwrap_or(request.method())) {
        Found::Row(route) => return Ok(route),
        Found::Nothing => return Err(Refusal::new(Denial::RouteUnknown, "no route has this path")),
        Found::OtherMethods(others) => others,
    };
    // A path whose every row is hidden does not betray itself by the methods that it takes (ACC-2).
    let hidden = |method: &Method| matches!(routes.find(path, method), Found::Row(route) if route.hide);
    if [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS]
        .iter()
        .filter(|method| others.has(method))
        .all(hidden)
    {
        return Err(Refusal::new(Denial::Hidden, "the hidden route does not take this method"));
    }
    let mut refusal = Refusal::new(Denial::MethodNotAllowed, "the route does not take this method");
    refusal.allow = Some(others.allow());
    Err(refusal)
}

/// Refuses a body that says it is too long, and has any other counted (EDGE-5).
fn limit_body(route: &Route, course: &mut Course, request: &mut Request<Body>) -> Result<(), Refusal> {
    let length = request
        .headers()
        .get(CONTENT_LENGTH)
        .map(|length| length.to_str().ok().and_then(|text| text.parse::<u64>().ok()));
    match length {
        Some(None) => return Err(Refusal::new(Denial::Malformed, "Content-Length is not a number")),
        Some(Some(length)) if length > route.body_bytes => {
            return Err(Refusal::new(Denial::BodyTooLarge, "Content-Length is over the route's limit"));
        }
        _ => {}
    }
    if !request.body().is_end_stream() {
        let (measured, gauge) = body::measure(std::mem::take(request.body_mut()), route.body_bytes);
        *request.body_mut() = measured;
        course.gauge = Some(gauge);
    }
    Ok(())
}
