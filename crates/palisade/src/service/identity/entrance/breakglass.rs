//! `/auth/breakglass`: the way in when all others fail (ID-13).

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use palisade_gate::{Allowed, BrokeGlass, Exchange};
use palisade_model::{Denial, FieldFault, Refusal};

use crate::pages::{Breakglass, Field};
use crate::service::identity::intake::Intake;
use crate::service::identity::{Answer, Desk, reply};

/// The form.
pub(super) async fn page(State(desk): State<Desk>, Allowed(_permit): Allowed) -> Answer {
    Ok(form(&desk, None)?)
}

/// Opens a boxed session for a breakglass token.
pub(super) async fn submit(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    let token = intake.required("token", "Enter the token.");
    let outcome = match intake.finish() {
        Ok(()) => {
            desk.access.redeem_breakglass(token.expose().trim(), &exchange.origin(), permit.principal()).await
        }
        Err(refusal) => Err(refusal),
    };
    match outcome {
        Ok(new) => {
            let onward = reply::see_other(&desk.policy.identify.home);
            let mut answer = reply::signed_in(reply::begin(&desk, &new, onward));
            answer.extensions_mut().insert(BrokeGlass(new.principal));
            Ok(answer)
        }
        Err(refusal) if matches!(refusal.denial, Denial::InvalidInput | Denial::CredentialInvalid) => {
            Ok(form(&desk, Some(&refusal))?)
        }
        Err(refusal) => Err(refusal.into()),
    }
}

fn form(desk: &Desk, refusal: Option<&Refusal>) -> Result<Response<Body>, Refusal> {
    let nonce = reply::nonce(desk)?;
    let frame = match refusal.map(|refusal| refusal.denial) {
        Some(Denial::CredentialInvalid) => {
            let fault = FieldFault::new("token", "It is wrong, used or run out: issue another on the host.");
            desk.frame(&nonce).with_faults("That token opens nothing", vec![fault])
        }
        _ => reply::troubled(desk.frame(&nonce), refusal),
    };
    let page = Breakglass { frame, token: Field::breakglass_token() };
    reply::page(&page, &nonce, refusal)
}
