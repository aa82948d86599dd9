//! `/auth/login` and `/api/v1/auth/login` (ID-1).
//!
//! The answer is the same whether the name is unknown, the password is wrong or the account is disabled; `access`
//! sees to it that the time is, too.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, Uri};
use palisade_access::{Entered, Issued, Via};
use palisade_gate::{Allowed, Exchange};
use palisade_model::Refusal;

use super::tokens;
use crate::pages::{Field, SignIn};
use crate::service::assets;
use crate::service::identity::intake::{Intake, Speech};
use crate::service::identity::{Answer, Desk, next, reply};

/// What the form starts from, or comes back with.
#[derive(Default)]
struct Filled<'a> {
    login: &'a str,
    next: &'a str,
    notice: Option<&'static str>,
    refusal: Option<&'a Refusal>,
}

/// The empty form. Who is signed in already is sent on.
pub(super) async fn page(State(desk): State<Desk>, Allowed(permit): Allowed, uri: Uri) -> Answer {
    let wish = reply::query(&uri, "next");
    if permit.principal().is_some_and(|principal| matches!(principal.via(), Via::Session(_))) {
        return Ok(reply::see_other(reply::destination(&desk, wish.as_deref())));
    }
    let notice = match reply::query(&uri, "done").as_deref() {
        Some("signed-out") => Some("You are signed out."),
        Some("visit-ended") => Some("Your token was ended. Nobody gets in with it any more."),
        Some("signed-out-there") => Some("You are signed out, here and at the other site."),
        _ => None,
    };
    let next = wish.as_deref().and_then(next::local).unwrap_or_default();
    Ok(form(&desk, &Filled { next, notice, ..Filled::default() })?)
}

/// A form or a JSON body with name and password.
pub(super) async fn submit(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    if desk.is_former(&exchange) {
        intake.rename(&["username", "email"], "login");
    }
    let login = intake.required("login", "Enter your name or e-mail.");
    let password = intake.required("password", "Enter your password.");
    let checked;
    let (wish, session) = match intake.speech {
        Speech::Form => {
            let wish = intake.optional("next");
            checked = intake.finish();
            (wish, true)
        }
        Speech::Json => {
            let session = intake.flag("session");
            checked = intake.finish();
            (None, session)
        }
    };
    let wish = wish.as_ref().map(|path| path.expose());
    let former = permit.principal();
    let origin = &exchange.origin();
    if !session {
        checked?;
        return Ok(match desk.access.sign_in_tokens(login.expose(), &password, origin).await? {
            Issued::Tokens(issued) => reply::signed_in(tokens::issued(&issued)),
            Issued::SecondFactor(half) => reply::half_in(&desk, &half),
        });
    }
    let outcome = match checked {
        Ok(()) => desk.access.sign_in(login.expose(), &password, origin, former).await,
        Err(refusal) => Err(refusal),
    };
    match (outcome, intake.speech) {
        (Ok(entered), Speech::Form) => Ok(reply::entered(&desk, &entered, reply::destination(&desk, wish))),
        (Ok(Entered::Session(new)), Speech::Json) => reply::begun(&desk, &new).map_err(Into::into),
        (Ok(Entered::SecondFactor(half)), Speech::Json) => Ok(reply::half_in(&desk, &half)),
        (Err(refusal), Speech::Form) if reply::correctable(&refusal) => {
            let next = wish.and_then(next::local).unwrap_or_default();
            let filled = Filled { login: login.expose(), next, refusal: Some(&refusal), ..Filled::default() };
            Ok(form(&desk, &filled)?)
        }
        (Err(refusal), _) => Err(refusal.into()),
    }
}

/// The form again, for whoever came by a passkey that was not believed.
pub(super) fn again(desk: &Desk, next: &str, refusal: &Refusal) -> Result<Response<Body>, Refusal> {
    form(desk, &Filled { next, refusal: Some(refusal), ..Filled::default() })
}

fn form(desk: &Desk, filled: &Filled<'_>) -> Result<Response<Body>, Refusal> {
    let nonce = reply::nonce(desk)?;
    let page = SignIn {
        frame: reply::troubled(desk.frame(&nonce), filled.refusal).with_notice(filled.notice),
        login: Field::login().with_value(filled.login),
        password: Field::password(),
        next: filled.next,
        sign_up: desk.policy.identify.sign_up,
        providers: &desk.policy.identify.providers,
        passkeys: desk.access.passkeys_possible(),
        script: assets::script(),
    };
    reply::page(&page, &nonce, filled.refusal)
}
