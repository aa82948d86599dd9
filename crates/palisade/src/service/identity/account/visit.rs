//! `/account` for a visitor, who has a token and nothing else: what that is, how to come back, and an end to it (ID-14).

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, Uri, header};
use palisade_access::Principal;
use palisade_gate::{Allowed, Exchange};
use palisade_model::{Denial, Refusal};
use palisade_store::{ApiToken, GUEST, SessionKind, TokenKind};

use crate::pages::{Place, Visit};
use crate::service::identity::account::overview::{self, readable};
use crate::service::identity::{Answer, Desk, cookies, reply, somebody};

/// The token of somebody who is here by a visitor's token and has no other way in. Others have tokens too, and accounts.
async fn token_of(desk: &Desk, principal: &Principal) -> Result<Option<ApiToken>, Refusal> {
    let visits = principal.kind() == SessionKind::Guest
        && principal.name().strip_prefix(GUEST).is_some_and(|rest| rest.starts_with('-'));
    if !visits {
        return Ok(None);
    }
    let tokens = desk.access.own_api_keys(principal).await?;
    Ok(tokens.into_iter().find(|token| token.kind == TokenKind::User && token.enabled))
}

/// `/account`: a visitor's page, or the profile of whoever has an account.
pub(super) async fn page(State(desk): State<Desk>, Allowed(permit): Allowed, uri: Uri) -> Answer {
    let principal = somebody(&permit)?;
    let notice = overview::notice(&uri);
    Ok(match token_of(&desk, principal).await? {
        Some(token) => visit(&desk, principal, &token, notice)?,
        None => overview::profile(&desk, principal, notice, None)?,
    })
}

fn visit(
    desk: &Desk,
    principal: &Principal,
    token: &ApiToken,
    notice: Option<&'static str>,
) -> Result<Response<Body>, Refusal> {
    let guests = &desk.policy.identify.guests;
    let (nonce, csrf_token) = (reply::nonce(desk)?, desk.access.csrf_token(principal)?);
    let link = guests
        .query
        .first()
        .map(|name| format!("{}{}?{name}=", desk.policy.app.base_url.origin, guests.page));
    let page = Visit {
        frame: desk.inside(&nonce, principal, &csrf_token, Place::Profile).or_notice(notice).alone(),
        name: principal.name(),
        until: token.expires_at.map(readable),
        onward: (guests.page != "/account").then_some(guests.page.as_str()),
        link: link.as_deref(),
        open: guests.open,
        csrf_field: &desk.policy.csrf.field,
        csrf_token: &csrf_token,
    };
    reply::page(&page, &nonce, None)
}

/// Ends the token for good, with whatever it let in.
pub(super) async fn end(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
) -> Answer {
    let principal = somebody(&permit)?;
    if token_of(&desk, principal).await?.is_none() {
        return Err(Refusal::new(Denial::Forbidden, "not a visitor").into());
    }
    let user = principal.user();
    desk.access.revoke_api_keys_of(user, Some(user), &exchange.origin()).await?;
    let mut response = reply::see_other("/auth/login?done=visit-ended");
    for cookie in cookies::cleared(&desk.policy) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
