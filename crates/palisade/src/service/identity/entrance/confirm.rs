//! `/auth/confirm/{token}`: a registration is finished by whoever reads the mail and knows the password (ID-4).
//!
//! Looking changes nothing: mail programs look at links before people do.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Response;
use palisade_gate::{Allowed, Exchange};
use palisade_model::{Denial, Refusal};

use crate::pages::{Confirm, Field};
use crate::service::identity::intake::Intake;
use crate::service::identity::{Answer, Desk, reply};

/// The form, for a link that is still good.
pub(super) async fn page(
    State(desk): State<Desk>,
    Allowed(_permit): Allowed,
    Path(token): Path<String>,
) -> Answer {
    let name = desk.access.registered_name(&token).await?;
    Ok(form(&desk, &name, None)?)
}

/// Makes the account and signs in.
pub(super) async fn submit(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Path(token): Path<String>,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    let name = intake.required("name", "Choose a name.");
    let password = intake.required("password", "Enter the password that you registered with.");
    let outcome = match intake.finish() {
        Ok(()) => {
            desk.access
                .confirm_sign_up(&token, name.expose(), &password, &exchange.origin(), permit.principal())
                .await
        }
        Err(refusal) => Err(refusal),
    };
    match outcome {
        Ok(entered) => Ok(reply::entered(&desk, &entered, &desk.policy.identify.home)),
        Err(refusal) if refusal.denial != Denial::LinkInvalid && reply::correctable(&refusal) => {
            Ok(form(&desk, name.expose(), Some(&refusal))?)
        }
        Err(refusal) => Err(refusal.into()),
    }
}

fn form(desk: &Desk, name: &str, refusal: Option<&Refusal>) -> Result<Response<Body>, Refusal> {
    let nonce = reply::nonce(desk)?;
    let page = Confirm {
        frame: reply::troubled(desk.frame(&nonce), refusal),
        name: Field::name().with_value(name),
        password: Field::password(),
    };
    Ok(reply::quietly(desk, reply::page(&page, &nonce, refusal)?))
}
