//! Users whom another program had (ID-3). First they are judged, which changes nothing; then they are let in.

use data_encoding::HEXLOWER;
use palisade_model::audit::Origin;
use palisade_model::digest::sha256;
use palisade_model::{Action, AuditEvent, FieldFault, Refusal, Secret, TenantId};
use palisade_store::{StoreError, User};

use crate::access::{Access, entry, unchanged, unknowable, unrandom};
use crate::name;

/// A user as another program had it.
#[derive(Clone, Debug)]
pub struct Newcomer {
    /// The sign-in name. An e-mail address in its place is taken as the address.
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// Whether the other program knows that the address is theirs.
    pub email_verified: bool,
    /// The tenant.
    pub tenant: Option<String>,
    /// Names of roles of the policy; the policy's default roles when it is `None`.
    pub roles: Option<Vec<String>>,
    /// The password's hash, of any form that is read here.
    pub hash: Option<Secret>,
    /// Whether they may sign in.
    pub enabled: bool,
}

/// What came of judging a [`Newcomer`].
#[derive(Debug)]
pub enum Judged {
    /// Can be let in.
    Fits {
        /// As which user.
        user: Box<User>,
        /// Another name to take when this one is gone, for somebody who had none.
        spare: Option<String>,
    },
    /// Is here already, by name and address. What changed here since then stays.
    Here,
    /// Cannot be let in, and why. No text of theirs is in it.
    Faulty(Vec<FieldFault>),
}

/// How many users came from one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Let in.
    pub taken: u64,
    /// Were here already.
    pub here: u64,
    /// Could not be let in.
    pub refused: u64,
}

impl Access {
    /// Judges a newcomer by the policy, and by who is here.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn judge_newcomer(&self, newcomer: &Newcomer) -> Result<Judged, Refusal> {
        let (user, spare) = match self.as_user(newcomer) {
            Ok(found) => found,
            Err(refusal) if refusal.fields.is_empty() => return Err(refusal),
            Err(refusal) => return Ok(Judged::Faulty(refusal.fields)),
        };
        let by_email = match &user.email {
            Some(email) => self.store().user_by_login(email).await.map_err(unknowable)?,
            None => None,
        };
        if spare.is_some() && by_email.is_some() {
            return Ok(Judged::Here);
        }
        let by_name = self.store().user_by_login(&user.name).await.map_err(unknowable)?;
        Ok(match (by_name, by_email) {
            (None, None) => Judged::Fits { user, spare },
            (Some(named), by_email)
                if user.email.is_none() || by_email.as_ref().is_some_and(|other| other.id == named.id) =>
            {
                Judged::Here
            }
            (Some(_), _) => match spare {
                Some(spare) => Judged::Fits { user: Box::new(User { name: spare, ..*user }), spare: None },
                None => Judged::Faulty(vec![FieldFault::new("name", "Somebody else has this name here.")]),
            },
            (None, Some(_)) => {
                Judged::Faulty(vec![FieldFault::new("email", "Somebody else has this address here.")])
            }
        })
    }

    /// Lets one in, with its row in the trail. `Ok(Err(..))` when somebody has taken the name or address since it was
    /// judged.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn admit(&self, user: &User) -> Result<Result<(), FieldFault>, Refusal> {
        match self.store().create_user(user, vec![arrival(user)]).await {
            Ok(()) => Ok(Ok(())),
            Err(StoreError::Taken { what }) => {
                Ok(Err(FieldFault::new(what, "Somebody else has this one here.")))
            }
            Err(error) => Err(unchanged(error)),
        }
    }

    /// Lets all in, and records it, or nobody.
    ///
    /// # Errors
    /// `InvalidInput` when somebody has taken a name or address since it was judged; the store's failures.
    pub async fn admit_all(&self, users: Vec<User>) -> Result<(), Refusal> {
        let all = users.into_iter().map(|user| {
            let row = arrival(&user);
            (user, vec![row])
        });
        match self.store().create_users(all.collect()).await {
            Ok(()) => Ok(()),
            Err(StoreError::Taken { what }) => {
                Err(Refusal::field(what, "Somebody has taken one of them meanwhile. Try again."))
            }
            Err(error) => Err(unchanged(error)),
        }
    }

    /// Records how an import went. `kind` is a word such as `csv`.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn record_import(&self, kind: &str, tally: Tally) -> Result<(), Refusal> {
        let row = AuditEvent::new(Action::UsersImported, "import", kind)
            .change("taken", 0, tally.taken)
            .change("here", 0, tally.here)
            .change("refused", 0, tally.refused);
        self.store().append(vec![row]).await.map_err(unchanged)
    }

    fn as_user(&self, newcomer: &Newcomer) -> Result<(Box<User>, Option<String>), Refusal> {
        let mut faults = Vec::new();
        let written = newcomer.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
        let is_address = written.is_some_and(|name| name.contains('@'));
        let email = newcomer.email.as_deref().or(written.filter(|_| is_address));
        let (name, spare) = match written.filter(|_| !is_address) {
            Some(name) => (name.to_owned(), None),
            None => email.map(names_of).unwrap_or_default(),
        };
        let (name, email) = match name::judge(&name, email) {
            Ok(kept) => kept,
            Err(refusal) => {
                faults.extend(refusal.fields);
                (String::new(), None)
            }
        };
        let tenant = newcomer.tenant.as_deref().filter(|tenant| !tenant.is_empty()).map(TenantId::parse);
        if tenant == Some(None) {
            faults.push(FieldFault::new("tenant", "Use letters, digits, '_' and '-', at most 64."));
        }
        let roles = newcomer.roles.clone().unwrap_or_else(|| self.default_roles());
        if let Err(refusal) = self.judge_roles(&roles) {
            faults.extend(refusal.fields);
        }
        let hash = newcomer.hash.as_ref().map(Secret::expose);
        if hash.is_some_and(|hash| !self.0.passwords.can_read(hash)) {
            faults.push(FieldFault::new(
                "password",
                "This is no hash that is read here, or one that costs too much.",
            ));
        }
        if !faults.is_empty() {
            return Err(Refusal::fields(faults));
        }
        let now = self.now();
        let user = User {
            id: self.new_user_id().map_err(unrandom)?,
            name,
            email_verified_at: email.as_ref().filter(|_| newcomer.email_verified).map(|_| now),
            email,
            tenant: tenant.flatten(),
            roles,
            password: hash.map(str::to_owned),
            password_at: hash.map(|_| now),
            enabled: newcomer.enabled,
            created_at: now,
        };
        Ok((Box::new(user), spare))
    }
}

/// A name for somebody who has only an address, and another if that is taken: the same two each time.
fn names_of(email: &str) -> (String, Option<String>) {
    let local = email.split('@').next().unwrap_or_default();
    let plain: String = local
        .chars()
        .map(|c| if c.is_alphanumeric() || matches!(c, '.' | '_' | '+' | '-') { c } else { '-' })
        .skip_while(|c| !c.is_alphanumeric())
        .take(50)
        .collect();
    let plain = if plain.is_empty() { "user".to_owned() } else { plain };
    let digest = HEXLOWER.encode(&sha256(&[email.to_lowercase().as_bytes()]));
    let spare = format!("{plain}-{}", digest.get(..8).unwrap_or_default());
    (plain, Some(spare))
}

fn arrival(user: &User) -> AuditEvent {
    let mut row = entry(Action::UserCreated, "user", &user.id, user, &Origin::default());
    row.user = None;
    row
}
