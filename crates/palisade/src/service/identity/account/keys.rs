//! API keys of one's own (ID-16).

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, Response, Uri, header};
use ipnet::IpNet;
use palisade_access::{KeyWish, MadeKey, Principal, Scopes};
use palisade_gate::{Allowed, Exchange, KeyRotated};
use palisade_model::id::KeyId;
use palisade_model::{Denial, FieldFault, Refusal, Timestamp};
use palisade_policy::read::parse_duration;
use palisade_store::ApiToken;
use serde_json::{Value, json};

use super::overview::{notice, readable};
use crate::pages::{Field, KeyLine, Keys, Place};
use crate::service::identity::intake::{Intake, Speech};
use crate::service::identity::{Answer, Desk, lasting, reply, somebody};

/// The life of a key when none is named.
const LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// One's own keys, as a page.
pub(super) async fn page(State(desk): State<Desk>, Allowed(permit): Allowed, uri: Uri) -> Answer {
    Ok(overview(&desk, somebody(&permit)?, None, notice(&uri), None).await?)
}

/// One's own keys, for programs.
pub(super) async fn list(State(desk): State<Desk>, Allowed(permit): Allowed) -> Answer {
    let keys = desk.access.own_api_keys(somebody(&permit)?).await?;
    Ok(reply::json(200, &json!({ "keys": keys.iter().map(described).collect::<Value>() })))
}

/// Makes a key. Its text is on the answer and nowhere else.
pub(super) async fn make(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    let principal = somebody(&permit)?;
    let name = intake.required("name", "Give it a name.");
    let scopes = intake.required("scopes", "Say what it may be used for.");
    let (expires, networks) = (intake.optional("expires"), intake.optional("networks"));
    let outcome = match intake.finish() {
        Err(refusal) => Err(refusal),
        Ok(()) => {
            let text = |secret: &Option<palisade_model::Secret>| {
                secret.as_ref().map(|secret| secret.expose().to_owned())
            };
            match wish(name.expose(), scopes.expose(), text(&expires), text(&networks)) {
                Ok(wish) => desk.access.make_own_api_key(principal, wish, &exchange.origin()).await,
                Err(fault) => Err(Refusal::fields(vec![fault])),
            }
        }
    };
    match (outcome, intake.speech) {
        (Ok(made), Speech::Json) => Ok(reply::json(201, &shown(&made))),
        (Ok(made), Speech::Form) => Ok(overview(&desk, principal, Some(&made), None, None).await?),
        (Err(refusal), Speech::Form)
            if matches!(refusal.denial, Denial::InvalidInput | Denial::KeysClosed) =>
        {
            Ok(overview(&desk, principal, None, None, Some(&refusal)).await?)
        }
        (Err(refusal), _) => Err(refusal.into()),
    }
}

/// Ends a key of one's own, from the page.
pub(super) async fn end_from_page(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    let key = intake.required("key", "Name a key.");
    intake.finish()?;
    end_own(&desk, somebody(&permit)?, key.expose(), &exchange).await?;
    Ok(reply::see_other("/account/keys?done=key"))
}

/// Ends a key of one's own.
pub(super) async fn end(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    Path(id): Path<String>,
) -> Answer {
    end_own(&desk, somebody(&permit)?, &id, &exchange).await?;
    Ok(reply::done())
}

async fn end_own(desk: &Desk, principal: &Principal, id: &str, exchange: &Exchange) -> Result<(), Refusal> {
    let id = KeyId::parse(id).ok_or(Denial::RouteUnknown)?;
    let user = principal.user();
    let ended = desk.access.revoke_api_key(id, Some(user), Some(user), &exchange.origin()).await?;
    if ended { Ok(()) } else { Err(Denial::RouteUnknown.into()) }
}

/// Makes a successor of a key of one's own. It is a new credential, so it asks for what a new key asks for.
pub(super) async fn rotate(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    Path(id): Path<String>,
    mut intake: Intake,
) -> Answer {
    let principal = somebody(&permit)?;
    let overlap = intake.optional("overlap");
    intake.finish()?;
    let usual = desk.policy.identify.api_keys.overlap;
    let overlap = match &overlap {
        None => usual,
        Some(text) => parse_duration(text.expose())
            .map_err(|_| Refusal::field("overlap", "Write a time, as 24h, and at most 30d."))?,
    };
    let id = KeyId::parse(&id).ok_or(Denial::RouteUnknown)?;
    let made = desk.access.rotate_own_api_key(principal, id, overlap, &exchange.origin()).await?;
    let made = made.ok_or(Denial::RouteUnknown)?;
    let mut answer = reply::json(201, &shown(&made));
    answer.extensions_mut().insert(KeyRotated { key: id, successor: made.kept.id });
    Ok(answer)
}

async fn overview(
    desk: &Desk,
    principal: &Principal,
    made: Option<&MadeKey>,
    notice: Option<&'static str>,
    refusal: Option<&Refusal>,
) -> Result<Response<Body>, Refusal> {
    let now = desk.world.now();
    let keys = desk.access.own_api_keys(principal).await?;
    let keys: Vec<KeyLine> = keys.iter().map(|key| line(key, now)).collect();
    let csrf_token = desk.access.csrf_token(principal)?;
    let nonce = reply::nonce(desk)?;
    let frame = desk.inside(&nonce, principal, &csrf_token, Place::Keys);
    let page = Keys {
        frame: reply::troubled(frame.or_notice(notice), refusal),
        csrf_field: &desk.policy.csrf.field,
        csrf_token: &csrf_token,
        lasting: lasting(principal),
        fresh: desk.access.fresh(principal).is_ok(),
        made: made.map(|made| made.token.expose()),
        keys: &keys,
        name: Field::key_name(),
        scopes: Field::scopes(),
        expires: Field::life(),
    };
    let mut response = reply::page(&page, &nonce, refusal)?;
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    Ok(response)
}

fn line(key: &ApiToken, now: Timestamp) -> KeyLine {
    KeyLine {
        id: key.id.to_string(),
        name: key.name.clone(),
        state: match key {
            key if !key.enabled => "disabled",
            key if key.expires_at.is_some_and(|at| at <= now) => "expired",
            key if key.replaced_by.is_some() => "replaced",
            _ => "active",
        },
        scopes: key.scopes.clone(),
        created: readable(key.created_at),
        expires: key.expires_at.map(readable),
        used: key.last_used.map(readable),
    }
}

fn wish(
    name: &str,
    scopes: &str,
    expires: Option<String>,
    networks: Option<String>,
) -> Result<KeyWish, FieldFault> {
    let life = match expires {
        None => LIFE,
        Some(text) => {
            parse_duration(&text).map_err(|_| FieldFault::new("expires", "Write a time, as 90d."))?
        }
    };
    let networks = networks.unwrap_or_default();
    let networks: Result<Vec<IpNet>, _> = networks.split_whitespace().map(str::parse).collect();
    Ok(KeyWish {
        name: name.to_owned(),
        scopes: Scopes::parse(scopes)?,
        networks: networks.map_err(|_| FieldFault::new("networks", "Write networks, as 192.0.2.0/24."))?,
        life,
    })
}

fn shown(made: &MadeKey) -> Value {
    json!({ "token": made.token.expose(), "key": described(&made.kept) })
}

/// What may be shown of a token: never its digest.
pub(crate) fn described(key: &ApiToken) -> Value {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "id": key.id.to_string(),
        "kind": key.kind.name(),
        "name": key.name,
        "user": key.user.to_string(),
        "scopes": key.scopes.split_whitespace().collect::<Vec<_>>(),
        "networks": key.networks.split_whitespace().collect::<Vec<_>>(),
        "enabled": key.enabled,
        "created_at": key.created_at.to_string(),
        "expires_at": time(key.expires_at),
        "last_used_at": time(key.last_used),
        "replaced_by": key.replaced_by.map(|id| id.to_string()),
    })
}
