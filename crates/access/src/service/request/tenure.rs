//! For how long an open connection may go on in somebody's name.

use std::time::Duration;

use palisade_model::Timestamp;

use crate::access::Access;
use crate::live::Reading;
use crate::principal::Principal;

/// After so long the store is asked even if no revocation was heard of: a session can end by idleness alone.
const RECHECK: Duration = Duration::from_secs(30);

/// What lets an answer or a socket that outlives its request go on: the credential that opened it (ID-8, ID-10).
///
/// Asking often is cheap: between revocations it is a few atomic loads, and no use of the session.
pub struct Tenure {
    access: Access,
    principal: Principal,
    /// When the store was asked last, and what was known then.
    asked: Option<(Reading, Timestamp)>,
}

impl Access {
    /// The tenure of whoever opened something that lasts.
    #[must_use]
    pub fn tenure(&self, principal: &Principal) -> Tenure {
        Tenure { access: self.clone(), principal: principal.clone(), asked: None }
    }
}

impl Tenure {
    /// Whether it goes on: the credential holds, its own time is not up, and roles and tenant are the same. What cannot be
    /// known does not hold.
    pub async fn holds(&mut self) -> bool {
        let now = self.access.now();
        if self.principal.ends_at().is_some_and(|end| end <= now) {
            return false;
        }
        let live = &self.access.0.live;
        let believed = |(reading, at): (Reading, Timestamp)| {
            at <= now
                && now.since(at) < RECHECK
                && live.trusted(now)
                && live.holds(reading, &self.principal.subjects())
        };
        if self.asked.is_some_and(believed) {
            return true;
        }
        // Before the store is read, so that a revocation meanwhile is younger.
        let reading = live.reading();
        let holds = self.access.lives(&self.principal).await;
        self.asked = holds.then_some((reading, now));
        holds
    }
}
