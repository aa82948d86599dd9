//! `/auth/passkey` and `/api/v1/auth/passkey`: sign-in by a passkey alone (ID-17).

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use palisade_access::{Challenge, Shown};
use palisade_gate::{Allowed, Exchange};
use palisade_model::Secret;
use serde_json::Value;

use super::sign_in;
use crate::service::identity::intake::{Intake, Speech};
use crate::service::identity::{Answer, Desk, next, reply};

/// A challenge for any passkey of this site.
pub(super) async fn challenge(
    State(desk): State<Desk>,
    Allowed(_permit): Allowed,
    mut intake: Intake,
) -> Answer {
    intake.finish()?;
    Ok(challenged(&desk.access.passkey_challenge().await?))
}

/// The passkey's answer.
pub(super) async fn submit(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    let ceremony = intake.required("ceremony", "Send the name of the challenge.");
    let credential = intake.required("credential", "Send the passkey's answer, as JSON in a string.");
    let wish = if intake.speech == Speech::Form { intake.optional("next") } else { None };
    intake.finish()?;
    let wish = wish.as_ref().map(Secret::expose);
    let origin = exchange.origin();
    let outcome = desk.access.sign_in_by_passkey(&ceremony, &credential, &origin, permit.principal()).await;
    match (outcome, intake.speech) {
        (Ok(new), Speech::Form) => {
            let onward = reply::see_other(reply::destination(&desk, wish));
            Ok(reply::signed_in(reply::begin(&desk, &new, onward)))
        }
        (Ok(new), Speech::Json) => Ok(reply::begun(&desk, &new)?),
        (Err(refusal), Speech::Form) if reply::correctable(&refusal) => {
            Ok(sign_in::again(&desk, wish.and_then(next::local).unwrap_or_default(), &refusal)?)
        }
        (Err(refusal), _) => Err(refusal.into()),
    }
}

/// A challenge as the script takes it.
pub(crate) fn challenged(challenge: &Challenge) -> Response<Body> {
    let public_key = challenge.options.get("publicKey").unwrap_or(&Value::Null);
    reply::json(200, &serde_json::json!({ "ceremony": challenge.ceremony.expose(), "publicKey": public_key }))
}

/// What somebody shows of their factors: a code, or a passkey's answer.
pub(crate) fn shown(intake: &mut Intake) -> Shown {
    match (intake.optional("ceremony"), intake.optional("credential")) {
        (Some(ceremony), Some(credential)) => Shown::Passkey { ceremony, credential },
        _ => Shown::Code(intake.required("code", "Write the code.")),
    }
}
