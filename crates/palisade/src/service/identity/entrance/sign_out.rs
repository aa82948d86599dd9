//! `/auth/logout` and `/api/v1/auth/logout`: the credential ends at once, on every node.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, Response, Uri, header};
use palisade_gate::{Allowed, Exchange};
use palisade_model::{Denial, Refusal};

use crate::service::identity::entrance::provider;
use crate::service::identity::{Answer, Desk, cookies, reply};

/// What the application left in the browser goes too (Clear Site Data, W3C; ASVS 5.0, 14.3.1). Cookies are not
/// named: the application's own may hold what outlives a session, as a choice of language.
const CLEAR: (HeaderName, HeaderValue) =
    (HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"cache\", \"storage\""));

/// From the account page's form.
pub(super) async fn browser(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
) -> Answer {
    let principal = permit.principal().ok_or(Denial::SignInRequired)?;
    let there = desk.access.sign_out_and_on(principal, &exchange.origin()).await?;
    let response = match there {
        // As a page that goes on by itself: a form must not lead to another site, not even by a redirect. The address
        // holds the ID token: it is in nobody's log here, and in no Referer.
        Some(there) => provider::onward(&desk, &there)?,
        None => reply::see_other("/auth/login?done=signed-out"),
    };
    Ok(leave(&desk, response))
}

/// Back from a provider at which somebody has signed out too.
pub(super) async fn back(State(desk): State<Desk>, Allowed(_permit): Allowed, uri: Uri) -> Answer {
    let known = reply::query(&uri, "state").is_some_and(|state| desk.access.sent_away(&state));
    let done = if known { "signed-out-there" } else { "signed-out" };
    Ok(reply::see_other(&format!("/auth/login?done={done}")))
}

/// From a program, with a cookie or a token.
pub(super) async fn program(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
) -> Answer {
    end(&desk, &permit, &exchange).await?;
    Ok(leave(&desk, reply::done()))
}

async fn end(desk: &Desk, permit: &palisade_access::Permit, exchange: &Exchange) -> Result<(), Refusal> {
    let principal = permit.principal().ok_or(Denial::SignInRequired)?;
    desk.access.sign_out(principal, &exchange.origin()).await
}

fn leave(desk: &Desk, mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    for cookie in cookies::cleared(&desk.policy) {
        headers.append(header::SET_COOKIE, cookie);
    }
    let (name, value) = CLEAR;
    headers.insert(name, value);
    response
}
