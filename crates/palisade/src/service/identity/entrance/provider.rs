//! `/auth/oidc/{name}` and `/auth/callback/{name}`: sign-in at another site (ID-6).
//!
//! The session cookie does not come along from another site, nor is it sent while redirects that began there last. So
//! the callback answers with a page of our own, which goes on by itself and without a script: that next step is a
//! navigation within the site, and every cookie goes with it.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Response, Uri, header};
use palisade_access::{Arrival, Arrived, Via};
use palisade_gate::{Allowed, Exchange, SignedIn};
use palisade_model::{Denial, Refusal};

use crate::pages::Onward;
use crate::service::identity::intake::Intake;
use crate::service::identity::{Answer, Desk, cookies, next, reply};

/// To the provider. A page of another site cannot start it: it is sent to the sign-in page instead.
pub(super) async fn start(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Answer {
    let wish = reply::query(&uri, "next");
    let wish = wish.as_deref().and_then(next::local);
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return Ok(reply::see_other(
            &wish.map_or("/auth/login".into(), |next| reply::onward("/auth/login", next)),
        ));
    }
    let asking = permit.principal().filter(|principal| matches!(principal.via(), Via::Session(_)));
    if asking.is_some() {
        return Ok(reply::see_other(reply::destination(&desk, wish)));
    }
    let departure =
        desk.access.depart(&name, wish.map(str::to_owned), None, false, &exchange.origin()).await?;
    let mut response = reply::see_other(&departure.location);
    keep(&desk, &departure, response.headers_mut());
    Ok(response)
}

/// Back from the provider.
pub(super) async fn callback(
    State(desk): State<Desk>,
    Allowed(_permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Answer {
    let [state, code, iss, error] = ["state", "code", "iss", "error"].map(|key| reply::query(&uri, key));
    let arrival = Arrival {
        provider: &name,
        cookie: cookies::transaction_of(&desk.policy, &headers),
        state: state.as_deref(),
        code: code.as_deref(),
        iss: iss.as_deref(),
        error: error.as_deref(),
    };
    let led = match desk.access.arrive(arrival, &exchange.origin()).await? {
        Arrived::Entered(entered, wish) => {
            reply::entered(&desk, &entered, reply::destination(&desk, wish.as_deref()))
        }
        Arrived::Linked => reply::see_other("/account/security?done=linked"),
    };
    let mut response = bounce(&desk, &led)?;
    if let Some(gone) = cookies::transaction(&desk.policy, "", std::time::Duration::ZERO) {
        response.headers_mut().append(header::SET_COOKIE, gone);
    }
    Ok(response)
}

/// The provider says that somebody signed out there. Its signature is the credential; other fields than the token are
/// not ours to judge (OpenID Connect Back-Channel Logout 1.0, section 2.5).
pub(super) async fn logout(
    State(desk): State<Desk>,
    Allowed(_permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    Path(name): Path<String>,
    mut intake: Intake,
) -> Answer {
    let token = intake.optional("logout_token");
    let token = token.ok_or_else(|| Refusal::new(Denial::ProviderRefused, "logout token: there is none"))?;
    desk.access.provider_logout(&name, token.expose(), &exchange.origin()).await?;
    let mut response = Response::new(Body::empty());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

pub(crate) fn keep(desk: &Desk, departure: &palisade_access::Departure, headers: &mut HeaderMap) {
    if let Some(cookie) = cookies::transaction(&desk.policy, &departure.cookie, departure.life) {
        headers.append(header::SET_COOKIE, cookie);
    }
}

/// A redirect as a page that goes on by itself.
fn bounce(desk: &Desk, redirect: &Response<Body>) -> Result<Response<Body>, Refusal> {
    let to = redirect.headers().get(header::LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("/");
    let mut response = onward(desk, to)?;
    for cookie in redirect.headers().get_all(header::SET_COOKIE) {
        response.headers_mut().append(header::SET_COOKIE, cookie.clone());
    }
    if redirect.extensions().get::<SignedIn>().is_some() {
        response.extensions_mut().insert(SignedIn);
    }
    Ok(response)
}

pub(crate) fn onward(desk: &Desk, to: &str) -> Result<Response<Body>, Refusal> {
    let nonce = reply::nonce(desk)?;
    let page = Onward { frame: desk.frame(&nonce), to };
    let mut response = reply::page(&page, &nonce, None)?;
    // The callback's address holds a code, which is used up; all the same nobody else reads it.
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}
