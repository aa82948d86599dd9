//! Forged cross-site requests (CSRF-1 to CSRF-5).
//!
//! A browser adds the session cookie to whatever leads here, whoever wrote the page that leads here.
//! So a request that changes something, and has nothing but the cookie to show, must come from a
//! page of this site, and know a token that only such a page was given.

mod origin;

use std::borrow::Cow;

use axum::body::Body;
use http::header::{COOKIE, SET_COOKIE, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use palisade_model::{Denial, Refusal};
use palisade_policy::Policy;
use palisade_policy::section::csrf::{Csrf, CsrfRule};
use palisade_policy::section::route::Route;

use crate::peek::{self, Search};
use origin::{Evidence, Trusted};

/// Who asks, as far as forgery goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    /// Nobody: what could be forged is a sign-in, or what a cookie of the application's own allows.
    None,
    /// The session cookie, which a browser adds by itself.
    Cookie,
    /// A token that a program put in: nothing to forge (CSRF-4).
    Bearer,
}

/// What a request is judged by.
#[derive(Clone, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) route: &'a Route,
    pub(crate) credential: Credential,
    /// Whether the client speaks https.
    pub(crate) secure: bool,
    /// The host that it asked for, one of those that are served.
    pub(crate) host: &'a str,
}

/// Lets a request pass, or tells why it may be forged. `accepts` tells whether a token is the session's.
///
/// A token that was accepted is taken out of the request: it was for Palisade alone.
///
/// # Errors
/// [`Denial::CsrfOrigin`] and [`Denial::CsrfToken`], with the status that the policy chose.
pub(crate) async fn check(
    terms: &Terms<'_>,
    accepts: impl Fn(&str) -> bool,
    request: &mut Request<Body>,
) -> Result<(), Refusal> {
    let csrf = &terms.policy.csrf;
    let refuse = |denial, why: Cow<'static, str>| Err(Refusal::new(denial, why).with_status(csrf.status));
    let evidence = || {
        let cors = terms.route.cors.as_ref().or(terms.policy.shield.cors.as_ref());
        let by_session = terms.credential == Credential::Cookie;
        let base = &terms.policy.app.base_url.origin;
        origin::evidence(request.headers(), &Trusted::new(base, terms.secure, terms.host, cors, by_session))
    };
    let Some(demand) = demand(terms, request) else { return Ok(()) };
    match (demand, evidence()) {
        (_, Evidence::Foreign(why)) => return refuse(Denial::CsrfOrigin, why.into()),
        (Demand::OwnOrigin, Evidence::Absent) => {
            return refuse(Denial::CsrfOrigin, "neither Origin nor Referer".into());
        }
        (Demand::NotForeign | Demand::OwnOrigin, _) => return Ok(()),
        (Demand::Token, _) => {}
    }
    if take_header(csrf, &accepts, request.headers_mut()) {
        return Ok(());
    }
    let (search, seen) = peek::find(std::mem::take(request), &csrf.field, peek::LIMIT, &accepts).await;
    *request = seen;
    let why = match search {
        Search::Accepted => return Ok(()),
        Search::Refused => "the token is not this session's",
        Search::Missing => "no token in the form, nor in a header",
        Search::TooFar => "no token at the beginning of the body, nor in a header",
        Search::Unreadable => "no token in a header, and the body is not a form that can be read",
    };
    refuse(Denial::CsrfToken, why.into())
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
pub(crate) fn cookie_due(
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
pub(crate) fn add_cookie(policy: &Policy, response: &mut Response<Body>, line: HeaderValue) {
    let Some(name) = policy.csrf.cookie.as_deref() else { return };
    let sets = |value: &HeaderValue| {
        value.as_bytes().strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
    };
    if !response.headers().get_all(SET_COOKIE).iter().any(sets) {
        response.headers_mut().append(SET_COOKIE, line);
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
