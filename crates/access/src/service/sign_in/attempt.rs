//! An attempt to prove who one is: counted before anything is verified (LIMIT-3).

use std::time::Duration;

use palisade_model::audit::Origin;
use palisade_model::{Action, Alarm, AuditEvent, Denial, Refusal, Timestamp};
use palisade_store::{Bucket, Standing};

use crate::access::{Access, entry, unknowable, unrecorded};
use crate::lockout::Subjects;

/// When to come back while others' attempts are not decided.
const SOON: Duration = Duration::from_secs(1);

/// How often it is looked whether they are, and how many times at most: people of one office who sign in at the same
/// moment wait for each other, and not for guessers, whose places end in a lockout.
const PAUSE: Duration = Duration::from_millis(25);
const PATIENCE: usize = 80;

/// A failure, and what is answered alike for everybody, is answered after a random wait of up to so long: the hash takes
/// the same time for everybody, and what is left of differences in the store's work drowns in it before a guesser is
/// locked out (ID-1).
const HAZE: Duration = Duration::from_millis(8);

/// An attempt that has its place. Dropped without a word about its end, it counts as failed a minute later.
pub(crate) struct Attempt {
    access: Access,
    /// Where it has a place.
    buckets: Vec<Bucket>,
    at: Timestamp,
    barred: bool,
    alarm: Option<Alarm>,
}

impl Access {
    /// Lets a moment pass that nobody can foresee.
    pub(crate) async fn haze(&self) {
        let mut draw = [u8::MAX];
        // Without randomness the longest wait serves as well.
        let _ = self.0.world.entropy.fill(&mut draw);
        let part = draw.into_iter().map(u32::from).sum::<u32>();
        tokio::time::sleep(HAZE * part / u32::from(u8::MAX)).await;
    }

    /// Takes a place for an attempt.
    ///
    /// # Errors
    /// [`Denial::LockedOut`] for an address or a known device that failed too often; the store's failures.
    pub(crate) async fn attempt(&self, subjects: Subjects<'_>, origin: &Origin) -> Result<Attempt, Refusal> {
        let now = self.now();
        let row = match subjects.named() {
            Some(user) => entry(Action::LockoutBegan, "user", &user.id, user, origin),
            None => AuditEvent::new(Action::LockoutBegan, "user", "unknown").from(origin),
        };
        let buckets = self.0.lockouts.buckets(&subjects, &row, origin, now);
        if buckets.is_empty() {
            return Ok(Attempt { access: self.clone(), buckets, at: now, barred: false, alarm: None });
        }
        let standings = self.take_places(&buckets, now).await?;
        let alarm = alarm(&buckets, &standings);
        let both = || buckets.iter().zip(&standings);
        let locked = both().find_map(|(bucket, standing)| match standing {
            Standing::Locked { until, .. } if bucket.stops => Some(*until),
            _ => None,
        });
        if let Some(until) = locked {
            let refusal = Refusal::new(Denial::LockedOut, "locked out").retry_after(until.since(now));
            return Err(refusal.alarming(alarm));
        }
        if standings.contains(&Standing::Busy) {
            // Made-up names are busy in the same way: it tells nothing of who exists.
            let refusal = Refusal::new(Denial::LockedOut, "others' attempts are not decided");
            return Err(refusal.retry_after(SOON).alarming(alarm));
        }
        let free = both().filter(|(_, at)| **at == Standing::Free).map(|(bucket, _)| bucket.clone());
        let free: Vec<Bucket> = free.collect();
        let barred = free.len() < buckets.len();
        Ok(Attempt { access: self.clone(), buckets: free, at: now, barred, alarm })
    }
}

impl Access {
    async fn take_places(&self, buckets: &[Bucket], at: Timestamp) -> Result<Vec<Standing>, Refusal> {
        let mut patience = PATIENCE;
        loop {
            let standings = self.store().reserve_attempt(buckets.to_vec(), at).await.map_err(unknowable)?;
            let busy = standings.contains(&Standing::Busy);
            if !busy || patience == 0 || standings.iter().any(|at| matches!(at, Standing::Locked { .. })) {
                return Ok(standings);
            }
            patience -= 1;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Attempt {
    /// Whether the account is locked: then whatever is shown is wrong, and nobody may see a difference.
    pub(crate) fn barred(&self) -> bool {
        self.barred
    }

    /// It succeeded, and gives its places back. What failed before goes on counting against strangers: whoever
    /// signs in to an account of their own does not get new attempts on others'. A known device begins anew.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn succeeded(self) -> Result<(), Refusal> {
        let device = self.buckets.len() == 1 && self.buckets.iter().all(|bucket| bucket.owner.is_some());
        self.end(device).await
    }

    /// Nothing was verified: it counts for nothing.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn withdrawn(self) -> Result<(), Refusal> {
        self.end(false).await
    }

    async fn end(self, clear: bool) -> Result<(), Refusal> {
        if self.buckets.is_empty() {
            return Ok(());
        }
        let Self { access, buckets, at, .. } = self;
        access.store().give_attempt_back(buckets, at, clear).await.map_err(unknowable)
    }

    /// It failed, as `row` tells. Gives `refusal`, which raises an alarm if this was one too many.
    pub(crate) async fn failed(self, row: AuditEvent, refusal: Refusal) -> Refusal {
        let Self { access, buckets, at, alarm: earlier, .. } = self;
        let failed = access.store().fail_attempt(buckets.clone(), at, access.now(), vec![row]).await;
        access.haze().await;
        match failed {
            Ok(standings) => refusal.alarming(earlier.or_else(|| alarm(&buckets, &standings))),
            Err(error) => unrecorded(error),
        }
    }
}

/// What the events log says of lockouts that began just now.
fn alarm(buckets: &[Bucket], standings: &[Standing]) -> Option<Alarm> {
    let began = buckets.iter().zip(standings).filter_map(|(bucket, standing)| match standing {
        Standing::Locked { until, began: true } => Some((bucket, *until)),
        _ => None,
    });
    let mut facts: Vec<(&'static str, String)> = Vec::new();
    for (bucket, until) in began {
        facts.push(match bucket.row.entity_type {
            "address" => ("address_locked_until", until.to_string()),
            "device" => ("device_locked_until", until.to_string()),
            _ => ("account_locked_until", until.to_string()),
        });
        if let Some(user) = bucket.row.user {
            facts.push(("account", user.to_string()));
        }
    }
    (!facts.is_empty()).then_some(Alarm { event: "lockout_began", facts })
}
