//! Who am I and where am I signed in, for programs (ID-8).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use palisade_access::{Principal, Via};
use palisade_gate::{Allowed, Exchange};
use palisade_model::Denial;
use palisade_model::id::SessionId;
use palisade_store::Session;
use serde_json::{Value, json};

use crate::device;
use crate::service::identity::{Answer, Desk, reply, somebody};

/// The person behind the credential.
pub(super) async fn me(Allowed(permit): Allowed) -> Answer {
    Ok(reply::json(200, &reply::person(somebody(&permit)?)))
}

/// A token against forged requests, for scripts that keep a session cookie.
pub(super) async fn csrf(State(desk): State<Desk>, Allowed(permit): Allowed) -> Answer {
    let token = desk.access.csrf_token(somebody(&permit)?)?;
    Ok(reply::json(200, &json!({ "csrf_token": token })))
}

/// Every live session of one's own.
pub(super) async fn list(State(desk): State<Desk>, Allowed(permit): Allowed) -> Answer {
    let principal = somebody(&permit)?;
    let sessions = desk.access.sessions(principal).await?;
    Ok(reply::json(200, &listed(&sessions, principal)))
}

/// Sessions as programs see them.
pub(crate) fn listed(sessions: &[Session], principal: &Principal) -> Value {
    let list: Vec<Value> = sessions
        .iter()
        .map(|session| {
            json!({
                "id": session.id.to_string(),
                "current": principal.via() == Via::Session(session.id),
                "created_at": session.created_at.to_string(),
                "last_seen_at": session.last_seen.to_string(),
                "expires_at": session.expires_at.to_string(),
                "address": session.address,
                "agent": session.agent,
                "device": device::describe(session.agent.as_deref()),
            })
        })
        .collect();
    json!({ "sessions": list })
}

/// Ends one session of one's own. Another's reads like one that is not there.
pub(super) async fn end(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    Path(id): Path<String>,
) -> Answer {
    let id = SessionId::parse(&id).ok_or(Denial::RouteUnknown)?;
    if desk.access.end_session(somebody(&permit)?, id, &exchange.origin()).await? {
        Ok(reply::done())
    } else {
        Err(Denial::RouteUnknown.into())
    }
}

/// Ends all sessions of one's own but the one that asks.
pub(super) async fn end_others(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
) -> Answer {
    let ended = desk.access.end_other_sessions(somebody(&permit)?, &exchange.origin()).await?;
    Ok(reply::json(200, &json!({ "ended": ended })))
}
