//! Tokens in the query of an address (ID-12, ID-13, ID-14).
//!
//! An address is kept in histories, logs and Referer fields. Where a policy takes a token from there all the same, the
//! token is exchanged at once for a session cookie, and the browser is sent to the same address without it. What looks
//! like a token of Palisade's elsewhere in a query is refused: it must reach neither an application nor a log.

use std::borrow::Cow;

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, REFERRER_POLICY};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use palisade_access::{Access, Principal};
use palisade_model::{Denial, Refusal, Secret};
use palisade_store::{SessionKind, TokenKind};
use percent_encoding::percent_decode_str;

use super::token;
use crate::begun::{self, Quiet};
use crate::course::Course;
use crate::gate::Gate;

/// What a query holds.
enum Held {
    /// A token, in a parameter that the policy names.
    Token(Secret, TokenKind),
    /// A token where the policy wants none.
    Misplaced,
}

/// Exchanges a token in the query, if there is one: the answer that sends the browser on. `former` is whom its cookie
/// names.
///
/// # Errors
/// A token that does not count, that stands where the policy wants none, or that names somebody else than the cookie.
pub(super) async fn exchange(
    gate: &Gate,
    course: &mut Course,
    request: &mut Request<Body>,
    former: Option<&Principal>,
) -> Result<Option<Response<Body>>, Refusal> {
    let Some(held) = request.uri().query().and_then(|query| look(gate, query)) else { return Ok(None) };
    Box::pin(take(gate, course, request, held, former)).await.map(Some)
}

/// Takes the token for a session, and gives the answer that sends the browser on.
async fn take(
    gate: &Gate,
    course: &mut Course,
    request: &mut Request<Body>,
    held: Held,
    former: Option<&Principal>,
) -> Result<Response<Body>, Refusal> {
    let asked = request.uri().clone();
    let clean = hush(gate, course, request);
    let Held::Token(token, kind) = held else {
        return Err(Refusal::new(Denial::TokenMisplaced, "a token in the address, where none is taken"));
    };
    // A program that only looks (HEAD) must not use up what works once; a form has its fields.
    if *request.method() != Method::GET {
        return Err(Refusal::new(Denial::TokenMisplaced, "a token in the address of other than GET"));
    }
    // Whose browser it is cannot be seen behind a link from another site: a strict cookie stays at home. Without asking
    // once more from here, such a link would make the victim the attacker's guest.
    if former.is_none() && is_foreign(request) {
        return Ok(once_more(&asked));
    }
    let (access, token) = (&gate.parts().access, token.expose());
    if former.is_some_and(|former| former.kind() == SessionKind::Breakglass) {
        return Err(Refusal::new(Denial::CredentialClash, "in a breakglass session already"));
    }
    let session = if kind == TokenKind::Breakglass {
        let begun = async |course: &Course| access.redeem_breakglass(token, &course.origin(), former).await;
        let session = token::guessed(gate, course, token, begun).await?;
        token::broken(gate, course, &session.principal);
        session
    } else {
        let named = async |course: &Course| access.api_key_of_kind(token, kind, course.client).await;
        let named = token::guessed(gate, course, token, named).await?;
        match former {
            // A link that somebody sent must not turn whoever is signed in into somebody else.
            Some(former) if former.user() != named.user() => {
                return Err(Refusal::new(Denial::CredentialClash, "signed in as somebody else"));
            }
            Some(_) => return Ok(onward(&clean)),
            None => {}
        }
        let session = access.exchange_token(token, kind, course.client, &course.origin()).await?;
        let name = if kind == TokenKind::Admin { "admin_token_used" } else { "user_token_used" };
        let event = token::event(gate, course, name).with("user", named.user().to_string());
        gate.parts().trail.event(&event.with("in", "query"));
        session
    };
    course.begun = begun::cookies(gate, &session);
    course.principal = Some(session.principal);
    Ok(onward(&clean))
}

/// Refuses a request that shows another credential and has a token in its address as well.
///
/// # Errors
/// [`Denial::Ambiguous`]; the address is clean then.
pub(super) fn refuse_beside(
    gate: &Gate,
    course: &mut Course,
    request: &mut Request<Body>,
) -> Result<(), Refusal> {
    if request.uri().query().and_then(|query| look(gate, query)).is_none() {
        return Ok(());
    }
    hush(gate, course, request);
    Err(Refusal::new(Denial::Ambiguous, "a credential, and a token in the address"))
}

/// From here on nobody sees the token: neither a log, nor the page to sign in on, nor an application.
fn hush(gate: &Gate, course: &mut Course, request: &mut Request<Body>) -> Uri {
    let clean = clean(gate, request.uri());
    request.uri_mut().clone_from(&clean);
    course.uri = clean.clone();
    course.manner.next = course.manner.next.is_some().then(|| clean.path().to_owned());
    clean
}

fn look(gate: &Gate, query: &str) -> Option<Held> {
    let mut held = None;
    for (name, value) in pairs(query) {
        let found = match taken_as(gate, &name) {
            Some(kind) if !value.is_empty() => Held::Token(Secret::new(value.as_ref()), of(kind, &value)),
            _ if Access::looks_like_a_token(&value) => Held::Misplaced,
            _ => continue,
        };
        // Two tokens: one of them is not the bearer's.
        held = Some(if held.is_none() { found } else { Held::Misplaced });
    }
    held
}

/// What a parameter of that name carries, where the policy takes a token from it.
fn taken_as(gate: &Gate, name: &str) -> Option<TokenKind> {
    let identify = &gate.policy().identify;
    let named = |names: &[String]| names.iter().any(|known| known == name);
    if named(&identify.admin_tokens.query) {
        Some(TokenKind::Admin)
    } else if named(&identify.guests.query) {
        Some(TokenKind::User)
    } else {
        None
    }
}

fn of(kind: TokenKind, value: &str) -> TokenKind {
    match Access::token_kind(value) {
        Some(TokenKind::Breakglass) if kind == TokenKind::Admin => TokenKind::Breakglass,
        _ => kind,
    }
}

/// Names and values as a form's reader has them.
fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

fn decoded(text: &str) -> Cow<'_, str> {
    match percent_decode_str(text).decode_utf8_lossy() {
        Cow::Borrowed(text) if !text.contains('+') => Cow::Borrowed(text),
        other => Cow::Owned(other.replace('+', " ")),
    }
}

/// The address without what carries a token.
fn clean(gate: &Gate, uri: &Uri) -> Uri {
    let keeps = |pair: &&str| {
        pairs(pair)
            .all(|(name, value)| taken_as(gate, &name).is_none() && !Access::looks_like_a_token(&value))
    };
    let kept: Vec<&str> = uri.query().unwrap_or_default().split('&').filter(keeps).collect();
    let path = uri.path();
    let text = if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query =
        Some(PathAndQuery::try_from(text).unwrap_or_else(|_| PathAndQuery::from_static("/")));
    Uri::from_parts(parts).unwrap_or_else(|_| Uri::from_static("/"))
}

/// Whether a browser says that another site led here (Fetch Metadata, section 2.3).
fn is_foreign(request: &Request<Body>) -> bool {
    let site = request.headers().get("sec-fetch-site").map(HeaderValue::as_bytes);
    site == Some(b"cross-site".as_slice())
}

/// The same address again, asked for by a page of this site, so that the browser sends its cookie along. The address
/// stands in a field that no history and no Referer keeps.
fn once_more(asked: &Uri) -> Response<Body> {
    let target = asked.path_and_query().map_or("/", PathAndQuery::as_str);
    let mut response = Response::new(Body::from(ONCE_MORE));
    let headers = response.headers_mut();
    if let (false, Ok(refresh)) =
        (target.starts_with("//"), HeaderValue::try_from(format!("0; url={target}")))
    {
        headers.insert(HeaderName::from_static("refresh"), refresh);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response.extensions_mut().insert(Quiet);
    response
}

const ONCE_MORE: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>One moment</title>\n\
    <h1>One moment</h1>\n<p>You are on your way. If nothing happens, load this page again.</p>\n</html>\n";

/// Go there, with the cookie alone. Nobody is told where from.
fn onward(to: &Uri) -> Response<Body> {
    let target = to.path_and_query().map_or("/", PathAndQuery::as_str);
    // `//host` would lead to another site.
    let target = if target.starts_with("//") { "/" } else { target };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.insert(LOCATION, HeaderValue::from_str(target).unwrap_or(HeaderValue::from_static("/")));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response.extensions_mut().insert(Quiet);
    response
}
