//! WebSockets: once both sides agreed, bytes go both ways until one side has enough.
//!
//! A browser opens a WebSocket to any site with that site's cookies, and no preflight asks first. So an upgrade that a
//! cookie authenticates must come from a page of this site, or of an origin that the policy trusts with credentials;
//! otherwise any page on the web could talk to the application in the visitor's name.

use axum::body::Body;
use http::header::{ORIGIN, UPGRADE};
use http::{HeaderMap, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use palisade_access::Tenure;
use palisade_gate::{Exchange, current};
use palisade_model::{Denial, Refusal, RequestId};
use palisade_policy::section::app::BaseUrl;
use palisade_policy::section::shield::Cors;
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::failure::Failure;
use super::pool::Lease;
use super::{forward, hop, vigil};

/// Refuses an upgrade that a cookie authenticates and that a foreign page asked for. A client that names no origin is
/// no browser, and nobody can make it send a cookie that it was not given.
pub(super) fn check_origin(
    headers: &HeaderMap,
    exchange: &Exchange,
    site: &BaseUrl,
    cors: Option<&Cors>,
) -> Result<(), Refusal> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else { return Ok(()) };
    let own = |origin: &str| {
        origin.eq_ignore_ascii_case(&site.origin)
            || origin.split_once("://").is_some_and(|(scheme, host)| {
                scheme == scheme_of(exchange) && host.eq_ignore_ascii_case(&exchange.host)
            })
    };
    let trusted = |origin: &str| cors.is_some_and(|cors| cors.credentials && cors.allows(origin));
    match origin.to_str() {
        Ok(origin) if origins.next().is_none() && (own(origin) || trusted(origin)) => Ok(()),
        _ => Err(Refusal::new(
            Denial::CsrfOrigin,
            "a foreign page asked for a WebSocket with the visitor's cookie",
        )),
    }
}

const fn scheme_of(exchange: &Exchange) -> &'static str {
    if exchange.secure { "https" } else { "http" }
}

/// Ends open sockets: when the server stops, and when the credential does that opened them.
pub(super) struct Ends {
    /// Which request opened the socket.
    pub(super) id: RequestId,
    /// Turns true when the server stops.
    pub(super) stopping: watch::Receiver<bool>,
    /// In whose name the socket is open; nobody's ends with the server.
    pub(super) tenure: Option<Tenure>,
}

/// Hands the connection over: the client gets the application's answer, and a task of its own carries the bytes.
pub(super) async fn join(
    response: Response<Incoming>,
    mut lease: Lease,
    client: OnUpgrade,
    ends: Ends,
) -> Result<Response<Body>, Failure> {
    let (mut head, _) = response.into_parts();
    let websocket =
        head.headers.get(UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if !websocket {
        return Err(Failure::Switched);
    }
    std::future::poll_fn(|cx| lease.drive(cx)).await;
    let Some(link) = lease.detach() else { return Err(Failure::Invalid(None)) };
    let (application, early) = link.into_parts();
    hop::remove(&mut head.headers);
    forward::ask_for_websocket(&mut head.headers);
    tokio::spawn(current::scope(ends.id.clone(), async move {
        // The slot stays taken for as long as the socket is open.
        let _lease = lease;
        let carried = carry(client, application, &early);
        tokio::select! {
            result = carried => if let Err(error) = result { tracing::debug!(%error, "a WebSocket broke off") },
            () = over(ends) => tracing::debug!("a WebSocket was closed from here"),
        }
    }));
    head.status = StatusCode::SWITCHING_PROTOCOLS;
    Ok(Response::from_parts(head, Body::empty()))
}

async fn carry(client: OnUpgrade, mut application: TcpStream, early: &[u8]) -> std::io::Result<()> {
    let mut client = TokioIo::new(client.await.map_err(std::io::Error::other)?);
    client.write_all(early).await?;
    copy_bidirectional(&mut client, &mut application).await.map(|_| ())
}

async fn over(mut ends: Ends) {
    // An error means that the server is gone.
    let stopped = async { drop(ends.stopping.wait_for(|stopping| *stopping).await) };
    let ended = async {
        match ends.tenure {
            Some(tenure) => vigil::over(tenure).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = stopped => {}
        () = ended => {}
    }
}
