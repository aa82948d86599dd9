//! `/auth/second` and `/api/v1/auth/second`: the second step of a sign-in (ID-17).
//!
//! A browser holds its ticket in a cookie, a program in its hands. Neither is good for anything else.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, Uri, header};
use palisade_access::{Completed, Method};
use palisade_gate::{Allowed, Exchange};
use palisade_model::{Denial, Refusal, Secret};

use super::{passkey, tokens};
use crate::pages::{Field, Second};
use crate::service::assets;
use crate::service::identity::intake::{Intake, Speech};
use crate::service::identity::{Answer, Desk, cookies, next, reply};

/// What is asked for.
pub(super) async fn page(
    State(desk): State<Desk>,
    Allowed(_permit): Allowed,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let wish = reply::query(&uri, "next");
    let next = wish.as_deref().and_then(next::local).unwrap_or_default();
    Ok(form(&desk, ticket(&desk, &headers, None)?.expose(), next, None).await?)
}

/// A challenge for a passkey.
pub(super) async fn challenge(
    State(desk): State<Desk>,
    Allowed(_permit): Allowed,
    headers: HeaderMap,
    mut intake: Intake,
) -> Answer {
    let given = intake.optional("ticket");
    intake.finish()?;
    let ticket = ticket(&desk, &headers, given)?;
    Ok(passkey::challenged(&desk.access.second_challenge(ticket.expose()).await?))
}

/// A code, or a passkey's answer.
pub(super) async fn submit(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    headers: HeaderMap,
    mut intake: Intake,
) -> Answer {
    let given = intake.optional("ticket");
    let wish = if intake.speech == Speech::Form { intake.optional("next") } else { None };
    let shown = passkey::shown(&mut intake);
    let checked = intake.finish();
    let wish = wish.as_ref().map(Secret::expose);
    let ticket = ticket(&desk, &headers, given)?;
    let outcome = match checked {
        Ok(()) => {
            let origin = exchange.origin();
            desk.access.second(ticket.expose(), &shown, &origin, permit.principal()).await
        }
        Err(refusal) => Err(refusal),
    };
    match (outcome, intake.speech) {
        (Ok(Completed::Session(new)), Speech::Form) => {
            let onward = reply::see_other(reply::destination(&desk, wish));
            Ok(over(&desk, reply::signed_in(reply::begin(&desk, &new, onward))))
        }
        (Ok(Completed::Session(new)), Speech::Json) => Ok(over(&desk, reply::begun(&desk, &new)?)),
        (Ok(Completed::Tokens(issued)), _) => Ok(reply::signed_in(tokens::issued(&issued))),
        (Err(refusal), Speech::Form) if correctable(&refusal) => {
            let next = wish.and_then(next::local).unwrap_or_default();
            Ok(form(&desk, ticket.expose(), next, Some(&refusal)).await?)
        }
        (Err(refusal), _) => Err(refusal.into()),
    }
}

/// Whether the form is the best answer.
pub(crate) fn correctable(refusal: &Refusal) -> bool {
    reply::correctable(refusal) || refusal.denial == Denial::FactorWrong
}

/// What can be typed in the place of a passkey.
pub(crate) fn code_field(methods: &[Method]) -> Option<Field<'static>> {
    let has = |method| methods.contains(&method);
    match (has(Method::Totp), has(Method::RecoveryCode)) {
        (true, _) => Some(Field::code("Code", "From your authenticator app, or one of your recovery codes.")),
        (false, true) => Some(Field::code("Recovery code", "One of the codes that you kept.")),
        (false, false) => None,
    }
}

fn ticket(desk: &Desk, headers: &HeaderMap, given: Option<Secret>) -> Result<Secret, Refusal> {
    let kept = || cookies::ticket_of(&desk.policy, headers).map(Secret::new);
    given.or_else(kept).ok_or_else(|| Refusal::new(Denial::TicketInvalid, "no ticket was shown"))
}

/// The answer that takes the ticket back.
fn over(desk: &Desk, mut response: Response<Body>) -> Response<Body> {
    if let Some(cookie) = cookies::ticket(&desk.policy, "", Duration::ZERO) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The form, as long as the ticket is good; with the last try it is over, and `refusal` is all there is to say.
async fn form(
    desk: &Desk,
    ticket: &str,
    next: &str,
    refusal: Option<&Refusal>,
) -> Result<Response<Body>, Refusal> {
    let (methods, _) = desk.access.waiting(ticket).await?;
    let nonce = reply::nonce(desk)?;
    let page = Second {
        frame: reply::troubled(desk.frame(&nonce), refusal),
        again: false,
        lasting: true,
        action: "/auth/second",
        challenge: "/api/v1/auth/second/challenge",
        script: assets::script(),
        name: "",
        by_passkey: methods.contains(&Method::Passkey) && desk.access.passkeys_possible(),
        field: code_field(&methods),
        csrf_field: "",
        csrf_token: "",
        next,
    };
    reply::page(&page, &nonce, refusal)
}
