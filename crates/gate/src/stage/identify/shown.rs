//! Opaque tokens that somebody shows on purpose: as bearer token, in a field of their own, in a form (ID-12 to ID-16).
//!
//! What is shown on purpose comes before the session cookie, needs no token against forged requests, and is never
//! handed on. Two of them at once are ambiguous. Whoever shows wrong ones is counted like whoever tries passwords.

use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, Method, Request};
use palisade_access::{Access, Principal};
use palisade_model::{Denial, Refusal, Secret};
use palisade_store::TokenKind;

use super::query;
use super::token::{broken, event, guessed};
use crate::begun;
use crate::course::Course;
use crate::gate::Gate;
use crate::peek::{self, Field};

/// Where an administrator's token stands.
const X_ADMIN_TOKEN: HeaderName = HeaderName::from_static("x-admin-token");

/// Where a user token stands. Its name is reserved, so the edge has taken it out.
pub(crate) const X_USER_TOKEN: HeaderName = HeaderName::from_static("x-user-token");

/// Who showed a token in a header field; `None` when nobody did. `bearer` is the bearer token, of whatever form.
///
/// # Errors
/// A token that does not count; more than one; or that it cannot be known.
pub(super) async fn in_header(
    gate: &Gate,
    course: &mut Course,
    request: &mut Request<Body>,
    bearer: Option<Secret>,
) -> Result<Option<Principal>, Refusal> {
    let admin = admin_token(gate, request.headers())?;
    let user = user_token(gate, course)?;
    let shown = [bearer.is_some(), admin.is_some(), user.is_some()];
    match shown.into_iter().filter(|is| *is).count() {
        0 => return Ok(None),
        1 => query::refuse_beside(gate, course, request)?,
        _ => return Err(Refusal::new(Denial::Ambiguous, "more than one credential")),
    }
    let (token, kind) = if let Some(token) = bearer.filter(|token| Access::looks_like_a_token(token.expose()))
    {
        request.headers_mut().remove(AUTHORIZATION);
        (token, None)
    } else if let Some(token) = admin {
        request.headers_mut().remove(X_ADMIN_TOKEN);
        (token, Some(TokenKind::Admin))
    } else if let Some(token) = user {
        (token, Some(TokenKind::User))
    } else {
        return Ok(None);
    };
    // Boxed, so that requests without one do not carry its size along.
    let principal = Box::pin(accept(gate, course, token.expose(), kind)).await?;
    course.explicit = true;
    Ok(Some(principal))
}

/// Who showed a user token in a form. The field is taken out of the form.
///
/// # Errors
/// As [`in_header`].
pub(super) async fn in_form(
    gate: &Gate,
    course: &mut Course,
    request: &mut Request<Body>,
) -> Result<Option<Principal>, Refusal> {
    let Some(name) = &gate.policy().identify.guests.field else { return Ok(None) };
    let is_form = request.headers().get(CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.as_bytes().to_ascii_lowercase();
        kind.starts_with(b"application/x-www-form-urlencoded") || kind.starts_with(b"multipart/form-data")
    });
    if *request.method() != Method::POST || !is_form || !takes_users(gate) {
        return Ok(None);
    }
    Box::pin(take_field(gate, course, request, name)).await
}

async fn take_field(
    gate: &Gate,
    course: &mut Course,
    request: &mut Request<Body>,
    name: &str,
) -> Result<Option<Principal>, Refusal> {
    let (found, whole) = peek::form_field(std::mem::take(request), name, peek::LIMIT).await;
    *request = whole;
    let Field::One(token) = found else { return Ok(None) };
    let token = Secret::new(token);
    let principal = accept(gate, course, token.expose(), Some(TokenKind::User)).await?;
    let is_it = |value: &str| value == token.expose();
    let (_, whole) = peek::find(std::mem::take(request), name, peek::LIMIT, is_it).await;
    *request = whole;
    course.explicit = true;
    Ok(Some(principal))
}

/// Whether user tokens count at all.
fn takes_users(gate: &Gate) -> bool {
    let guests = &gate.policy().identify.guests;
    guests.open || guests.imported
}

/// An administrator's token, if the field holds something that Palisade takes for one: an application may use the
/// field for tokens of its own.
fn admin_token(gate: &Gate, headers: &HeaderMap) -> Result<Option<Secret>, Refusal> {
    let mut lines = headers.get_all(X_ADMIN_TOKEN).iter();
    let (Some(only), second) = (lines.next(), lines.next()) else { return Ok(None) };
    let Some(token) = only.to_str().ok().map(str::trim) else { return Ok(None) };
    if !Access::looks_like_a_token(token) && !gate.parts().access.takes_foreign(TokenKind::Admin) {
        return Ok(None);
    }
    match second {
        None => Ok(Some(Secret::new(token))),
        Some(_) => Err(Refusal::new(Denial::Ambiguous, "more than one X-Admin-Token field")),
    }
}

fn user_token(gate: &Gate, course: &mut Course) -> Result<Option<Secret>, Refusal> {
    let shown = std::mem::take(&mut course.user_tokens);
    if !takes_users(gate) {
        return Ok(None);
    }
    match shown.as_slice() {
        [] => Ok(None),
        [only] => Ok(only.to_str().ok().map(|token| Secret::new(token.trim()))),
        _ => Err(Refusal::new(Denial::Ambiguous, "more than one X-User-Token field")),
    }
}

/// Whom a token names. A breakglass token is used up by it.
async fn accept(
    gate: &Gate,
    course: &mut Course,
    token: &str,
    kind: Option<TokenKind>,
) -> Result<Principal, Refusal> {
    let access = &gate.parts().access;
    if kind != Some(TokenKind::User) && Access::token_kind(token) == Some(TokenKind::Breakglass) {
        let session = guessed(gate, course, token, async |course| {
            access.redeem_breakglass(token, &course.origin(), None).await
        })
        .await?;
        broken(gate, course, &session.principal);
        course.begun = begun::cookies(gate, &session);
        return Ok(session.principal);
    }
    let client = course.client;
    let principal = guessed(gate, course, token, async |_| match kind {
        None => access.api_key(token, client).await,
        Some(kind) => access.api_key_of_kind(token, kind, client).await,
    })
    .await?;
    if principal.token() == Some(TokenKind::Admin) {
        let event = event(gate, course, "admin_token_used")
            .with("user", principal.user().to_string())
            .with("method", course.method.as_str());
        gate.parts().trail.event(&event);
    }
    Ok(principal)
}
