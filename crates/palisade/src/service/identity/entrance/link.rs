//! `/auth/link/{token}` and `/auth/reset-password/{token}`: a one-time link with which somebody sets their password.
//! The first is handed over by administrators, the second comes by mail (ID-4).
//!
//! Looking at it changes nothing (mail programs look at links before people do); only the form uses it up. The token
//! stands in the path, so the page sends no Referer anywhere and is kept by nobody.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Response;
use palisade_access::OpenLink;
use palisade_gate::{Allowed, Exchange};
use palisade_model::{Denial, Refusal};

use crate::pages::{Field, Link};
use crate::service::identity::intake::{Intake, Speech};
use crate::service::identity::{Answer, Desk, reply};

/// The form, for a link that is still good.
pub(super) async fn page(
    State(desk): State<Desk>,
    Allowed(_permit): Allowed,
    Path(token): Path<String>,
) -> Answer {
    let link = desk.access.open_link(&token).await?;
    Ok(form(&desk, &link, None)?)
}

/// Uses the link up: the password is set, all else of the user's is signed out, and they are signed in here.
pub(super) async fn submit(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Path(token): Path<String>,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    let password = intake.required("password", "Enter a new password.");
    let outcome = match intake.finish() {
        Ok(()) => desk.access.redeem_link(&token, &password, &exchange.origin(), permit.principal()).await,
        Err(refusal) => Err(refusal),
    };
    match outcome {
        Ok(entered) => Ok(reply::entered(&desk, &entered, &desk.policy.identify.home)),
        Err(refusal) if reply::correctable(&refusal) => {
            let link = desk.access.open_link(&token).await?;
            Ok(form(&desk, &link, Some(&refusal))?)
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// The same for programs, which are not signed in by it.
pub(super) async fn reset(
    State(desk): State<Desk>,
    Allowed(_permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    if intake.speech != Speech::Json {
        return Err(Denial::MediaType.into());
    }
    let token = intake.required("token", "Send the token of the link.");
    let password = intake.required("password", "Send a new password.");
    intake.finish()?;
    desk.access.set_password_by_link(token.expose(), &password, &exchange.origin()).await?;
    Ok(reply::done())
}

fn form(desk: &Desk, link: &OpenLink, refusal: Option<&Refusal>) -> Result<Response<Body>, Refusal> {
    let nonce = reply::nonce(desk)?;
    let page = Link {
        frame: reply::troubled(desk.frame(&nonce), refusal),
        name: &link.user.name,
        restores: link.restores.as_deref(),
        password: Field::new_password("password", "New password", &desk.rules),
    };
    Ok(reply::quietly(desk, reply::page(&page, &nonce, refusal)?))
}
