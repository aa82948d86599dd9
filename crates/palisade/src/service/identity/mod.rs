//! Sign-in, sign-up, sign-out and the account, as pages for people and as JSON for programs.
//!
//! Every handler takes [`Allowed`]: mounted without the gate it fails closed. What is refused is refused with one of
//! the closed list, either through [`refused`] or, where a person can correct a form, as the form again.

mod account;
mod cookies;
mod device;
mod intake;
mod link;
mod next;
mod reply;
mod sessions;
mod sign_in;
mod sign_out;
mod sign_up;
mod tokens;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use axum::routing::{delete, get, post};
use palisade_access::{Access, Permit};
use palisade_gate::{Allowed, Exchange, refused};
use palisade_model::{Refusal, World};
use palisade_policy::Policy;
use palisade_policy::section::identify::Passwords;
use tower::ServiceExt as _;

use super::assets;
use crate::pages::Frame;

/// The service: its routes, with what they stand on.
#[derive(Clone)]
pub struct Identity(Router);

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
struct Desk {
    policy: Arc<Policy>,
    access: Access,
    world: World,
    /// The password rules in words, for the forms that set one.
    rules: Arc<str>,
}

impl Identity {
    /// On these identities.
    #[must_use]
    pub fn new(policy: Arc<Policy>, access: Access, world: World) -> Self {
        let rules = rules(&policy.identify.passwords).into();
        Self(router(Desk { policy, access, world, rules }))
    }

    /// Answers a request that the gate let in.
    pub async fn answer(
        &self,
        mut request: Request<Body>,
        exchange: Arc<Exchange>,
        permit: Permit,
    ) -> Response<Body> {
        request.extensions_mut().insert(exchange);
        request.extensions_mut().insert(Allowed(permit));
        match self.0.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

fn router(desk: Desk) -> Router {
    Router::new()
        .route("/auth/login", get(sign_in::page).post(sign_in::submit))
        .route("/auth/register", get(sign_up::page).post(sign_up::submit))
        .route("/auth/logout", post(sign_out::browser))
        .route("/auth/link/{token}", get(link::page).post(link::submit))
        .route("/account", get(account::page))
        .route("/account/password", post(account::change_password))
        .route("/account/sessions/end", post(account::end_sessions))
        .route("/api/v1/auth/login", post(sign_in::submit))
        .route("/api/v1/auth/register", post(sign_up::submit))
        .route("/api/v1/auth/refresh", post(tokens::refresh))
        .route("/api/v1/auth/logout", post(sign_out::program))
        .route("/api/v1/auth/me", get(sessions::me))
        .route("/api/v1/auth/csrf", get(sessions::csrf))
        .route("/api/v1/auth/sessions", get(sessions::list).delete(sessions::end_others))
        .route("/api/v1/auth/sessions/{id}", delete(sessions::end))
        .with_state(desk)
}

impl Desk {
    fn frame<'a>(&'a self, nonce: &'a str) -> Frame<'a> {
        Frame::new(&self.policy.app.name, nonce, assets::stylesheet())
    }
}

/// A handler's no.
struct No(Refusal);

impl<T: Into<Refusal>> From<T> for No {
    fn from(refusal: T) -> Self {
        Self(refusal.into())
    }
}

impl axum::response::IntoResponse for No {
    fn into_response(self) -> axum::response::Response {
        refused(self.0)
    }
}

type Answer = Result<axum::response::Response, No>;

/// The password rules as one hint.
fn rules(rules: &Passwords) -> String {
    let asked: Vec<&str> = [
        (rules.upper, "an upper-case letter"),
        (rules.lower, "a lower-case letter"),
        (rules.digit, "a digit"),
        (rules.special, "a special character"),
    ]
    .into_iter()
    .filter_map(|(on, words)| on.then_some(words))
    .collect();
    let mut text = format!("At least {} characters", rules.min_length);
    if let Some((last, others)) = asked.split_last() {
        let list =
            if others.is_empty() { (*last).to_owned() } else { format!("{} and {last}", others.join(", ")) };
        text.push_str(", with ");
        text.push_str(&list);
    }
    text.push_str(". Nothing that is easy to guess, and not your name or e-mail.");
    text
}
