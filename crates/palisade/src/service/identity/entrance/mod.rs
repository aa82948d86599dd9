//! The ways in and out: sign-in in all its forms, registration, links by mail, tokens, sign-out.

mod breakglass;
mod confirm;
pub(super) mod forgot;
mod guest;
pub(super) mod link;
pub(super) mod passkey;
pub(super) mod provider;
pub(super) mod second;
mod sign_in;
mod sign_out;
mod sign_up;
mod tokens;

use axum::Router;
use axum::routing::{get, post};

use super::Desk;

pub(super) fn routes() -> Router<Desk> {
    pages().merge(programs()).merge(former())
}

/// For people.
fn pages() -> Router<Desk> {
    Router::new()
        .route("/auth/login", get(sign_in::page).post(sign_in::submit))
        .route("/auth/passkey", post(passkey::submit))
        .route("/auth/second", get(second::page).post(second::submit))
        .route("/auth/oidc/{name}", get(provider::start))
        .route("/auth/callback/{name}", get(provider::callback))
        .route("/auth/oidc/{name}/backchannel-logout", post(provider::logout))
        .route("/auth/logout", post(sign_out::browser))
        .route("/auth/signed-out", get(sign_out::back))
        .route("/auth/register", get(sign_up::page).post(sign_up::submit))
        .route("/auth/confirm/{token}", get(confirm::page).post(confirm::submit))
        .route("/auth/forgot-password", get(forgot::page).post(forgot::submit))
        .route("/auth/reset-password/{token}", get(link::page).post(link::submit))
        .route("/auth/link/{token}", get(link::page).post(link::submit))
        .route("/auth/breakglass", get(breakglass::page).post(breakglass::submit))
        .route("/register", get(guest::page).post(guest::submit))
}

/// For programs.
fn programs() -> Router<Desk> {
    Router::new()
        .route("/api/v1/auth/login", post(sign_in::submit))
        .route("/api/v1/auth/passkey", post(passkey::submit))
        .route("/api/v1/auth/passkey/challenge", post(passkey::challenge))
        .route("/api/v1/auth/second", post(second::submit))
        .route("/api/v1/auth/second/challenge", post(second::challenge))
        .route("/api/v1/auth/refresh", post(tokens::refresh))
        .route("/api/v1/auth/logout", post(sign_out::program))
        .route("/api/v1/auth/register", post(sign_up::submit))
        .route("/api/v1/auth/forgot-password", post(forgot::submit))
        .route("/api/v1/auth/reset-password", post(link::reset))
}

/// Paths that earlier clients know (EDGE-8).
fn former() -> Router<Desk> {
    Router::new()
        .route("/auth/api_login", post(sign_in::submit))
        .route("/auth/api_signup", post(sign_up::submit))
        .route("/auth/api_forgot_password", post(forgot::submit))
        .route("/api/login", post(sign_in::submit))
        .route("/api/signup", post(sign_up::submit))
        .route("/api/forgot_password", post(forgot::submit))
}
