//! `/account/identities`: one's accounts at other sites, linked and unlinked (ID-6).

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use palisade_gate::{Allowed, Exchange};
use palisade_model::Denial;
use serde_json::{Value, json};

use crate::service::identity::entrance::provider::{keep, onward};
use crate::service::identity::intake::{Intake, Speech};
use crate::service::identity::{Answer, Desk, reply, somebody};

/// One's accounts elsewhere, for programs.
pub(super) async fn list(State(desk): State<Desk>, Allowed(permit): Allowed) -> Answer {
    let identities = desk.access.identities(somebody(&permit)?).await?;
    let list: Vec<Value> = identities
        .iter()
        .map(|one| {
            json!({
                "provider": one.provider,
                "issuer": one.issuer,
                "subject": one.subject,
                "email": one.email,
                "linked_at": one.linked_at.to_string(),
                "last_used_at": one.last_used.map(|at| at.to_string()),
            })
        })
        .collect();
    Ok(reply::json(200, &json!({ "identities": list })))
}

/// To the provider, to link an account there. A form may not lead to another site (form-action), so a page does.
pub(super) async fn link(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    let principal = somebody(&permit)?;
    let name = intake.required("provider", "Name a provider.");
    intake.finish()?;
    let origin = exchange.origin();
    let departure = desk.access.depart(name.expose(), None, Some(principal), true, &origin).await?;
    let mut response = match intake.speech {
        Speech::Form => onward(&desk, &departure.location)?,
        Speech::Json => reply::json(200, &json!({ "location": departure.location })),
    };
    keep(&desk, &departure, response.headers_mut());
    Ok(response)
}

/// Takes an account elsewhere off one's own.
pub(super) async fn unlink(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    let principal = somebody(&permit)?;
    let issuer = intake.required("issuer", "Name the issuer.");
    let subject = intake.required("subject", "Name the subject.");
    intake.finish()?;
    let origin = exchange.origin();
    if !desk.access.unlink(principal, issuer.expose(), subject.expose(), &origin).await? {
        return Err(Denial::RouteUnknown.into());
    }
    Ok(match intake.speech {
        Speech::Form => reply::see_other("/account/security?done=unlinked"),
        Speech::Json => reply::done(),
    })
}
