//! What makes revocation exact: which cached facts may still be believed.
//!
//! A cached principal is only as good as the store was when it was read. Every revocation *marks* its
//! subject (a user, a session, a family) with a number drawn from one counter; every cached entry
//! remembers the counter's value from *before* its store read. An entry is believed as long as none of
//! its subjects carries a younger mark. So:
//!
//! - a read that began before a revocation and is cached after it is never believed: its number is older;
//! - marking costs two atomic operations however many entries are cached, and a hit costs three loads;
//! - no lock is taken. Subjects share a fixed table of marks, so a revocation may cost somebody
//!   else one store read, and never a wrong answer.
//!
//! Revocations by other processes arrive by polling the store. When the last good poll is older than
//! [`TRUST`], nothing cached is believed and each request asks the store.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use palisade_model::Timestamp;
use palisade_store::Subject;

/// How old the last good poll may be before the cache is not trusted any more.
pub(crate) const TRUST: Duration = Duration::from_secs(1);

const MARKS: usize = 4096;

/// The counter's value before a store read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading(u64);

/// Marks of revoked subjects, and how fresh they are.
pub(crate) struct Live {
    counter: AtomicU64,
    marks: Box<[AtomicU64]>,
    floor: AtomicU64,
    polled: AtomicI64,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self {
            counter: AtomicU64::new(1),
            marks: (0..MARKS).map(|_| AtomicU64::new(0)).collect(),
            floor: AtomicU64::new(0),
            polled: AtomicI64::new(i64::MIN),
        }
    }

    /// To be taken before the store is read.
    pub(crate) fn reading(&self) -> Reading {
        Reading(self.counter.load(Ordering::SeqCst))
    }

    /// Whether what was read then still holds for all of these subjects.
    pub(crate) fn holds(&self, reading: Reading, subjects: &[Subject]) -> bool {
        self.floor.load(Ordering::SeqCst) <= reading.0
            && subjects.iter().all(|s| self.mark_of(s).is_none_or(|m| m.load(Ordering::SeqCst) <= reading.0))
    }

    /// Nothing that was read of this subject before now is believed any more. Call it after the store
    /// has committed the change, and before anybody is told that it was made.
    pub(crate) fn revoke(&self, subject: &Subject) {
        if *subject == Subject::Everybody {
            return self.revoke_all();
        }
        let number = self.next();
        if let Some(mark) = self.mark_of(subject) {
            mark.fetch_max(number, Ordering::SeqCst);
        }
    }

    /// Nothing that was read before now is believed any more: revocations may have been missed.
    pub(crate) fn revoke_all(&self) {
        let number = self.next();
        self.floor.fetch_max(number, Ordering::SeqCst);
    }

    /// All that other processes had revoked by `at` is marked.
    pub(crate) fn known_up_to(&self, at: Timestamp) {
        self.polled.store(at.as_micros(), Ordering::SeqCst);
    }

    /// Whether other processes' revocations are known up to [`TRUST`] ago. A clock that was set back
    /// makes it untrue until the next poll.
    pub(crate) fn trusted(&self, now: Timestamp) -> bool {
        let polled = self.polled.load(Ordering::SeqCst);
        polled <= now.as_micros() && now.since(Timestamp::from_micros(polled)) <= TRUST
    }

    fn next(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::SeqCst).saturating_add(1)
    }

    fn mark_of(&self, subject: &Subject) -> Option<&AtomicU64> {
        let id = match subject {
            Subject::User(id) => id.0,
            Subject::Session(id) => id.0,
            Subject::Family(id) => id.0,
            // No entry hangs on them alone: whoever changes them forgets everything.
            Subject::Key(id) => id.0,
            Subject::SigningKeys | Subject::Everybody => return None,
        };
        // The last bits of a UUIDv7 are random (RFC 9562 section 5.7): as good as a hash.
        self.marks.get(usize::try_from(id.as_u128() % MARKS as u128).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_model::World;
    use palisade_model::id::{SessionId, UserId};

    fn subjects() -> (Subject, Subject, World) {
        let (world, _) = World::still(Timestamp::from_secs(1000));
        let user = UserId::generate(world.now(), &*world.entropy).unwrap();
        let session = SessionId::generate(world.now(), &*world.entropy).unwrap();
        (Subject::User(user), Subject::Session(session), world)
    }

    // proves: ID-8
    #[test]
    fn a_read_begun_before_a_revocation_is_never_believed_after_it() {
        let (user, session, _) = subjects();
        let live = Live::new();
        let early = live.reading();
        assert!(live.holds(early, &[user, session]));
        live.revoke(&session);
        assert!(!live.holds(early, &[user, session]));
        let late = live.reading();
        assert!(live.holds(late, &[user, session]));
        live.revoke(&user);
        assert!(!live.holds(late, &[user, session]));
    }

    // proves: ID-8
    #[test]
    fn forgetting_everything_spares_only_what_is_read_afterwards() {
        let (user, session, _) = subjects();
        let live = Live::new();
        let early = live.reading();
        live.revoke_all();
        assert!(!live.holds(early, &[user, session]));
        assert!(live.holds(live.reading(), &[user, session]));
    }

    // proves: ID-8
    #[test]
    fn without_a_recent_poll_nothing_is_trusted() {
        let live = Live::new();
        let at = Timestamp::from_secs(1000);
        assert!(!live.trusted(at));
        live.known_up_to(at);
        assert!(live.trusted(at.plus(TRUST)));
        assert!(!live.trusted(at.plus(TRUST + Duration::from_micros(1))));
        assert!(!live.trusted(Timestamp::from_secs(999)), "the clock was set back");
    }
}
