//! `/account/email`: another e-mail address, or the present one confirmed (ID-4).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use palisade_access::Via;
use palisade_gate::{Allowed, Exchange};
use palisade_model::{Denial, Refusal};
use serde_json::json;

use super::overview;
use crate::pages::Address;
use crate::service::identity::intake::{Intake, Speech};
use crate::service::identity::{Answer, Desk, reply, somebody};

/// Asks for a link to an address.
pub(super) async fn submit(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    let principal = somebody(&permit)?;
    let email = intake.required("email", "Enter an e-mail address.");
    let outcome = match intake.finish() {
        Ok(()) => desk.access.request_email(principal, email.expose(), &exchange.origin()).await,
        Err(refusal) => Err(refusal),
    };
    match (outcome, intake.speech) {
        (Ok(()), Speech::Form) => {
            let what = "An e-mail with a link is on its way to the new address.";
            Ok(reply::sent(&desk, what, "/account", ("/account", "Back to your account"))?)
        }
        (Ok(()), Speech::Json) => Ok(reply::json(202, &json!({ "status": "accepted" }))),
        (Err(refusal), Speech::Form) if reply::correctable(&refusal) => {
            Ok(overview::profile(&desk, principal, None, Some(&refusal))?)
        }
        (Err(refusal), _) => Err(refusal.into()),
    }
}

/// What a link would do. Looking changes nothing.
pub(super) async fn page(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Path(token): Path<String>,
) -> Answer {
    let principal = somebody(&permit)?;
    let email = desk.access.requested_email(principal, &token).await?;
    let nonce = reply::nonce(&desk)?;
    let csrf_token = desk.access.csrf_token(principal)?;
    let page = Address {
        frame: desk.frame_of(&nonce, principal),
        name: principal.name(),
        email: &email,
        csrf_field: &desk.policy.csrf.field,
        csrf_token: &csrf_token,
    };
    Ok(reply::quietly(&desk, reply::page(&page, &nonce, None)?))
}

/// Uses a link.
pub(super) async fn confirm(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Path(token): Path<String>,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    let principal = somebody(&permit)?;
    if !matches!(principal.via(), Via::Session(_)) {
        return Err(Refusal::new(Denial::Forbidden, "an address is confirmed in a session").into());
    }
    intake.finish()?;
    desk.access.confirm_email(principal, &token, &exchange.origin()).await?;
    Ok(reply::see_other("/account?done=email"))
}
