//! Forged cross-site requests (CSRF-1 to CSRF-5).
//!
//! A browser adds the session cookie to whatever leads here, whoever wrote the page that leads here.
//! So a request that changes something, and has nothing but the cookie to show, must come from a
//! page of this site, and know a token that only such a page was given.

mod origin;

use axum::body::Body;
use http::header::{COOKIE, SET_COOKIE, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use palisade_access::{Principal, Via};
use palisade_model::{Denial, Refusal, SecurityEvent};
use palisade_policy::Policy;
use palisade_policy::section::csrf::{Csrf, CsrfRule};
use palisade_policy::section::route::Route;

use crate::caching;
use crate::course::Course;
use crate::forms::{self, Page};
use crate::gate::Gate;
use crate::peek::{self, Search};
use crate::trail::mask;
use origin::{Evidence, Trusted, origin_of};

/// Refuses a request that may be forged.
///
/// # Errors
/// [`Denial::CsrfOrigin`] and [`Denial::CsrfToken`], with the status that the policy chose; or what was
/// wrong with the body, if it had to be looked into.
pub(crate) async fn judge(
    gate: &Gate,
    course: &Course,
    route: &Route,
    request: &mut Request<Body>,
) -> Result<(), Refusal> {
    let policy = gate.policy();
    let terms = Terms {
        policy,
        route,
        credential: match course.principal.as_ref().map(Principal::via) {
            None => Credential::None,
            Some(_) if course.explicit => Credential::Bearer,
            Some(Via::Session(_)) => Credential::Cookie,
            Some(Via::Token(_) | Via::Key(_)) => Credential::Bearer,
        },
        secure: course.secure,
        host: &course.host,
    };
    let Err(refusal) = check(&terms, |token| accepts(gate, course, token), request).await else {
        return Ok(());
    };
    if let Some(broken) = course.body_refusal() {
        return Err(broken);
    }
    if policy.csrf.enforced {
        return Err(refusal);
    }
    tolerate(gate, course, route, &refusal);
    Ok(())
}

fn accepts(gate: &Gate, course: &Course, token: &str) -> bool {
    course.principal.as_ref().is_some_and(|principal| gate.parts().access.csrf_accepts(principal, token))
}

/// Mode `open` (CSRF-5): what would have been refused is let through and written down.
fn tolerate(gate: &Gate, course: &Course, route: &Route, refusal: &Refusal) {
    gate.parts().metrics.csrf_tolerated();
    let facts = refusal.denial.facts();
    let mut event = SecurityEvent::new(gate.parts().world.now(), "csrf_tolerated")
        .with("request_id", course.id.as_str())
        .with("stage", facts.stage.name())
        .with("code", facts.code)
        .with("why", refusal.why.as_ref())
        .with("method", course.method.as_str())
        .with("route", route.path.as_str())
        .with("path", mask::shown(Some(route), course.uri.path()))
        .with("ip", course.client.to_string());
    if let Some(principal) = &course.principal {
        event = event.with("user", principal.user().to_string());
    }
    gate.parts().trail.event(&event);
}

/// What is written into the answer for a browser that is signed in.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// The token, if the answer turns out to be a page of an application.
    page: bool,
    /// The line that sets the cookie of the double submit.
    cookie: Option<HeaderValue>,
}

/// Prepares a request whose answer may get the token. Palisade's cookies are still in it.
pub(crate) fn before(gate: &Gate, course: &Course, request: &mut Request<Body>) -> Due {
    let Some(principal) = by_session(course) else { return Due::default() };
    let policy = gate.policy();
    let cookie = cookie_due(
        policy,
        request.headers(),
        |token| accepts(gate, course, token),
        || gate.parts().access.csrf_cookie(principal),
    );
    let page =
        policy.csrf.inject && course.leads_upstream(policy) && !request.headers().contains_key(UPGRADE);
    if page {
        forms::prepare(request.headers_mut());
    }
    Due { page, cookie }
}

/// Writes into the answer what is due.
///
/// # Errors
/// When there is no randomness for the token of a page.
pub(crate) fn after(
    gate: &Gate,
    course: &Course,
    due: Due,
    response: Response<Body>,
) -> Result<Response<Body>, Refusal> {
    let mut response = match by_session(course) {
        Some(principal) if due.page && forms::is_page(&response, &course.method) => {
            forms::rewrite(response, &page(gate, course, principal)?)
        }
        _ => response,
    };
    if let Some(line) = due.cookie {
        add_cookie(gate.policy(), &mut response, line);
    }
    Ok(response)
}

fn by_session(course: &Course) -> Option<&Principal> {
    course.principal.as_ref().filter(|principal| matches!(principal.via(), Via::Session(_)))
}

fn page(gate: &Gate, course: &Course, principal: &Principal) -> Result<Page, Refusal> {
    let csrf = &gate.policy().csrf;
    let scheme = if course.secure { "https" } else { "http" };
    let here = origin_of(&format!("{scheme}://{}", course.host));
    Ok(Page {
        method: course.method.clone(),
        path: course.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        origins: here.into_iter().chain([gate.policy().app.base_url.origin.clone()]).collect(),
        field: csrf.field.clone(),
        token: gate.parts().access.csrf_token(principal)?,
    })
}

/// Who asks, as far as forgery goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Credential {
    /// Nobody: what could be forged is a sign-in, or what a cookie of the application's own allows.
    None,
    /// The session cookie, which a browser adds by itself.
    Cookie,
    /// A token that a program put in: nothing to forge (CSRF-4).
    Bearer,
}

/// What a request is judged by.
#[derive(Clone, Debug)]
struct Terms<'a> {
    policy: &'a Policy,
    route: &'a Route,
    credential: Credential,
    /// Whether the client speaks https.
    secure: bool,
    /// The host that it asked for, one of those that are served.
    host: &'a str,
}

/// Lets a request pass, or tells why it may be forged. `accepts` tells whether a token is the session's.
///
/// A token that was accepted is taken out of the request: it was for Palisade alone.
async fn check(
    terms: &Terms<'_>,
    accepts: impl Fn(&str) -> bool,
    request: &mut Request<Body>,
) -> Result<(), Refusal> {
    let csrf = &terms.policy.csrf;
    let refuse = |denial, why: &'static str| Err(Refusal::new(denial, why).with_status(csrf.status));
    let Some(demand) = demand(terms, request) else { return Ok(()) };
    match (demand, evidence(terms, request.headers())) {
        (_, Evidence::Foreign(why)) => return refuse(Denial::CsrfOrigin, why),
        (Demand::OwnOrigin, Evidence::Absent) => {
            return refuse(Denial::CsrfOrigin, "neither Origin nor Referer");
        }
        (Demand::NotForeign | Demand::OwnOrigin, _) => return Ok(()),
        (Demand::Token, _) => {}
    }
    if take_header(csrf, &accepts, request.headers_mut()) {
        return Ok(());
    }
    let look = peek::find(std::mem::take(request), &csrf.field, peek::LIMIT, &accepts);
    let (search, seen) = Box::pin(look).await;
    *request = seen;
    let why = match search {
        Search::Accepted => return Ok(()),
        Search::Refused => "the token is not this session's",
        Search::Missing => "no token in the form, nor in a header",
        Search::TooFar => "no token at the beginning of the body, nor in a header",
        Search::Unreadable => "no token in a header, and the body is not a form that can be read",
    };
    refuse(Denial::CsrfToken, why)
}

fn evidence(terms: &Terms<'_>, headers: &HeaderMap) -> Evidence {
    let cors = terms.route.cors.as_ref().or(terms.policy.shield.cors.as_ref());
    let by_session = terms.credential == Credential::Cookie;
    let base = &terms.policy.app.base_url.origin;
    origin::evidence(headers, &Trusted::new(base, terms.secure, terms.host, cors, by_session))
}

/// What is asked of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Demand {
    /// That no other site made it.
    NotForeign,
    /// That this site made it.
    OwnOrigin,
    /// That this site made it, as far as that is known, and a token.
    Token,
}

fn demand(terms: &Terms<'_>, request: &Request<Body>) -> Option<Demand> {
    let rule = terms.route.csrf;
    if rule == CsrfRule::Off || terms.credential == Credential::Bearer {
        return None;
    }
    let cookies = terms.credential == Credential::Cookie || request.headers().contains_key(COOKIE);
    if is_safe(request.method()) {
        // A WebSocket is opened by GET, by any site, with cookies, and then changes what it likes.
        let opens = terms.route.upgrade && request.headers().contains_key(UPGRADE);
        return (opens && cookies).then_some(Demand::NotForeign);
    }
    match (terms.credential, rule) {
        (Credential::Cookie, CsrfRule::Token) => Some(Demand::Token),
        (Credential::Cookie, _) => Some(Demand::OwnOrigin),
        // Signing somebody in as somebody else is a forgery too, and needs no cookie.
        (_, CsrfRule::Origin) => Some(Demand::NotForeign),
        // The application may know cookies of its own.
        _ => cookies.then_some(Demand::NotForeign),
    }
}

/// RFC 9110 section 9.2.1; routes declare what they take (CSRF-6).
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

/// Whether a header holds the token. That header is then removed: one under another name may be the
/// application's own.
fn take_header(csrf: &Csrf, accepts: &impl Fn(&str) -> bool, headers: &mut HeaderMap) -> bool {
    let good = |name: &&HeaderName| {
        headers.get_all(*name).iter().any(|value| value.to_str().is_ok_and(|token| accepts(token.trim())))
    };
    let Some(name) = csrf.headers.iter().find(good) else { return false };
    headers.remove(name);
    true
}

/// The Set-Cookie line that gives a browser the readable cookie of the double submit (CSRF-2), if the
/// policy has one and none that came is this session's. `value` makes it.
fn cookie_due(
    policy: &Policy,
    headers: &HeaderMap,
    accepts: impl Fn(&str) -> bool,
    value: impl FnOnce() -> String,
) -> Option<HeaderValue> {
    let name = policy.csrf.cookie.as_deref()?;
    // One of several may have been tossed in by a sibling host; it does not make ours stale.
    if cookies(headers, name).any(accepts) {
        return None;
    }
    let sessions = &policy.identify.sessions;
    let line = format!(
        "{name}={}; Path=/; Max-Age={}{}; SameSite={}",
        value(),
        sessions.absolute.as_secs(),
        if sessions.secure { "; Secure" } else { "" },
        sessions.same_site.as_str(),
    );
    HeaderValue::from_str(&line).ok()
}

/// Adds the cookie to an answer, unless the answer sets or clears it itself, as sign-in and sign-out do.
fn add_cookie(policy: &Policy, response: &mut Response<Body>, line: HeaderValue) {
    let Some(name) = policy.csrf.cookie.as_deref() else { return };
    let sets = |value: &HeaderValue| {
        value.as_bytes().strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
    };
    if !response.headers().get_all(SET_COOKIE).iter().any(sets) {
        response.headers_mut().append(SET_COOKIE, line);
        caching::keep_cookie_private(response.headers_mut());
    }
}

fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(move |pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests;
