//! `/api/v1/admin/unlock`: an administrator lifts lockouts (LIMIT-3, LIMIT-8).

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use palisade_access::Locked;
use palisade_gate::{Allowed, Exchange};
use palisade_model::Refusal;
use serde_json::json;

use crate::locked;
use crate::service::identity::intake::Intake;
use crate::service::identity::{Answer, Desk, reply, somebody};

/// Lifts what the one field of the body names.
pub(super) async fn submit(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    let administrator = somebody(&permit)?;
    let (user, address, all) = (intake.optional("user"), intake.optional("address"), intake.flag("all"));
    intake.finish()?;
    let whose = match (user, address, all) {
        (Some(user), None, false) => Locked::User(user.expose().to_owned()),
        (None, Some(address), false) => {
            let network = locked::network(address.expose());
            Locked::Network(network.ok_or_else(|| Refusal::field("address", locked::NETWORK))?)
        }
        (None, None, true) => Locked::All,
        _ => return Err(Refusal::field("user", "Send one of user, address and all.").into()),
    };
    let forgotten = desk.access.unlock(&whose, Some(administrator), &exchange.origin()).await?;
    Ok(reply::json(200, &json!({ "forgotten": forgotten })))
}
