//! Access and refresh tokens for API clients (ID-9, ID-10).

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use palisade_access::Tokens;
use palisade_gate::{Allowed, Exchange};
use palisade_model::Denial;
use serde_json::json;

use crate::service::identity::intake::{Intake, Speech};
use crate::service::identity::{Answer, Desk, reply};

/// Exchanges a refresh token for its successor and a new access token.
pub(super) async fn refresh(
    State(desk): State<Desk>,
    Allowed(_permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    if intake.speech != Speech::Json {
        return Err(Denial::MediaType.into());
    }
    let token = intake.required("refresh_token", "Send the refresh token.");
    intake.finish()?;
    let tokens = desk.access.refresh(token.expose(), &exchange.origin()).await?;
    Ok(issued(&tokens))
}

/// RFC 6749 section 5.1.
pub(super) fn issued(tokens: &Tokens) -> Response<Body> {
    reply::json(
        200,
        &json!({
            "access_token": tokens.access,
            "refresh_token": tokens.refresh.expose(),
            "token_type": "Bearer",
            "expires_in": tokens.expires_in.as_secs(),
            "refresh_expires_in": tokens.refresh_expires_in.as_secs(),
        }),
    )
}
