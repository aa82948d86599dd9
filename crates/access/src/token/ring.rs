//! The keys of one purpose: one signs, and all that have not retired verify (ID-11).

use palisade_model::Timestamp;

/// A key with its times.
pub(crate) struct Slot<T> {
    pub(crate) key: T,
    /// From when on it signs.
    pub(crate) active_from: Timestamp,
    /// From when on what it signed is refused.
    pub(crate) retired_at: Option<Timestamp>,
}

impl<T> Slot<T> {
    /// A key that the policy gives: there from the beginning, and until the policy drops it.
    pub(crate) fn given(key: T) -> Self {
        Self { key, active_from: Timestamp::from_micros(i64::MIN), retired_at: None }
    }

    fn lives(&self, now: Timestamp) -> bool {
        self.retired_at.is_none_or(|at| now < at)
    }
}

/// The keys of one purpose.
pub(crate) struct Ring<T> {
    /// The one that became active last first.
    slots: Vec<Slot<T>>,
}

impl<T> Ring<T> {
    /// Of keys among which earlier ones are preferred for signing.
    pub(crate) fn new(slots: Vec<Slot<T>>) -> Self {
        Self { slots }
    }

    /// The key to sign with: of those that are active, the latest. Where none is active yet, as after a clock was
    /// set back, the first that ever will be.
    pub(crate) fn signing(&self, now: Timestamp) -> Option<&T> {
        let mut living = self.living(now);
        let active = living.find(|slot| slot.active_from <= now);
        active.or_else(|| self.living(now).last()).map(|slot| &slot.key)
    }

    /// Every key that verifies now, those that will sign later among them: what is published.
    pub(crate) fn living(&self, now: Timestamp) -> impl Iterator<Item = &Slot<T>> {
        self.slots.iter().filter(move |slot| slot.lives(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn ring() -> Ring<&'static str> {
        let slot = |key, from, to: Option<i64>| Slot { key, active_from: at(from), retired_at: to.map(at) };
        Ring::new(vec![slot("new", 200, None), slot("old", 100, Some(300)), slot("older", 0, Some(150))])
    }

    // proves: ID-11
    #[test]
    fn a_new_key_is_published_before_it_signs_and_an_old_one_verifies_after_it_did() {
        let ring = ring();
        let seen = |now: i64| {
            let living: Vec<&str> = ring.living(at(now)).map(|slot| slot.key).collect();
            (ring.signing(at(now)).copied(), living)
        };
        assert_eq!(seen(120), (Some("old"), vec!["new", "old", "older"]));
        assert_eq!(seen(150), (Some("old"), vec!["new", "old"]));
        assert_eq!(seen(199), (Some("old"), vec!["new", "old"]));
        assert_eq!(seen(200), (Some("new"), vec!["new", "old"]));
        assert_eq!(seen(299), (Some("new"), vec!["new", "old"]));
        assert_eq!(seen(300), (Some("new"), vec!["new"]));
        assert_eq!(seen(-1).0, Some("older"), "a clock that was set back still finds a key");
    }
}
