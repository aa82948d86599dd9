//! What goes with each opaque token, wherever it is shown: guesses are counted, and the events log is told.

use palisade_access::{Access, BREAKGLASS_SPENT, Principal};
use palisade_model::{Denial, Refusal, SecurityEvent};

use crate::course::Course;
use crate::gate::Gate;
use crate::stage::shield::limit;

/// Tries a token, and counts it where it may be a guess. One of another system's may be short, so it is counted
/// before it is tried; ours cannot be guessed, so only what failed is counted.
pub(super) async fn guessed<T>(
    gate: &Gate,
    course: &Course,
    token: &str,
    attempt: impl AsyncFnOnce(&Course) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let known = gate.parts().access.remembers(token, course.client);
    let ours = Access::token_kind(token).is_some();
    if !known {
        limit::guess(gate, course, !ours)?;
    }
    let outcome = Box::pin(attempt(course)).await;
    if ours && outcome.as_ref().is_err_and(|refusal| refusal.denial == Denial::CredentialInvalid) {
        // Over the limit, the next one hears of it.
        let _ = limit::guess(gate, course, true);
    }
    outcome
}

/// Breakglass was used: an event and a counter, besides the row in the trail.
pub(crate) fn broken(gate: &Gate, course: &Course, principal: &Principal) {
    gate.parts().metrics.breakglass_used();
    let event = event(gate, course, "breakglass_used").with("user", principal.user().to_string());
    gate.parts().trail.event(&event);
    tracing::warn!(request_id = course.id.as_str(), "breakglass was used");
}

/// Whether a refusal says that somebody holds a breakglass token that was used before.
pub(crate) fn is_spent(refusal: &Refusal) -> bool {
    refusal.why == BREAKGLASS_SPENT
}

pub(super) fn event(gate: &Gate, course: &Course, name: &'static str) -> SecurityEvent {
    SecurityEvent::new(gate.parts().world.now(), name)
        .with("request_id", course.id.as_str())
        .with("ip", course.client.to_string())
}
