//! Sign-in, sign-up, sign-out and the account, as pages for people and as JSON for programs.
//!
//! Every handler takes [`Allowed`](palisade_gate::Allowed): mounted without the gate it fails closed. What is refused is refused with one of
//! the closed list, either through [`refused`] or, where a person can correct a form, as the form again.

mod account;
mod address;
mod confirm;
mod cookies;
mod factors;
mod forgot;
mod intake;
mod link;
mod next;
mod opaque;
mod oversee;
mod passkey;
mod provider;
mod reply;
mod second;
mod sessions;
mod sign_in;
mod sign_out;
mod sign_up;
mod step_up;
mod tokens;
mod unlock;

use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post};
use palisade_access::Access;
use palisade_gate::{Exchange, refused};
use palisade_model::{Refusal, World};
use palisade_policy::Policy;
use palisade_policy::section::identify::Passwords;

use super::assets;
use crate::pages::Frame;

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
struct Desk {
    policy: Arc<Policy>,
    access: Access,
    world: World,
    /// The password rules in words, for the forms that set one.
    rules: Arc<str>,
}

/// The routes of the service. They have to stand behind the gate.
pub fn router(policy: Arc<Policy>, access: Access, world: World) -> Router {
    let rules = rules(&policy.identify.passwords).into();
    let desk = Desk { policy, access, world, rules };
    Router::new()
        .route("/auth/login", get(sign_in::page).post(sign_in::submit))
        .route("/auth/register", get(sign_up::page).post(sign_up::submit))
        .route("/auth/passkey", post(passkey::submit))
        .route("/auth/second", get(second::page).post(second::submit))
        .route("/auth/confirm", get(step_up::page).post(step_up::submit))
        .route("/auth/logout", post(sign_out::browser))
        .route("/auth/link/{token}", get(link::page).post(link::submit))
        .route("/auth/oidc/{name}", get(provider::start))
        .route("/auth/callback/{name}", get(provider::callback))
        .route("/auth/oidc/{name}/backchannel-logout", post(provider::logout))
        .route("/account/identities/link", post(provider::link))
        .route("/account/identities/unlink", post(provider::unlink))
        .route("/auth/forgot-password", get(forgot::page).post(forgot::submit))
        .route("/auth/reset-password/{token}", get(link::page).post(link::submit))
        .route("/auth/confirm/{token}", get(confirm::page).post(confirm::submit))
        .route("/account/email", post(address::submit))
        .route("/account/email/{token}", get(address::page).post(address::confirm))
        .route("/account", get(account::page))
        .route("/account/factors", get(factors::page))
        .route("/account/factors/app", post(factors::offer_app))
        .route("/account/factors/app/confirm", post(factors::add_app))
        .route("/account/factors/app/remove", post(factors::remove_app))
        .route("/account/factors/passkey", post(factors::add_passkey))
        .route("/account/factors/passkey/challenge", post(factors::challenge))
        .route("/account/factors/passkey/remove", post(factors::remove_passkey))
        .route("/account/factors/codes", post(factors::renew_codes))
        .route("/account/password", post(account::change_password))
        .route("/account/sessions/end", post(account::end_sessions))
        .route("/api/v1/auth/login", post(sign_in::submit))
        .route("/api/v1/auth/register", post(sign_up::submit))
        .route("/api/v1/auth/forgot-password", post(forgot::submit))
        .route("/api/v1/auth/reset-password", post(link::reset))
        .route("/auth/api_login", post(sign_in::submit))
        .route("/auth/api_signup", post(sign_up::submit))
        .route("/auth/api_forgot_password", post(forgot::submit))
        .route("/api/login", post(sign_in::submit))
        .route("/api/signup", post(sign_up::submit))
        .route("/api/forgot_password", post(forgot::submit))
        .route("/api/v1/auth/second", post(second::submit))
        .route("/api/v1/auth/second/challenge", post(second::challenge))
        .route("/api/v1/auth/passkey", post(passkey::submit))
        .route("/api/v1/auth/passkey/challenge", post(passkey::challenge))
        .route("/api/v1/auth/confirm", post(step_up::submit))
        .route("/api/v1/auth/confirm/challenge", post(step_up::challenge))
        .route("/api/v1/auth/refresh", post(tokens::refresh))
        .route("/api/v1/auth/logout", post(sign_out::program))
        .route("/api/v1/auth/me", get(sessions::me))
        .route("/api/v1/auth/csrf", get(sessions::csrf))
        .route("/api/v1/auth/sessions", get(sessions::list).delete(sessions::end_others))
        .route("/api/v1/auth/sessions/{id}", delete(sessions::end))
        .route("/account/keys", get(opaque::page).post(opaque::make))
        .route("/account/keys/end", post(opaque::end_from_page))
        .route("/api/v1/auth/keys", get(opaque::list).post(opaque::make))
        .route("/api/v1/auth/keys/{id}", delete(opaque::end))
        .route("/api/v1/auth/keys/{id}/rotate", post(opaque::rotate))
        .route("/api/v1/admin/keys", get(opaque::overseen))
        .route("/api/v1/admin/keys/{id}/disable", post(opaque::disable))
        .route("/auth/breakglass", get(opaque::breakglass_page).post(opaque::breakglass_submit))
        .route("/register", get(opaque::guest_page).post(opaque::guest_submit))
        .route("/api/v1/admin/users", get(oversee::users))
        .route("/api/v1/admin/users/{id}/sessions", get(oversee::list).delete(oversee::end_all))
        .route("/api/v1/admin/users/{id}/sessions/{sid}", delete(oversee::end))
        .route("/api/v1/admin/unlock", post(unlock::submit))
        .with_state(desk)
}

impl Desk {
    /// Whether the request came to a path that goes away, where fields have former names too (EDGE-8).
    fn is_former(&self, exchange: &Exchange) -> bool {
        self.policy.routes.rows.get(exchange.route).is_some_and(|row| row.legacy.is_some())
    }

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
