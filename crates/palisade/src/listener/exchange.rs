//! One request on its way from the HTTP server to the service, and its answer on the way back.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use palisade_gate::Peer;
use palisade_gate::wire::{Exchanges, Violation, request};
use palisade_model::{Denial, Refusal};

use super::activity::Activity;
use super::body::{ResponseBody, Ticket, watch};
use super::{Service, Shared};

/// Answers a request that came over HTTP/1, through the guard.
pub(super) async fn http1<S: Service>(
    shared: Arc<Shared<S>>,
    peer: Peer,
    exchanges: Arc<Exchanges>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let ticket = Ticket(exchanges.clone());
    let (mut parts, body) = request.into_parts();
    let websocket = request::wants_websocket(&parts) && body.is_end_stream();
    if !websocket {
        ignore_upgrade(&mut parts);
    }
    // What a client sends behind a refused upgrade could be either protocol: the connection ends there, as it does
    // behind half a body.
    let (mut response, failed) = answer(&shared, peer, parts, body).await;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        if websocket {
            exchanges.switched();
        } else {
            let refusal = Refusal::new(Denial::UpstreamInvalid, "an upgrade that nobody asked for");
            response = shared.refuse(peer, &refusal).map(Body::from);
        }
    }
    if failed || (websocket && response.status() != StatusCode::SWITCHING_PROTOCOLS) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| ResponseBody::Http1 { body, _ticket: ticket }))
}

/// Answers a request that came over HTTP/2.
pub(super) async fn http2<S: Service>(
    shared: Arc<Shared<S>>,
    peer: Peer,
    activity: Arc<Activity>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let ongoing = activity.begin();
    let (mut parts, body) = request.into_parts();
    let response = match request::judge(&parts) {
        Ok(()) => {
            request::join_cookies(&mut parts.headers);
            answer(&shared, peer, parts, body).await.0
        }
        Err(violation) => shared.refuse(peer, &violation.into()).map(Body::from),
    };
    Ok(response.map(|body| ResponseBody::Http2(ongoing.carry(body))))
}

/// Asks the service. Says also whether the request's body failed before the answer began.
async fn answer<S: Service>(
    shared: &Shared<S>,
    peer: Peer,
    mut parts: Parts,
    body: Incoming,
) -> (Response<Body>, bool) {
    parts.extensions.insert(peer);
    let (body, fault) = watch(body, shared.limits.body_timeout);
    // Boxed where it is made: it has some kilobytes, and hyper moves what it is given several times.
    let response = Box::pin(shared.service.call(Request::from_parts(parts, body))).await;
    match fault.as_ref().and_then(|fault| fault.get()) {
        None => (response, false),
        // The service has seen the fault, and says what it was.
        Some(violation) if response.status() == violation.denial.facts().status => (response, true),
        Some(violation) => (refusal_instead(shared, peer, *violation).map(Body::from), true),
    }
}

/// Whatever a service makes of half a body, the client is told that its request was refused.
fn refusal_instead<S>(shared: &Shared<S>, peer: Peer, violation: Violation) -> Response<Bytes> {
    shared.refuse(peer, &violation.into())
}

/// An upgrade that is not to a WebSocket is none (RFC 9110 section 7.8): the request is answered as it stands, and
/// nobody behind may answer it otherwise.
fn ignore_upgrade(parts: &mut Parts) {
    if parts.headers.remove(header::UPGRADE).is_some() {
        parts.headers.remove("http2-settings");
        parts.extensions.remove::<OnUpgrade>();
    }
}
