//! `/register`: a visitor gets a token, without a name or a password (ID-14).

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, header};
use palisade_gate::{Allowed, Exchange};
use palisade_model::Refusal;
use serde_json::json;

use crate::pages::Guest;
use crate::service::identity::{Answer, Desk, reply};

/// What a visitor gets, and the form that gives it.
pub(super) async fn page(State(desk): State<Desk>, Allowed(_permit): Allowed) -> Answer {
    Ok(given(&desk, None)?)
}

/// Gives a visitor a token. A program that asks for JSON gets it as JSON.
pub(super) async fn submit(
    State(desk): State<Desk>,
    Allowed(_permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    request: Request<Body>,
) -> Answer {
    let asks_json = request
        .headers()
        .get(header::ACCEPT)
        .is_some_and(|accept| accept.as_bytes().starts_with(b"application/json"));
    let made = desk.access.register_guest(&exchange.origin()).await?;
    if asks_json {
        let link = link(&desk, made.token.expose());
        return Ok(reply::json(201, &json!({ "token": made.token.expose(), "link": link })));
    }
    Ok(given(&desk, Some(made.token.expose()))?)
}

fn link(desk: &Desk, token: &str) -> Option<String> {
    let guests = &desk.policy.identify.guests;
    let name = guests.query.first()?;
    Some(format!("{}{}?{name}={token}", desk.policy.app.base_url.origin, guests.page))
}

fn given(desk: &Desk, token: Option<&str>) -> Result<Response<Body>, Refusal> {
    let nonce = reply::nonce(desk)?;
    let link = token.and_then(|token| link(desk, token));
    let page = Guest { frame: desk.frame(&nonce), token, link: link.as_deref() };
    reply::page(&page, &nonce, None)
}
