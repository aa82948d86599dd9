//! What administrators see of others' keys and tokens, and whether those count (ID-16).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::Uri;
use palisade_access::Permit;
use palisade_gate::{Allowed, Exchange};
use palisade_model::id::KeyId;
use palisade_model::{Denial, Refusal};
use serde_json::{Value, json};

use crate::service::identity::account::keys::described;
use crate::service::identity::{Answer, Desk, reply, somebody};

/// The keys of those whom the administrator oversees.
pub(super) async fn list(State(desk): State<Desk>, Allowed(permit): Allowed, uri: Uri) -> Answer {
    let after = match reply::query(&uri, "after") {
        None => None,
        Some(text) => {
            Some(KeyId::parse(&text).ok_or_else(|| Refusal::field("after", "Send the id of a key."))?)
        }
    };
    let keys = desk.access.overseen_api_keys(somebody(&permit)?, after).await?;
    Ok(reply::json(200, &json!({ "keys": keys.iter().map(described).collect::<Value>() })))
}

/// Lets one of them count no more.
pub(super) async fn disable(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    Path(id): Path<String>,
) -> Answer {
    set_enabled(&desk, &permit, &exchange, &id, false).await
}

/// Lets one of them count again.
pub(super) async fn enable(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    Path(id): Path<String>,
) -> Answer {
    set_enabled(&desk, &permit, &exchange, &id, true).await
}

async fn set_enabled(desk: &Desk, permit: &Permit, exchange: &Exchange, id: &str, enabled: bool) -> Answer {
    let id = KeyId::parse(id).ok_or(Denial::RouteUnknown)?;
    let (by, origin) = (somebody(permit)?, exchange.origin());
    if desk.access.set_overseen_api_key_enabled(by, id, enabled, &origin).await? {
        Ok(reply::done())
    } else {
        Err(Denial::RouteUnknown.into())
    }
}
