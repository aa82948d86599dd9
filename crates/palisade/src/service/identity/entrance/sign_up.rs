//! `/auth/register` and `/api/v1/auth/register` (ID-1).
//!
//! Where addresses are confirmed first (`identify.sign_up.verify`), the answer is the same whatever is taken: the mail
//! tells. Elsewhere a name that is taken has to be told, or nobody could choose another. The same words are used for an
//! e-mail address, so that neither is named as the one; but whoever picks a name that is surely free learns about the
//! address. The `login` limit bounds how often they may ask, and each attempt costs a whole registration.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, Uri};
use palisade_access::{SignUp, SignedUp, Via};
use palisade_gate::{Allowed, Exchange};
use palisade_model::{Denial, Refusal, Secret};
use serde_json::json;

use crate::pages::{Field, Register};
use crate::service::identity::intake::{Intake, Speech};
use crate::service::identity::{Answer, Desk, next, reply};

/// What the form starts from, or comes back with.
#[derive(Default)]
struct Filled<'a> {
    name: &'a str,
    email: &'a str,
    next: &'a str,
    refusal: Option<&'a Refusal>,
}

/// The empty form.
pub(super) async fn page(State(desk): State<Desk>, Allowed(permit): Allowed, uri: Uri) -> Answer {
    if !desk.policy.identify.sign_up {
        return Err(Denial::SignUpClosed.into());
    }
    let wish = reply::query(&uri, "next");
    if permit.principal().is_some_and(|principal| matches!(principal.via(), Via::Session(_))) {
        return Ok(reply::see_other(reply::destination(&desk, wish.as_deref())));
    }
    let next = wish.as_deref().and_then(next::local).unwrap_or_default();
    Ok(form(&desk, &Filled { next, ..Filled::default() })?)
}

/// A form, which also signs in, or a JSON body.
pub(super) async fn submit(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    if desk.is_former(&exchange) {
        intake.rename(&["username"], "name");
    }
    let name = intake.required("name", "Choose a name.");
    let email = intake.optional("email");
    let password = intake.required("password", "Choose a password.");
    let wish = match intake.speech {
        Speech::Form => intake.optional("next"),
        Speech::Json => None,
    };
    let wish = wish.as_ref().map(|path| path.expose());
    let email = email.as_ref().map(Secret::expose);
    let outcome = match intake.finish() {
        Ok(()) => {
            let wanted = SignUp {
                name: name.expose().to_owned(),
                email: email.map(str::to_owned),
                password: password.clone(),
            };
            desk.access.sign_up(wanted, &exchange.origin()).await
        }
        Err(refusal) => Err(refusal),
    };
    match (outcome, intake.speech) {
        (Ok(SignedUp::Awaiting), Speech::Form) => {
            let what = "An e-mail is on its way to the address that you entered.";
            Ok(reply::sent(&desk, what, "/auth/register", ("/auth/login", "Back to sign-in"))?)
        }
        (Ok(SignedUp::Awaiting), Speech::Json) => Ok(reply::json(202, &json!({ "status": "accepted" }))),
        (Ok(SignedUp::Made(_)), Speech::Form) => {
            let entered =
                desk.access.sign_in(name.expose(), &password, &exchange.origin(), permit.principal()).await?;
            Ok(reply::entered(&desk, &entered, reply::destination(&desk, wish)))
        }
        (Ok(SignedUp::Made(id)), Speech::Json) => {
            Ok(reply::json(201, &json!({ "id": id.to_string(), "name": name.expose(), "email": email })))
        }
        (Err(refusal), Speech::Form) if reply::correctable(&refusal) => {
            let next = wish.and_then(next::local).unwrap_or_default();
            let email = email.unwrap_or_default();
            Ok(form(&desk, &Filled { name: name.expose(), email, next, refusal: Some(&refusal) })?)
        }
        (Err(refusal), _) => Err(refusal.into()),
    }
}

fn form(desk: &Desk, filled: &Filled<'_>) -> Result<Response<Body>, Refusal> {
    let nonce = reply::nonce(desk)?;
    let page = Register {
        frame: reply::troubled(desk.frame(&nonce), filled.refusal),
        name: Field::name().with_value(filled.name),
        email: if desk.policy.identify.verify { Field::needed_email() } else { Field::email() }
            .with_value(filled.email),
        password: Field::new_password("password", "Password", &desk.rules),
        next: filled.next,
        providers: &desk.policy.identify.providers,
    };
    reply::page(&page, &nonce, filled.refusal)
}
