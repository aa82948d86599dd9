//! What somebody sees and changes of their own account.

mod address;
mod factors;
mod identities;
pub(super) mod keys;
mod overview;
pub(super) mod sessions;
mod step_up;
mod visit;

use axum::Router;
use axum::routing::{delete, get, post};

pub(super) use overview::readable;

use super::Desk;

pub(super) fn routes() -> Router<Desk> {
    Router::new()
        .route("/account", get(visit::page))
        .route("/account/security", get(overview::security_page))
        .route("/account/sessions", get(overview::sessions_page))
        .route("/account/password", post(overview::change_password))
        .route("/account/sessions/end", post(overview::end_sessions))
        .route("/account/email", post(address::submit))
        .route("/account/email/{token}", get(address::page).post(address::confirm))
        .route("/account/visit/end", post(visit::end))
        .route("/api/v1/auth/identities", get(identities::list))
        .route("/api/v1/auth/identities/link", post(identities::link))
        .route("/api/v1/auth/identities/unlink", post(identities::unlink))
        .route("/account/identities/link", post(identities::link))
        .route("/account/identities/unlink", post(identities::unlink))
        .route("/account/factors", get(factors::page))
        .route("/account/factors/app", post(factors::offer_app))
        .route("/account/factors/app/confirm", post(factors::add_app))
        .route("/account/factors/app/remove", post(factors::remove_app))
        .route("/account/factors/passkey", post(factors::add_passkey))
        .route("/account/factors/passkey/challenge", post(factors::challenge))
        .route("/account/factors/passkey/remove", post(factors::remove_passkey))
        .route("/account/factors/codes", post(factors::renew_codes))
        .route("/account/keys", get(keys::page).post(keys::make))
        .route("/account/keys/end", post(keys::end_from_page))
        .route("/auth/confirm", get(step_up::page).post(step_up::submit))
        .route("/api/v1/auth/confirm", post(step_up::submit))
        .route("/api/v1/auth/confirm/challenge", post(step_up::challenge))
        .route("/api/v1/auth/me", get(sessions::me))
        .route("/api/v1/auth/csrf", get(sessions::csrf))
        .route("/api/v1/auth/sessions", get(sessions::list).delete(sessions::end_others))
        .route("/api/v1/auth/sessions/{id}", delete(sessions::end))
        .route("/api/v1/auth/keys", get(keys::list).post(keys::make))
        .route("/api/v1/auth/keys/{id}", delete(keys::end))
        .route("/api/v1/auth/keys/{id}/rotate", post(keys::rotate))
}
