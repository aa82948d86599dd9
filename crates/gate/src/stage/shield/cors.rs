//! Cross-origin requests, as the Fetch standard has them (CORS-1).
//!
//! Palisade alone speaks CORS: preflights are answered here, whatever the application says of itself is taken off its
//! answers, and an origin that is not listed gets no CORS header at all, so that its scripts cannot read a thing.

use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use palisade_model::{Denial, Refusal};
use palisade_policy::section::route::Route;
use palisade_policy::section::shield::Cors;

use crate::course::Course;
use crate::gate::Gate;

/// The method that a preflight asks about; `None` for any other request.
pub(crate) fn preflight_method(request: &Request<Body>) -> Option<Method> {
    let headers = request.headers();
    let preflight = *request.method() == Method::OPTIONS && headers.contains_key(ORIGIN);
    let asked = headers.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|_| preflight)?;
    // What is no method at all is one that no route takes.
    Some(Method::from_bytes(asked.as_bytes()).unwrap_or(Method::CONNECT))
}

/// Notes an origin that is listed, and answers a preflight.
///
/// # Errors
/// A preflight for an origin, method or header that is not listed.
pub(crate) fn judge(
    gate: &Gate,
    course: &mut Course,
    route: &Route,
    request: &Request<Body>,
) -> Result<Option<Response<Body>>, Refusal> {
    let rules = rules(gate, route);
    course.cors_origin = rules.and_then(|rules| listed_origin(rules, request.headers()));
    let Some(method) = preflight_method(request) else { return Ok(None) };
    let refuse = |why: &'static str| Err(Refusal::new(Denial::CorsRefused, why));
    let Some(rules) = rules.filter(|_| course.cors_origin.is_some()) else {
        return refuse("preflight from an origin that is not listed");
    };
    if !rules.methods.contains(&method) {
        return refuse("preflight for a method that is not listed");
    }
    if !asked_headers(request.headers())
        .all(|asked| rules.headers.iter().any(|listed| listed.eq_ignore_ascii_case(asked)))
    {
        return refuse("preflight for a header that is not listed");
    }
    Ok(Some(permission(rules)))
}

fn rules<'g>(gate: &'g Gate, route: &'g Route) -> Option<&'g Cors> {
    route.cors.as_ref().or(gate.policy().shield.cors.as_ref())
}

/// The Origin field, if there is exactly one and it is listed.
fn listed_origin(rules: &Cors, headers: &HeaderMap) -> Option<HeaderValue> {
    let mut fields = headers.get_all(ORIGIN).iter();
    let origin = fields.next().filter(|_| fields.next().is_none())?;
    origin.to_str().is_ok_and(|text| rules.allows(text)).then(|| origin.clone())
}

fn asked_headers(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(ACCESS_CONTROL_REQUEST_HEADERS)
        .iter()
        .flat_map(|line| line.to_str().unwrap_or("?").split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
}

fn permission(rules: &Cors) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, rules.allow_methods.clone());
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, rules.allow_headers.clone());
    headers.insert(ACCESS_CONTROL_MAX_AGE, rules.max_age.clone());
    headers.insert(
        VARY,
        HeaderValue::from_static("Access-Control-Request-Method, Access-Control-Request-Headers"),
    );
    response
}

/// Whether an application says something of cross-origin requests with this header: that is the policy's to say.
pub(super) fn is_answer(name: &HeaderName) -> bool {
    name.as_str().starts_with("access-control-")
}

/// Writes what the policy says of them onto an answer.
pub(crate) fn write(gate: &Gate, course: &Course, route: &Route, headers: &mut HeaderMap) {
    let Some(rules) = rules(gate, route) else { return };
    // The answer differs by origin, listed or not: a shared cache must know.
    if !headers.get_all(VARY).iter().any(names_origin) {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    let Some(origin) = &course.cors_origin else { return };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    if rules.credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    if let Some(expose) = &rules.expose_headers {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
    }
}

fn names_origin(vary: &HeaderValue) -> bool {
    let names = |name: &str| name == "*" || name.eq_ignore_ascii_case("origin");
    vary.to_str().is_ok_and(|vary| vary.split(',').any(|name| names(name.trim())))
}
