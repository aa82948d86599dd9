//! Passwords: verified and made on a bounded pool, judged by the policy's rules.

mod bcrypt64;
mod decoys;
mod form;
mod line;
mod plain;
mod pool;
mod rules;
mod scheme;
mod stored;
mod strength;

use palisade_model::world::NoEntropy;
use palisade_model::{Denial, FieldFault, Refusal, Secret, World};
use palisade_policy::Policy;

use crate::error::AccessError;
use crate::keys::Key;
use decoys::Decoys;
use line::Line;
use plain::{Plain, Unfit};
use pool::Pool;
use rules::Rules;
use scheme::{Scheme, Workspace};
use stored::Stored;

pub(crate) use decoys::Census;
pub use pool::HashingLoad;
pub use rules::Subject;

/// What verifying gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not the password, or nobody's.
    Wrong,
    /// The password.
    Right,
    /// The password, under a hash of another kind or cost than the policy's: time to renew it.
    RightButStale,
}

/// Everything about passwords that needs no store.
pub(crate) struct Passwords {
    pool: Pool,
    rules: Rules,
    own: Scheme,
    most: usize,
    decoys: Decoys,
    /// Before foreign hashes that take much memory.
    line: Line,
    world: World,
}

impl Passwords {
    /// Starts the threads. `key` decides which hash of nobody an unknown name gets.
    pub(crate) fn new(policy: &Policy, key: Key, world: World) -> Result<Self, AccessError> {
        let passwords = &policy.identify.passwords;
        let own = Scheme::of_policy(passwords);
        let pool = Pool::new(passwords.workers, passwords.queue)
            .map_err(|error| AccessError::Hashing(error.to_string()))?;
        let host = policy.app.base_url.authority.clone();
        let rules = Rules::new(passwords.clone(), vec![policy.app.name.clone(), host]);
        let (mut salt, mut output) = ([0; 16], [0; 32]);
        world.entropy.fill(&mut salt)?;
        world.entropy.fill(&mut output)?;
        let decoys = Decoys::new(key, own, salt, output);
        Ok(Self {
            pool,
            rules,
            own,
            most: passwords.max_length,
            decoys,
            line: Line::new(passwords.queue),
            world,
        })
    }

    /// Whether `password` is that of `stored`, the hash of the user whom `login` names. Without one, or with one that
    /// cannot be read, a hash of nobody is verified instead, so that it takes the same path and the same time (ID-1).
    pub(crate) async fn verify(
        &self,
        login: &str,
        password: &Secret,
        stored: Option<&str>,
    ) -> Result<Verdict, Refusal> {
        // Does not depend on who is asked for, so its speed tells nothing.
        let Ok(plain) = Plain::parse(password, self.most) else { return Ok(Verdict::Wrong) };
        let hash =
            stored.and_then(|text| form::parse(text, self.own)).unwrap_or_else(|| self.decoys.of(login));
        // What was not proven must not become the password.
        let stale = hash.is_stale(self.own) && plain.readings().all(|text| hash.scheme.reads_whole(text));
        Ok(match (self.matches(plain, hash).await?, stale) {
            (false, _) => Verdict::Wrong,
            (true, false) => Verdict::Right,
            (true, true) => Verdict::RightButStale,
        })
    }

    /// Whether the hash is of this password, in either reading.
    async fn matches(&self, plain: Plain, hash: Stored) -> Result<bool, Refusal> {
        let turn = if hash.scheme.is_heavy(self.own) { Some(self.line.turn().await?) } else { None };
        self.pool
            .run(move |work| {
                // What a heavy one needs is not kept.
                let mut other = Workspace::default();
                let work = if turn.is_some() { &mut other } else { work };
                plain.readings().any(|text| hash.matches(text, work))
            })
            .await
    }

    /// A new hash.
    pub(crate) async fn hash(&self, password: &Secret) -> Result<String, Refusal> {
        let plain = Plain::parse(password, self.most).map_err(|_| Denial::InvalidInput)?;
        let salt = self.salt().map_err(|error| Refusal::new(Denial::Internal, error.to_string()))?;
        let own = self.own;
        let made = self.pool.run(move |work| Stored::make(own, plain.text(), &salt, work)).await?;
        made.and_then(|stored| form::write(&stored))
            .ok_or_else(|| Refusal::new(Denial::Internal, "the policy's hashing parameters fit no hash"))
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
        let judged = plain.clone();
        let mut faults = self
            .pool
            .run(move |_| {
                let subject = Subject { name: &name, email: email.as_deref() };
                rules.faults(field, judged.text(), &subject)
            })
            .await?;
        if faults.is_empty() {
            // One job for each hash: others get their turn in between.
            for stored in former.iter().filter_map(|text| form::parse(text, self.own)) {
                if self.matches(plain.clone(), stored).await? {
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
        form::parse(hash, self.own).is_some()
    }

    /// How much the pool did and does.
    pub(crate) fn load(&self) -> HashingLoad {
        self.pool.load()
    }

    /// Counts these hashes in.
    pub(crate) fn count<'a>(&self, hashes: impl IntoIterator<Item = &'a str>, census: &mut Census) {
        for stored in hashes.into_iter().filter_map(|text| form::parse(text, self.own)) {
            let count = census.entry(stored.scheme).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// From now on, hashes of nobody are spread as the users' are.
    pub(crate) fn follow(&self, census: &Census) {
        self.decoys.follow(census);
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

#[cfg(test)]
mod tests;
