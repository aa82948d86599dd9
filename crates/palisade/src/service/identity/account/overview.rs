//! `/account`: who am I, change my password, end my sessions.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, Uri};
use palisade_access::{Principal, Via};
use palisade_gate::{Allowed, Exchange};
use palisade_model::id::SessionId;
use palisade_model::{Denial, Refusal, Timestamp};
use palisade_policy::section::identify::Provider;
use palisade_store::{Identity, Session};

use crate::device;
use crate::pages::{Account, Field, IdentityLine, SessionLine};
use crate::service::identity::intake::{Intake, Speech};
use crate::service::identity::{Answer, Desk, reply, somebody};

/// The whole account.
pub(super) async fn page(State(desk): State<Desk>, Allowed(permit): Allowed, uri: Uri) -> Answer {
    let notice = match reply::query(&uri, "done").as_deref() {
        Some("password") => Some("Your password was changed."),
        Some("email") => Some("Your e-mail address was confirmed."),
        Some("session") => Some("The session was ended."),
        Some("sessions") => Some("All other sessions were ended."),
        Some("linked") => Some("The account was linked. You can sign in with it now."),
        Some("unlinked") => Some("The account was unlinked."),
        _ => None,
    };
    Ok(overview(&desk, somebody(&permit)?, notice, None).await?)
}

/// Another password. The session gets a new id, and all others end.
pub(super) async fn change_password(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    request: Request<Body>,
) -> Answer {
    let principal = somebody(&permit)?;
    if !matches!(principal.via(), Via::Session(_)) {
        return Err(Refusal::new(Denial::Forbidden, "a password is changed in a session").into());
    }
    let (head, body) = request.into_parts();
    let mut intake = Intake::read(&head.headers, body).await?;
    let current = intake.required("old_password", "Enter your current password.");
    let password = intake.required("new_password", "Enter a new password.");
    if intake.speech == Speech::Form {
        intake.skip(&desk.policy.csrf.field);
        // For password managers, which want to see whose password it is.
        intake.skip("username");
    }
    let outcome = match intake.finish() {
        Ok(()) => desk.access.change_password(principal, &current, &password, &exchange.origin()).await,
        Err(refusal) => Err(refusal),
    };
    match (outcome, intake.speech) {
        (Ok(new), Speech::Form) => Ok(reply::begin(&desk, &new, reply::see_other("/account?done=password"))),
        (Ok(new), Speech::Json) => Ok(reply::begin(&desk, &new, reply::done())),
        (Err(refusal), Speech::Form) if reply::correctable(&refusal) => {
            Ok(overview(&desk, principal, None, Some(&refusal)).await?)
        }
        (Err(refusal), _) => Err(refusal.into()),
    }
}

/// Ends one session, or all others.
pub(super) async fn end_sessions(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    request: Request<Body>,
) -> Answer {
    let principal = somebody(&permit)?;
    let (head, body) = request.into_parts();
    let mut intake = Intake::read(&head.headers, body).await?;
    intake.skip(&desk.policy.csrf.field);
    let which = intake.required("session", "Name a session, or 'others'.");
    intake.finish()?;
    let done = if which.expose() == "others" {
        desk.access.end_other_sessions(principal, &exchange.origin()).await?;
        "/account?done=sessions"
    } else {
        let id = SessionId::parse(which.expose())
            .ok_or_else(|| Refusal::field("session", "Name a session, or 'others'."))?;
        desk.access.end_session(principal, id, &exchange.origin()).await?;
        "/account?done=session"
    };
    Ok(match intake.speech {
        Speech::Form => reply::see_other(done),
        Speech::Json => reply::done(),
    })
}

pub(super) async fn overview(
    desk: &Desk,
    principal: &Principal,
    notice: Option<&'static str>,
    refusal: Option<&Refusal>,
) -> Result<Response<Body>, Refusal> {
    let sessions = desk.access.sessions(principal).await?;
    let lines: Vec<SessionLine> = sessions.iter().map(|session| line(session, principal)).collect();
    let roles: Vec<&str> = principal.role_names().iter().map(String::as_str).collect();
    let identities = desk.access.identities(principal).await?;
    let providers = &desk.policy.identify.providers;
    let missing = |provider: &&Provider| identities.iter().all(|one| one.issuer != provider.issuer.text);
    let linkable: Vec<&Provider> = providers.iter().filter(missing).collect();
    let identities: Vec<IdentityLine> = identities.iter().map(|one| identity(one, providers)).collect();
    let csrf_token = desk.access.csrf_token(principal)?;
    let nonce = reply::nonce(desk)?;
    let run_out = principal
        .password_expires_at()
        .filter(|at| *at <= desk.world.now())
        .map(|_| "Your password has run out. Change it to go on.");
    let page = Account {
        frame: reply::troubled(desk.frame(&nonce), refusal)
            .with_notice(notice.or(run_out))
            .boxed(principal.kind() == palisade_store::SessionKind::Breakglass),
        name: principal.name(),
        email: principal.email(),
        confirmed: principal.confirmed_email().is_some(),
        new_email: desk.policy.mail.is_on().then(|| Field::new_email(principal)),
        tenant: principal.tenant().map(palisade_model::TenantId::as_str),
        roles: &roles,
        current: Field::current_password(),
        password: Field::new_password("new_password", "New password", &desk.rules),
        csrf_field: &desk.policy.csrf.field,
        csrf_token: &csrf_token,
        sessions: &lines,
        identities: &identities,
        linkable: &linkable,
    };
    reply::page(&page, &nonce, refusal)
}

fn identity(identity: &Identity, providers: &[Provider]) -> IdentityLine {
    let provider = providers.iter().find(|one| one.issuer.text == identity.issuer);
    IdentityLine {
        label: provider.map_or_else(|| identity.provider.clone(), |one| one.label.clone()),
        email: identity.email.clone(),
        issuer: identity.issuer.clone(),
        subject: identity.subject.clone(),
        linked_at: identity.linked_at.to_string(),
        linked: readable(identity.linked_at),
    }
}

fn line(session: &Session, principal: &Principal) -> SessionLine {
    SessionLine {
        id: session.id.to_string(),
        device: device::describe(session.agent.as_deref()),
        address: session.address.clone(),
        created_at: session.created_at.to_string(),
        created: readable(session.created_at),
        seen_at: session.last_seen.to_string(),
        seen: readable(session.last_seen),
        current: principal.via() == Via::Session(session.id),
    }
}

/// `22 Nov 2026, 15:40 UTC`. The server does not know the reader's zone, so it names its own.
pub(super) fn readable(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.as_micros())
        .map_or_else(|_| at.to_string(), |time| time.strftime("%-d %b %Y, %H:%M UTC").to_string())
}
