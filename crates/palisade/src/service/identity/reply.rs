//! The answers that all handlers give.

use askama::Template;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, Uri, header};
use data_encoding::HEXLOWER;
use palisade_access::{Entered, HalfIn, NewSession, Principal};
use palisade_gate::{OwnPage, SignedIn, refused_with, wait_in_words};
use palisade_model::{Denial, FieldFault, Refusal};
use serde_json::Value;

use super::{Desk, cookies, next};
use crate::pages::{Frame, Sent};

/// Fresh for each page: 128 random bits (CSP level 3, section 7.1).
pub(super) fn nonce(desk: &Desk) -> Result<String, Refusal> {
    let mut bytes = [0_u8; 16];
    desk.world.entropy.fill(&mut bytes).map_err(|error| Refusal::new(Denial::Internal, error.to_string()))?;
    Ok(HEXLOWER.encode(&bytes))
}

/// A page of our own; with the status of `refusal` when it is a form that has to be corrected.
pub(super) fn page(
    page: &impl Template,
    nonce: &str,
    refusal: Option<&Refusal>,
) -> Result<Response<Body>, Refusal> {
    let text = page.render().map_err(|_| Refusal::new(Denial::Internal, "a page could not be written"))?;
    let status = refusal.map_or(200, Refusal::status);
    let mut response = kept_by_nobody(status, Body::from(text), "text/html; charset=utf-8");
    response.extensions_mut().insert(OwnPage { nonce: nonce.to_owned() });
    Ok(match refusal {
        Some(refusal) => refused_with(refusal.clone(), response),
        None => response,
    })
}

/// The frame with what has to be corrected.
pub(super) fn troubled<'a>(frame: Frame<'a>, refusal: Option<&Refusal>) -> Frame<'a> {
    let Some(refusal) = refusal else { return frame };
    let facts = refusal.denial.facts();
    let faults = if refusal.fields.is_empty() {
        vec![FieldFault { field: "".into(), message: told(refusal).into() }]
    } else {
        refusal.fields.clone()
    };
    frame.with_faults(facts.title, faults)
}

/// What to do, and when, if that is known.
fn told(refusal: &Refusal) -> String {
    let detail = refusal.denial.facts().detail;
    match wait_in_words(refusal) {
        Some(wait) => format!("{detail} Try again {wait}."),
        None => detail.to_owned(),
    }
}

/// A JSON answer.
pub(super) fn json(status: u16, value: &Value) -> Response<Body> {
    kept_by_nobody(status, Body::from(value.to_string()), "application/json")
}

/// Done, and nothing to say.
pub(super) fn done() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Go there next, with GET. `path` is our own or has passed [`next::local`].
pub(super) fn see_other(path: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::LOCATION,
        HeaderValue::from_str(path).unwrap_or_else(|_| HeaderValue::from_static("/")),
    );
    response
}

fn kept_by_nobody(status: u16, body: Body, kind: &'static str) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The answer with the cookies of a session that has just begun.
pub(super) fn begin(desk: &Desk, session: &NewSession, mut response: Response<Body>) -> Response<Body> {
    let life = session.expires_at.since(desk.world.now());
    let double_submit = desk.access.csrf_cookie(&session.principal);
    let all = [
        cookies::session(&desk.policy, session.cookie.expose(), life),
        cookies::csrf(&desk.policy, &double_submit, life),
        cookies::device(&desk.policy, session.device.expose()),
    ];
    for cookie in all.into_iter().flatten() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The answer for a browser: on its way when it is signed in, or to the second step with its ticket.
pub(super) fn entered(desk: &Desk, entered: &Entered, next: &str) -> Response<Body> {
    match entered {
        Entered::Session(session) => signed_in(begin(desk, session, see_other(next))),
        Entered::SecondFactor(half) => {
            let mut response = see_other(&onward("/auth/second", next));
            let life = half.expires_at.since(desk.world.now());
            if let Some(cookie) = cookies::ticket(&desk.policy, half.ticket.expose(), life) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
    }
}

/// A path with where to go after it.
pub(super) fn onward(path: &str, next: &str) -> String {
    let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
    format!("{path}?next={next}")
}

/// What a program is told that has to show a second factor: at `/api/v1/auth/second`.
pub(super) fn half_in(desk: &Desk, half: &HalfIn) -> Response<Body> {
    let methods: Vec<&str> = half.methods.iter().map(|method| method.name()).collect();
    let body = serde_json::json!({
        "second_factor_required": true,
        "ticket": half.ticket.expose(),
        "methods": methods,
        "expires_in": half.expires_at.since(desk.world.now()).as_secs(),
    });
    json(200, &body)
}

/// What a program is told whose session has just begun.
pub(super) fn begun(desk: &Desk, new: &NewSession) -> Result<Response<Body>, Refusal> {
    renewed(desk, new).map(signed_in)
}

/// What a program is told whose session goes on under another cookie.
pub(super) fn renewed(desk: &Desk, new: &NewSession) -> Result<Response<Body>, Refusal> {
    let token = desk.access.csrf_token(&new.principal)?;
    let body = serde_json::json!({ "csrf_token": token, "user": person(&new.principal) });
    Ok(begin(desk, new, json(200, &body)))
}

/// The answer, counted as a sign-in.
pub(super) fn signed_in(mut response: Response<Body>) -> Response<Body> {
    response.extensions_mut().insert(SignedIn);
    response
}

/// Who somebody is, as JSON.
pub(super) fn person(principal: &Principal) -> Value {
    serde_json::json!({
        "id": principal.user().to_string(),
        "name": principal.name(),
        "email": principal.email(),
        "tenant": principal.tenant().map(ToString::to_string),
        "roles": principal.role_names(),
    })
}

/// The value of a query parameter, if it is there once.
pub(super) fn query(uri: &Uri, name: &str) -> Option<String> {
    let mut values = url::form_urlencoded::parse(uri.query()?.as_bytes()).filter(|(key, _)| key == name);
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Some(value.into_owned()),
        _ => None,
    }
}

/// Where to go after sign-in: the wish, if it stays on this site, or home.
pub(super) fn destination<'a>(desk: &'a Desk, wish: Option<&'a str>) -> &'a str {
    wish.and_then(next::local).unwrap_or(&desk.policy.identify.home)
}

/// Whether a person can put this right in the form, so that the form is the best answer.
pub(super) fn correctable(refusal: &Refusal) -> bool {
    matches!(
        refusal.denial,
        Denial::SignInFailed | Denial::LockedOut | Denial::InvalidInput | Denial::HashingBusy
    )
}

/// Tells that a letter may be on its way.
pub(super) fn sent(
    desk: &Desk,
    what: &str,
    again: &str,
    (back, back_label): (&str, &str),
) -> Result<Response<Body>, Refusal> {
    let nonce = nonce(desk)?;
    page(&Sent { frame: desk.frame(&nonce), what, again, back, back_label }, &nonce, None)
}

/// A page whose path is a secret.
pub(super) fn quietly(desk: &Desk, mut response: Response<Body>) -> Response<Body> {
    let quiet = quiet(desk.policy.app.base_url.secure);
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static(quiet));
    response
}

/// The Referrer-Policy of a page whose path is a secret: neither lets the path out. Under the first a browser sends
/// the form with an opaque Origin, and on https alone does it always say besides that the form is our own
/// (Sec-Fetch-Site); so on plain http it has to be the second.
const fn quiet(secure: bool) -> &'static str {
    if secure { "no-referrer" } else { "strict-origin" }
}

#[cfg(test)]
mod tests {
    // proves: ID-4
    #[test]
    fn on_https_nothing_is_told_at_all() {
        assert_eq!(super::quiet(true), "no-referrer");
    }
}
