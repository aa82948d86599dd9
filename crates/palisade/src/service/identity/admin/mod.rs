//! What administrators see and end of others', for programs.

mod keys;
mod unlock;
mod users;

use axum::Router;
use axum::routing::{delete, get, post};

use super::Desk;

pub(super) fn routes() -> Router<Desk> {
    Router::new()
        .route("/api/v1/admin/users", get(users::list))
        .route("/api/v1/admin/users/{id}/sessions", get(users::sessions).delete(users::end_sessions))
        .route("/api/v1/admin/users/{id}/factors", delete(users::reset_factors))
        .route("/api/v1/admin/users/{id}/sessions/{sid}", delete(users::end_session))
        .route("/api/v1/admin/keys", get(keys::list))
        .route("/api/v1/admin/keys/{id}/disable", post(keys::disable))
        .route("/api/v1/admin/keys/{id}/enable", post(keys::enable))
        .route("/api/v1/admin/unlock", post(unlock::submit))
}
