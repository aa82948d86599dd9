//! `/auth/confirm` and `/api/v1/auth/confirm`: proof anew of who holds a session (ID-17).

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, Uri};
use palisade_access::{Method, Principal, Shown};
use palisade_gate::{Allowed, Exchange};
use palisade_model::{Refusal, Secret};

use crate::pages::{Field, Second};
use crate::service::assets;
use crate::service::identity::entrance::passkey;
use crate::service::identity::entrance::second::{code_field, correctable};
use crate::service::identity::intake::{Intake, Speech};
use crate::service::identity::{Answer, Desk, lasting, next, reply, somebody};

/// Where to go afterwards when nobody says.
const ACCOUNT: &str = "/account";

/// What is asked for.
pub(super) async fn page(State(desk): State<Desk>, Allowed(permit): Allowed, uri: Uri) -> Answer {
    let wish = reply::query(&uri, "next");
    let next = wish.as_deref().and_then(next::local).unwrap_or(ACCOUNT);
    Ok(form(&desk, somebody(&permit)?, next, None).await?)
}

/// A challenge for a passkey.
pub(super) async fn challenge(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    mut intake: Intake,
) -> Answer {
    intake.finish()?;
    Ok(passkey::challenged(&desk.access.confirm_challenge(somebody(&permit)?).await?))
}

/// The password, a code, or a passkey's answer.
pub(super) async fn submit(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    let principal = somebody(&permit)?;
    // For password managers, which want to see whose password it is.
    intake.skip("username");
    let wish = if intake.speech == Speech::Form { intake.optional("next") } else { None };
    let shown = match intake.optional("password") {
        Some(password) => Shown::Password(password),
        None => passkey::shown(&mut intake),
    };
    let checked = intake.finish();
    let next = wish.as_ref().map(Secret::expose).and_then(next::local).unwrap_or(ACCOUNT);
    let outcome = match checked {
        Ok(()) => desk.access.confirm(principal, &shown, &exchange.origin()).await,
        Err(refusal) => Err(refusal),
    };
    match (outcome, intake.speech) {
        (Ok(new), Speech::Form) => Ok(reply::begin(&desk, &new, reply::see_other(next))),
        (Ok(new), Speech::Json) => Ok(reply::renewed(&desk, &new)?),
        (Err(refusal), Speech::Form) if correctable(&refusal) => {
            Ok(form(&desk, principal, next, Some(&refusal)).await?)
        }
        (Err(refusal), _) => Err(refusal.into()),
    }
}

async fn form(
    desk: &Desk,
    principal: &Principal,
    next: &str,
    refusal: Option<&Refusal>,
) -> Result<Response<Body>, Refusal> {
    let (methods, password) = desk.access.confirmable(principal).await?;
    let nonce = reply::nonce(desk)?;
    let csrf_token = desk.access.csrf_token(principal)?;
    let page = Second {
        frame: reply::troubled(desk.frame_of(&nonce, principal), refusal),
        again: true,
        lasting: lasting(principal),
        action: "/auth/confirm",
        challenge: "/api/v1/auth/confirm/challenge",
        script: assets::script(),
        name: principal.name(),
        by_passkey: methods.contains(&Method::Passkey) && desk.access.passkeys_possible(),
        field: if password { Some(Field::password()) } else { code_field(&methods) },
        csrf_field: &desk.policy.csrf.field,
        csrf_token: &csrf_token,
        next,
    };
    reply::page(&page, &nonce, refusal)
}
