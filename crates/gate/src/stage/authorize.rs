//! What they may do: a permit, or a no.

use axum::body::Body;
use http::header::UPGRADE;
use http::{Method, Request};
use palisade_access::{Permit, Principal};
use palisade_model::{Denial, Fault, Refusal, TenantId};
use palisade_policy::section::authorize::Who;
use palisade_policy::section::route::Route;

use crate::course::Course;
use crate::gate::Gate;

/// Whom the route lets in with that method.
pub(crate) fn who(route: &Route, method: &Method) -> Who {
    if method.is_safe() { route.access.read } else { route.access.write }
}

/// Refuses a claimed tenant that is not the principal's own (ACC-3), and asks for the permit.
pub(crate) fn authorize(
    gate: &Gate,
    course: &Course,
    route: &Route,
    request: &Request<Body>,
) -> Result<Permit, Refusal> {
    refuse_other_tenants(course)?;
    let method = if writes_later(route, request) { &Method::POST } else { request.method() };
    gate.parts().access.authorize(route, method, request.uri().path(), course.principal.as_ref())
}

/// Whether a WebSocket is opened, which says what it likes afterwards, where some write and others only read. Where
/// nobody writes, it is the readers' own.
fn writes_later(route: &Route, request: &Request<Body>) -> bool {
    route.upgrade && request.headers().contains_key(UPGRADE) && route.access.write != Who::Nobody
}

/// A refusal as the client may know it: on a hidden route, whoever may not use it is told that there is nothing,
/// whichever stage was the first to say no (ACC-2). Failures of the server stay what they are.
pub(crate) fn hide(gate: &Gate, course: &Course, refusal: Refusal) -> Refusal {
    let route = course.route.and_then(|index| gate.policy().routes.rows.get(index));
    let facts = refusal.denial.facts();
    let hidden = route.filter(|route| route.hide).is_some_and(|route| {
        gate.parts()
            .access
            .authorize(route, &course.method, course.uri.path(), course.principal.as_ref())
            .is_err_and(|refusal| refusal.denial == Denial::Hidden)
    });
    if !hidden || facts.fault == Fault::Server || refusal.denial == Denial::Hidden {
        return refusal;
    }
    Refusal::new(Denial::Hidden, format!("{}: {}", facts.code, refusal.why))
}

/// Nobody signed in has no tenant that a claim could disagree with: it was removed, and that is all.
fn refuse_other_tenants(course: &Course) -> Result<(), Refusal> {
    let Some(principal) = &course.principal else { return Ok(()) };
    let own = principal.tenant().map(TenantId::as_str);
    if course.claimed_tenants.iter().all(|claimed| claimed.to_str().ok() == own && own.is_some()) {
        return Ok(());
    }
    Err(Refusal::new(Denial::TenantMismatch, "a header claims another tenant"))
}

/// Somebody's name for the trail.
pub(crate) fn name(principal: &Principal) -> String {
    principal.email().unwrap_or(principal.name()).to_owned()
}
