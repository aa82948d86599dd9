//! Who is asking: one credential, or nobody.
//!
//! What is shown on purpose (an `Authorization: Bearer` header, `X-Admin-Token`, `X-User-Token`) is the credential if
//! there is one, and the session cookie then counts for nothing: a request is never signed in twice. Two session cookies mean that somebody else wrote
//! one of them (a sibling host can), and which one cannot be known: neither counts.

mod query;
pub(crate) mod shown;
pub(crate) mod token;

use axum::body::Body;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue, Request, Response};
use palisade_model::{Denial, Refusal, Secret, Token};
use palisade_policy::section::authorize::Who;
use palisade_policy::section::route::{Route, Service, Target};

use super::authorize;
use super::shield::cookies;
use crate::course::Course;
use crate::gate::Gate;

/// Finds the principal of a request, if it has one. With an answer, the request is at its end: a token in its address
/// was exchanged for a cookie.
///
/// # Errors
/// A bearer token that is not valid, except on routes that are open to everybody; or that it cannot be known.
pub(crate) async fn identify(
    gate: &Gate,
    course: &mut Course,
    route: &Route,
    request: &mut Request<Body>,
) -> Result<Option<Response<Body>>, Refusal> {
    // These answer everybody alike, and health must answer when the store is gone.
    if matches!(
        route.target,
        Target::Service(Service::Health | Service::Keys | Service::Description | Service::Assets)
    ) {
        return Ok(None);
    }
    if matches!(route.target, Target::Service(Service::Identity)) {
        let name = &gate.policy().identify.lockout.device_cookie;
        let (only, second) = first_two(values_of(request.headers(), name));
        course.device = only.filter(|_| second.is_none()).map(Secret::new);
    }
    let bearer = bearer(request.headers())?.map(Secret::new);
    if let Some(principal) = shown::in_header(gate, course, request, bearer.clone()).await? {
        course.principal = Some(principal);
    } else if let Some(token) = bearer {
        match gate.parts().access.bearer(token.expose()).await {
            Ok(principal) => {
                course.principal = Some(principal);
                request.headers_mut().remove(AUTHORIZATION);
            }
            // Whoever renews an access token sends the old one along; and on its open routes, an application may know
            // bearer tokens of its own.
            Err(refusal) if refusal.denial == Denial::CredentialInvalid && open(route, request) => {}
            Err(refusal) => return Err(refusal),
        }
    } else {
        by_cookie(gate, course, request.headers()).await?;
        let former = course.principal.clone();
        if let Some(answer) = query::exchange(gate, course, request, former.as_ref()).await? {
            return Ok(Some(answer));
        }
        if course.principal.is_none() {
            course.principal = shown::in_form(gate, course, request).await?;
        }
    }
    Ok(None)
}

/// Whose session the cookie is, if there is one cookie and no more.
async fn by_cookie(gate: &Gate, course: &mut Course, headers: &HeaderMap) -> Result<(), Refusal> {
    let name = gate.policy().identify.sessions.cookie.as_str();
    let (Some(cookie), None) = first_two(values_of(headers, name)) else { return Ok(()) };
    if Token::parse(cookie).is_some() {
        course.principal = gate.parts().access.session(cookie).await?;
    }
    course.forget_session = course.principal.is_none();
    Ok(())
}

/// The token of the one `Authorization: Bearer` header. Other schemes are the application's affair.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let (Some(only), second) = first_two(headers.get_all(AUTHORIZATION).iter()) else { return Ok(None) };
    if second.is_some() {
        return Err(Refusal::new(Denial::Ambiguous, "more than one Authorization field"));
    }
    let bytes = only.as_bytes();
    let is_bearer = bytes.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"))
        && bytes.get(6).is_none_or(|byte| *byte == b' ' || *byte == b'\t');
    if !is_bearer {
        return Ok(None);
    }
    let token = only.to_str().ok().and_then(|text| text.get(6..)).map(str::trim).unwrap_or_default();
    Ok(Some(token))
}

fn open(route: &Route, request: &Request<Body>) -> bool {
    authorize::who(route, request.method()) == Who::Public
}

fn first_two<T>(mut values: impl Iterator<Item = T>) -> (Option<T>, Option<T>) {
    (values.next(), values.next())
}

/// The values of all cookies of that name, over every Cookie line (HTTP/2 may send several).
fn values_of<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    pairs(headers).filter_map(move |pair| {
        let (key, value) = pair.split_once('=')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// The pairs of every Cookie line. A line that is not text is no cookie of Palisade's.
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| std::str::from_utf8(line.as_bytes()).ok())
        .flat_map(|line| line.split(';'))
}

/// Takes Palisade's own cookies out of what the application gets: a session must not leak through its logs. Palisade's
/// own pages get what a sign-in that is under way left in the browser, and no session either.
pub(crate) fn strip(gate: &Gate, course: &Course, headers: &mut HeaderMap) {
    let policy = gate.policy();
    let route = course.route.and_then(|index| policy.routes.rows.get(index));
    let ours = route.is_some_and(|route| matches!(route.target, Target::Service(Service::Identity)));
    let (session, csrf) = (policy.identify.sessions.cookie.as_str(), policy.csrf.cookie.as_deref());
    let own = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default().trim();
        name == session || csrf == Some(name) || (cookies::is_reserved(name) && !ours)
    };
    if !pairs(headers).any(|pair| own(&pair)) {
        return;
    }
    let lines: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
    headers.remove(COOKIE);
    for line in lines {
        // What is not text holds none of Palisade's, and none that an application could read.
        let Ok(text) = std::str::from_utf8(line.as_bytes()) else { continue };
        let others: Vec<&str> = text.split(';').filter(|pair| !own(pair)).map(str::trim).collect();
        if let (false, Ok(rest)) = (others.is_empty(), HeaderValue::try_from(others.join("; "))) {
            headers.append(COOKIE, rest);
        }
    }
}
