//! What administrators see and end of others, for programs (ID-8).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::Uri;
use palisade_gate::{Allowed, Exchange};
use palisade_model::id::{SessionId, UserId};
use palisade_model::{Denial, Refusal, TenantId};
use palisade_store::User;
use serde_json::{Value, json};

use crate::service::identity::account::sessions;
use crate::service::identity::{Answer, Desk, reply, somebody};

/// Users in one answer, unless fewer are asked for.
const PAGE: u32 = 100;

/// The users whom the administrator oversees.
pub(super) async fn list(State(desk): State<Desk>, Allowed(permit): Allowed, uri: Uri) -> Answer {
    let limit = match reply::query(&uri, "limit") {
        None => PAGE,
        Some(text) => match text.parse() {
            Ok(limit @ 1..=PAGE) => limit,
            _ => return Err(Refusal::field("limit", "Send a number from 1 to 100.").into()),
        },
    };
    let after = match reply::query(&uri, "after") {
        None => None,
        Some(text) => match UserId::parse(&text) {
            Some(id) => Some(id),
            None => return Err(Refusal::field("after", "Send the id of a user.").into()),
        },
    };
    let login = reply::query(&uri, "login");
    let found = desk.access.overseen(somebody(&permit)?, login.as_deref(), after, limit).await?;
    let users: Vec<Value> = found.iter().map(described).collect();
    Ok(reply::json(200, &json!({ "users": users })))
}

/// The live sessions of one of them.
pub(super) async fn sessions(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Path(user): Path<String>,
) -> Answer {
    let principal = somebody(&permit)?;
    let user = UserId::parse(&user).ok_or(Denial::RouteUnknown)?;
    let list = desk.access.sessions_of(principal, user).await?;
    Ok(reply::json(200, &sessions::listed(&list, principal)))
}

/// Ends one of them.
pub(super) async fn end_session(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    Path((user, session)): Path<(String, String)>,
) -> Answer {
    let user = UserId::parse(&user).ok_or(Denial::RouteUnknown)?;
    let session = SessionId::parse(&session).ok_or(Denial::RouteUnknown)?;
    if desk.access.end_session_of(somebody(&permit)?, user, session, &exchange.origin()).await? {
        Ok(reply::done())
    } else {
        Err(Denial::RouteUnknown.into())
    }
}

/// Signs somebody out everywhere.
pub(super) async fn end_sessions(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    Path(user): Path<String>,
) -> Answer {
    let user = UserId::parse(&user).ok_or(Denial::RouteUnknown)?;
    let ended = desk.access.sign_out_of(somebody(&permit)?, user, &exchange.origin()).await?;
    let body = json!({
        "sessions": ended.sessions,
        "families": ended.families,
        "tokens": ended.tokens,
        "links": ended.links,
    });
    Ok(reply::json(200, &body))
}

/// Removes the second factors of somebody who has lost them.
pub(super) async fn reset_factors(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    Path(user): Path<String>,
) -> Answer {
    let user = UserId::parse(&user).ok_or(Denial::RouteUnknown)?;
    desk.access.reset_factors_of(somebody(&permit)?, user, &exchange.origin()).await?;
    Ok(reply::done())
}

fn described(user: &User) -> Value {
    json!({
        "id": user.id.to_string(),
        "name": user.name,
        "email": user.email,
        "tenant": user.tenant.as_ref().map(TenantId::as_str),
        "roles": user.roles,
        "enabled": user.enabled,
        "created_at": user.created_at.to_string(),
    })
}
