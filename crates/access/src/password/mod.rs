//! Passwords: verified and made on a bounded pool, judged by the policy's rules.

mod hash;
mod plain;
mod pool;
mod rules;
mod strength;

use palisade_model::world::NoEntropy;
use palisade_model::{Denial, FieldFault, Refusal, Secret, World};
use palisade_policy::Policy;

use crate::error::AccessError;
use hash::{Cost, Stored};
use plain::{Plain, Unfit};
use pool::Pool;
use rules::Rules;

pub use rules::Subject;

/// What verifying gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not the password, or nobody's.
    Wrong,
    /// The password.
    Right,
    /// The password, under a hash of other parameters than the policy's: time to renew it.
    RightButStale,
}

/// Everything about passwords that needs no store.
pub(crate) struct Passwords {
    pool: Pool,
    rules: Rules,
    cost: Cost,
    most: usize,
    nobody: Stored,
    world: World,
}

impl Passwords {
    /// Starts the threads.
    pub(crate) fn new(policy: &Policy, world: World) -> Result<Self, AccessError> {
        let passwords = &policy.identify.passwords;
        let cost = Cost { memory_kib: passwords.memory_kib, passes: passwords.passes, lanes: 1 };
        let pool = Pool::new(passwords.workers, passwords.queue)
            .map_err(|error| AccessError::Hashing(error.to_string()))?;
        let host = policy.app.base_url.authority.clone();
        let rules = Rules::new(passwords.clone(), vec![policy.app.name.clone(), host]);
        let (mut salt, mut output) = ([0; 16], [0; 32]);
        world.entropy.fill(&mut salt)?;
        world.entropy.fill(&mut output)?;
        let nobody = Stored::of_nobody(cost, salt, output);
        Ok(Self { pool, rules, cost, most: passwords.max_length, nobody, world })
    }

    /// Whether `password` is that of `stored`. Without a hash, or with one that cannot be read, a hash of
    /// nobody is verified instead, so that it takes the same path and the same time (ID-1).
    pub(crate) async fn verify(&self, password: &Secret, stored: Option<&str>) -> Result<Verdict, Refusal> {
        // Does not depend on who is asked for, so its speed tells nothing.
        let Ok(plain) = Plain::parse(password, self.most) else { return Ok(Verdict::Wrong) };
        let hash =
            stored.and_then(|text| Stored::parse(text, self.cost)).unwrap_or_else(|| self.nobody.clone());
        let stale = hash.is_stale(self.cost);
        let right = self.pool.run(move |work| plain.readings().any(|text| hash.matches(text, work))).await?;
        Ok(match (right, stale) {
            (false, _) => Verdict::Wrong,
            (true, false) => Verdict::Right,
            (true, true) => Verdict::RightButStale,
        })
    }

    /// A new hash.
    pub(crate) async fn hash(&self, password: &Secret) -> Result<String, Refusal> {
        let plain = Plain::parse(password, self.most).map_err(|_| Denial::InvalidInput)?;
        let salt = self.salt().map_err(|error| Refusal::new(Denial::Internal, error.to_string()))?;
        let cost = self.cost;
        let hashed = self.pool.run(move |work| hash::hash(plain.text(), &salt, cost, work)).await?;
        hashed.map_err(|error| Refusal::new(Denial::Internal, format!("argon2: {error}")))
    }

    /// Refuses a new password that the rules refuse, or that is one of `former` hashes' (ID-2).
    pub(crate) async fn judge(
        &self,
        field: &'static str,
        password: &Secret,
        subject: &Subject<'_>,
        former: Vec<String>,
    ) -> Result<(), Refusal> {
        let plain =
            Plain::parse(password, self.most).map_err(|unfit| unfit_fault(unfit, field, self.most))?;
        let (rules, name) = (self.rules.clone(), subject.name.to_owned());
        let email = subject.email.map(str::to_owned);
        let (judged, cost) = (plain.clone(), self.cost);
        let mut faults = self
            .pool
            .run(move |_| {
                let subject = Subject { name: &name, email: email.as_deref() };
                rules.faults(field, judged.text(), &subject)
            })
            .await?;
        if faults.is_empty() {
            // One job for each hash: others get their turn in between.
            for stored in former.iter().filter_map(|text| Stored::parse(text, cost)) {
                let plain = plain.clone();
                if self.pool.run(move |work| plain.readings().any(|text| stored.matches(text, work))).await? {
                    let message = "You have used this one before. Write another one.".into();
                    faults.push(FieldFault { field: field.into(), message });
                    break;
                }
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(Refusal::fields(faults)) }
    }

    /// The rules' faults alone, on the calling thread: for the command line.
    pub(crate) fn faults(
        &self,
        field: &'static str,
        password: &Secret,
        subject: &Subject<'_>,
    ) -> Vec<FieldFault> {
        match Plain::parse(password, self.most) {
            Ok(plain) => self.rules.faults(field, plain.text(), subject),
            Err(unfit) => unfit_fault(unfit, field, self.most).fields,
        }
    }

    /// Whether a hash that was made elsewhere can be verified here.
    pub(crate) fn can_read(&self, hash: &str) -> bool {
        Stored::parse(hash, self.cost).is_some()
    }

    fn salt(&self) -> Result<[u8; 16], NoEntropy> {
        let mut salt = [0; 16];
        self.world.entropy.fill(&mut salt)?;
        Ok(salt)
    }
}

fn unfit_fault(unfit: Unfit, field: &'static str, most: usize) -> Refusal {
    let message = match unfit {
        Unfit::TooLong => rules::too_long(most),
        Unfit::Nul => "Leave control characters out of it.".into(),
    };
    Refusal::fields(vec![FieldFault { field: field.into(), message }])
}
