//! `/auth/forgot-password` and its JSON twin: a link by mail to set a new password (ID-4).
//!
//! Page, status and time are the same whether there is such an account or not; `access` sees to the work behind it.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use palisade_gate::{Allowed, Exchange};
use palisade_model::Refusal;
use serde_json::json;

use crate::pages::{Field, Forgot};
use crate::service::identity::intake::{Intake, Speech};
use crate::service::identity::{Answer, Desk, reply};

/// The form; where no mail is sent, whom to ask instead.
pub(super) async fn page(State(desk): State<Desk>, Allowed(_permit): Allowed) -> Answer {
    Ok(form(&desk, "", None)?)
}

/// Asks for a link.
pub(super) async fn submit(
    State(desk): State<Desk>,
    Allowed(_permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    if desk.is_former(&exchange) {
        intake.rename(&["email", "username"], "login");
    }
    let login = intake.required("login", "Enter your name or e-mail.");
    let outcome = match intake.finish() {
        Ok(()) => desk.access.request_reset(login.expose(), &exchange.origin()).await,
        Err(refusal) => Err(refusal),
    };
    match (outcome, intake.speech) {
        (Ok(()), Speech::Form) => {
            let what = "If there is such an account, an e-mail with a link is on its way to its address.";
            Ok(reply::sent(&desk, what, "/auth/forgot-password", ("/auth/login", "Back to sign-in"))?)
        }
        (Ok(()), Speech::Json) => Ok(reply::json(202, &json!({ "status": "accepted" }))),
        (Err(refusal), Speech::Form) if reply::correctable(&refusal) => {
            Ok(form(&desk, login.expose(), Some(&refusal))?)
        }
        (Err(refusal), _) => Err(refusal.into()),
    }
}

fn form(desk: &Desk, login: &str, refusal: Option<&Refusal>) -> Result<Response<Body>, Refusal> {
    let nonce = reply::nonce(desk)?;
    let page = Forgot {
        frame: reply::troubled(desk.frame(&nonce), refusal),
        login: Field::login().with_value(login),
        mail: desk.policy.mail.is_on(),
    };
    reply::page(&page, &nonce, refusal)
}
