//! The headers that every answer wears, refused and proxied ones too (HEAD-1).

use axum::body::Body;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, LINK, REFERRER_POLICY, SERVER, SET_COOKIE,
    STRICT_TRANSPORT_SECURITY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use palisade_access::Principal;
use palisade_model::{Denial, Token};
use palisade_policy::section::identify::Sessions;
use palisade_policy::section::route::Route;

use super::{cookies, cors, limit};
use crate::OwnPage;
use crate::begun::Quiet;
use crate::caching;
use crate::course::Course;
use crate::gate::Gate;
use crate::stage::refuse::{RefusalPage, page_csp};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// Response headers by which an application tells how it is made.
const BOASTS: &[&str] = &[
    "liferay-portal",
    "powered-by",
    "x-aspnet-version",
    "x-aspnetmvc-version",
    "x-backend-server",
    "x-debug-token",
    "x-debug-token-link",
    "x-generator",
    "x-mod-pagespeed",
    "x-php-version",
    "x-powered-by",
    "x-powered-cms",
    "x-runtime",
    "x-server",
];

/// Takes off an application's answer what it may not say, and raises its cookies.
pub(crate) fn clean(gate: &Gate, response: &mut Response<Body>) {
    let headers = response.headers_mut();
    // Looked through once: an answer has fewer headers than there are names to look for.
    let unwanted =
        |name: &&HeaderName| **name == SERVER || BOASTS.contains(&name.as_str()) || cors::is_answer(name);
    let unwanted: Vec<HeaderName> = headers.keys().filter(unwanted).cloned().collect();
    for name in unwanted {
        headers.remove(name);
    }
    let policy = gate.policy();
    let session = policy.identify.sessions.cookie.as_str();
    let csrf = policy.csrf.cookie.as_deref().unwrap_or(session);
    cookies::raise(headers, policy.shield.cookies, &[session, csrf]);
    // These are for Palisade to say.
    response.extensions_mut().remove::<OwnPage>();
}

/// Seals an answer, whoever gave it.
pub(crate) fn seal<B>(gate: &Gate, course: &Course, response: &mut Response<B>) {
    let shield = &gate.policy().shield;
    let csp = own_policy(response);
    let knows = csp.is_some() || response.extensions().get::<Quiet>().is_some();
    let headers = response.headers_mut();
    // Room for these and a few more, at once.
    headers.reserve(shield.headers.len() + shield.default_headers.len() + 8);
    // A page of Palisade's own knows best whether its address holds a secret.
    let quiet = knows.then(|| headers.get(REFERRER_POLICY).cloned()).flatten();
    for (name, value) in &shield.headers {
        headers.insert(name, value.clone());
    }
    if let Some(quiet) = quiet {
        headers.insert(REFERRER_POLICY, quiet);
    }
    for (name, value) in &shield.default_headers {
        if !headers.contains_key(name) {
            headers.insert(name, value.clone());
        }
    }
    // RFC 6797 section 7.2: never over plain HTTP.
    match &shield.hsts {
        _ if !course.secure => drop(headers.remove(STRICT_TRANSPORT_SECURITY)),
        Some(hsts) => drop(headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone())),
        None => {}
    }
    if let Some(csp) = csp {
        headers.insert(CONTENT_SECURITY_POLICY, csp);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if course.principal.is_some() && !headers.contains_key(CACHE_CONTROL) {
        // What one person sees is not for a shared cache, even where the application forgot to say so.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
    }
    if let Ok(id) = HeaderValue::from_str(course.id.as_str()) {
        headers.insert(REQUEST_ID, id);
    }
    // What is hidden must not show itself by the headers of its route (ACC-2).
    let hidden = course.nowhere || course.refused == Some(Denial::Hidden);
    let route = course.route.filter(|_| !hidden);
    if let Some(route) = route.and_then(|index| gate.policy().routes.rows.get(index)) {
        cors::write(gate, course, route, headers);
        limit::write(gate, course, route, headers);
        announce(route, headers);
    }
    for cookie in &course.begun {
        headers.append(SET_COOKIE, cookie.clone());
        caching::keep_cookie_private(headers);
    }
    if let Some(principal) = &course.principal
        && let Some(cookie) = principal.renewed()
    {
        renew(gate, principal, cookie, headers);
    }
    if course.forget_session && !hidden {
        forget(&gate.policy().identify.sessions, headers);
    }
}

/// Hands the browser the session's new cookie, and what is bound to it; unless the service has just set or taken it.
fn renew(gate: &Gate, principal: &Principal, cookie: &Token, headers: &mut HeaderMap) {
    let policy = gate.policy();
    let sessions = &policy.identify.sessions;
    if is_set(&sessions.cookie, headers) {
        return;
    }
    let access = &gate.parts().access;
    let life = principal.ends_at().map_or(0, |at| at.since(gate.parts().world.now()).as_secs());
    let secure = if sessions.secure { "; Secure" } else { "" };
    let site = sessions.same_site.as_str();
    let mut set = |name: &str, value: &str, http_only: &str| {
        let line = format!("{name}={value}; Path=/; Max-Age={life}{http_only}{secure}; SameSite={site}");
        if let Ok(line) = HeaderValue::try_from(line) {
            headers.append(SET_COOKIE, line);
        }
    };
    set(&sessions.cookie, cookie.expose(), "; HttpOnly");
    if let Some(name) = &policy.csrf.cookie {
        set(name, &access.csrf_cookie(principal), "");
    }
    caching::keep_cookie_private(headers);
}

/// Whether the answer sets this cookie, or takes it back.
fn is_set(name: &str, headers: &HeaderMap) -> bool {
    let sets = |line: &HeaderValue| {
        line.as_bytes().strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
    };
    headers.get_all(SET_COOKIE).iter().any(sets)
}

/// The Content-Security-Policy of a page of Palisade's own.
fn own_policy<B>(response: &Response<B>) -> Option<HeaderValue> {
    if response.extensions().get::<RefusalPage>().is_some() {
        return Some(page_csp());
    }
    let nonce = &response.extensions().get::<OwnPage>()?.nonce;
    let strange = |byte: u8| !byte.is_ascii_alphanumeric() && !b"+/=-_".contains(&byte);
    if nonce.is_empty() || nonce.bytes().any(strange) {
        return Some(HeaderValue::from_static("default-src 'none'; base-uri 'none'; frame-ancestors 'none'"));
    }
    let text = format!(
        "default-src 'none'; style-src 'self' 'nonce-{nonce}'; script-src 'nonce-{nonce}'; img-src 'self' data:; \
         font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(text).ok()
}

/// A legacy route's announcements (EDGE-8).
fn announce(route: &Route, headers: &mut HeaderMap) {
    let Some(legacy) = &route.legacy else { return };
    headers.insert(DEPRECATION, legacy.deprecation.clone());
    if let Some(sunset) = &legacy.sunset {
        headers.insert(SUNSET, sunset.clone());
    }
    if let Some(link) = &legacy.link {
        // Others may stand beside it.
        headers.append(LINK, link.clone());
    }
}

/// Tells the browser to forget a session cookie that names no session, unless the answer sets a new one.
fn forget(sessions: &Sessions, headers: &mut HeaderMap) {
    let name = sessions.cookie.as_str();
    if is_set(name, headers) {
        return;
    }
    let secure = if sessions.secure { "; Secure" } else { "" };
    let site = sessions.same_site.as_str();
    let line = format!("{name}=; Path=/; Max-Age=0; HttpOnly; SameSite={site}{secure}");
    if let Ok(line) = HeaderValue::try_from(line) {
        headers.append(SET_COOKIE, line);
        caching::keep_cookie_private(headers);
    }
}
