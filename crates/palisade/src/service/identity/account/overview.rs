//! `/account` and the pages below it: who am I, how do I sign in, and where.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, Uri};
use palisade_access::{Principal, Via};
use palisade_gate::{Allowed, Exchange};
use palisade_model::id::SessionId;
use palisade_model::{Denial, Refusal, Timestamp};
use palisade_policy::section::identify::Provider;
use palisade_store::{Identity, Session};

use crate::device;
use crate::pages::{Field, IdentityLine, Place, Profile, Security, SessionLine, Sessions};
use crate::service::identity::intake::{Intake, Speech};
use crate::service::identity::{Answer, Desk, lasting, reply, somebody};

/// How one signs in.
pub(super) async fn security_page(State(desk): State<Desk>, Allowed(permit): Allowed, uri: Uri) -> Answer {
    Ok(security(&desk, somebody(&permit)?, notice(&uri), None).await?)
}

/// Where one is signed in.
pub(super) async fn sessions_page(State(desk): State<Desk>, Allowed(permit): Allowed, uri: Uri) -> Answer {
    let principal = somebody(&permit)?;
    let sessions = desk.access.sessions(principal).await?;
    let lines: Vec<SessionLine> = sessions.iter().map(|session| line(session, principal)).collect();
    let (nonce, csrf_token) = (reply::nonce(&desk)?, desk.access.csrf_token(principal)?);
    let page = Sessions {
        frame: desk.inside(&nonce, principal, &csrf_token, Place::Sessions).or_notice(notice(&uri)),
        sessions: &lines,
        csrf_field: &desk.policy.csrf.field,
        csrf_token: &csrf_token,
    };
    Ok(reply::page(&page, &nonce, None)?)
}

/// What went well on the page before.
pub(super) fn notice(uri: &Uri) -> Option<&'static str> {
    Some(match reply::query(uri, "done")?.as_str() {
        "password" => "Your password was changed.",
        "password-set" => "Your password was set. You can sign in with it from now on.",
        "email" => "Your e-mail address was confirmed.",
        "session" => "The session was ended.",
        "sessions" => "All other sessions were ended.",
        "linked" => "The account was linked. You can sign in with it now.",
        "unlinked" => "The account was unlinked.",
        "added" => "It was added. All your other sessions were ended.",
        "removed" => "It was removed. All your other sessions were ended.",
        "key" => "The key was ended. No program gets in with it any more.",
        _ => return None,
    })
}

/// Another password, or the first. The session gets a new id, and all others end.
pub(super) async fn change_password(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    let principal = somebody(&permit)?;
    if !matches!(principal.via(), Via::Session(_)) {
        return Err(Refusal::new(Denial::Forbidden, "a password is changed in a session").into());
    }
    let first = !desk.access.has_password(principal).await?;
    let current = (!first).then(|| intake.required("old_password", "Enter your current password."));
    let password = intake.required("new_password", "Enter a new password.");
    if intake.speech == Speech::Form {
        // For password managers, which want to see whose password it is.
        intake.skip("username");
    }
    let origin = exchange.origin();
    let outcome = match (intake.finish(), &current) {
        (Ok(()), Some(current)) => desk.access.change_password(principal, current, &password, &origin).await,
        (Ok(()), None) => desk.access.set_first_password(principal, &password, &origin).await,
        (Err(refusal), _) => Err(refusal),
    };
    match (outcome, intake.speech) {
        (Ok(new), Speech::Form) => {
            let done = if first { "password-set" } else { "password" };
            let onward = reply::see_other(&format!("/account/security?done={done}"));
            Ok(reply::begin(&desk, &new, onward))
        }
        (Ok(new), Speech::Json) => Ok(reply::begin(&desk, &new, reply::done())),
        (Err(refusal), Speech::Form) if reply::correctable(&refusal) => {
            Ok(security(&desk, principal, None, Some(&refusal)).await?)
        }
        (Err(refusal), _) => Err(refusal.into()),
    }
}

/// Ends one session, or all others.
pub(super) async fn end_sessions(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    let principal = somebody(&permit)?;
    let which = intake.required("session", "Name a session, or 'others'.");
    intake.finish()?;
    let done = if which.expose() == "others" {
        desk.access.end_other_sessions(principal, &exchange.origin()).await?;
        "/account/sessions?done=sessions"
    } else {
        let id = SessionId::parse(which.expose())
            .ok_or_else(|| Refusal::field("session", "Name a session, or 'others'."))?;
        desk.access.end_session(principal, id, &exchange.origin()).await?;
        "/account/sessions?done=session"
    };
    Ok(match intake.speech {
        Speech::Form => reply::see_other(done),
        Speech::Json => reply::done(),
    })
}

/// The profile, with what has to be corrected in it.
pub(super) fn profile(
    desk: &Desk,
    principal: &Principal,
    notice: Option<&'static str>,
    refusal: Option<&Refusal>,
) -> Result<Response<Body>, Refusal> {
    let roles: Vec<&str> = principal.role_names().iter().map(String::as_str).collect();
    let (nonce, csrf_token) = (reply::nonce(desk)?, desk.access.csrf_token(principal)?);
    let frame = desk.inside(&nonce, principal, &csrf_token, Place::Profile).or_notice(notice);
    let page = Profile {
        frame: reply::troubled(frame, refusal),
        name: principal.name(),
        email: principal.email(),
        confirmed: principal.confirmed_email().is_some(),
        new_email: (desk.policy.mail.is_on() && lasting(principal)).then(|| Field::new_email(principal)),
        fresh: desk.access.fresh(principal).is_ok(),
        tenant: principal.tenant().map(palisade_model::TenantId::as_str),
        roles: &roles,
        csrf_field: &desk.policy.csrf.field,
        csrf_token: &csrf_token,
    };
    reply::page(&page, &nonce, refusal)
}

async fn security(
    desk: &Desk,
    principal: &Principal,
    notice: Option<&'static str>,
    refusal: Option<&Refusal>,
) -> Result<Response<Body>, Refusal> {
    let identities = desk.access.identities(principal).await?;
    let providers = &desk.policy.identify.providers;
    let missing = |provider: &&Provider| identities.iter().all(|one| one.issuer != provider.issuer.text);
    let linkable: Vec<&Provider> = providers.iter().filter(missing).collect();
    let identities: Vec<IdentityLine> = identities.iter().map(|one| identity(one, providers)).collect();
    let has_password = desk.access.has_password(principal).await?;
    let (nonce, csrf_token) = (reply::nonce(desk)?, desk.access.csrf_token(principal)?);
    let frame = desk.inside(&nonce, principal, &csrf_token, Place::Security).or_notice(notice);
    let page = Security {
        frame: reply::troubled(frame, refusal),
        name: principal.name(),
        current: has_password.then(Field::current_password),
        password: Field::new_password("new_password", "New password", &desk.rules),
        lasting: lasting(principal),
        fresh: desk.access.fresh(principal).is_ok(),
        identities: &identities,
        linkable: &linkable,
        csrf_field: &desk.policy.csrf.field,
        csrf_token: &csrf_token,
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
pub(in crate::service::identity) fn readable(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.as_micros())
        .map_or_else(|_| at.to_string(), |time| time.strftime("%-d %b %Y, %H:%M UTC").to_string())
}
