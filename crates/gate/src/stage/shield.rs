//! What protects every route alike: refused networks, cross-origin rules, rate limits, and the headers that every
//! answer wears.

pub(crate) mod cookies;
pub(crate) mod cors;
pub(crate) mod limit;
pub(crate) mod seal;

use palisade_model::{Denial, Refusal};

use crate::course::Course;
use crate::gate::Gate;

/// Refuses networks that are always refused (LIMIT-5).
pub(crate) fn refuse_networks(gate: &Gate, course: &Course) -> Result<(), Refusal> {
    let ip = course.client.ip();
    if gate.policy().shield.refuse.iter().any(|net| net.contains(&ip)) {
        return Err(Refusal::new(Denial::AddressRefused, "the address is in shield.refuse"));
    }
    Ok(())
}
