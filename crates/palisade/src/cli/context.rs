//! What every command stands on: the policy, the environment, the store.

use std::future::Future;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use palisade_access::{Access, AccessError};
use palisade_model::{Denial, Environment, Refusal, World};
use palisade_policy::section::app::Deployment;
use palisade_policy::section::store::Database;
use palisade_policy::{Checked, Diagnostics, FILE, Policy};
use palisade_store::{Location, Store, StoreError, User};

use super::dotenv;
use super::failure::Failure;
use super::terminal::visible;

/// The variables of development, beside the policy.
const DOTENV: &str = ".env";

/// What every command stands on.
pub(super) struct Context {
    policy_file: Option<PathBuf>,
    real: Environment,
    mixed: Option<Environment>,
}

impl Context {
    /// From the process's own environment, with `.env` under it.
    ///
    /// # Errors
    /// When there is a `.env` that cannot be read as one.
    pub(super) fn new(policy_file: Option<PathBuf>) -> Result<Self, Failure> {
        let real = Environment::of_process();
        let mixed = if production(&real) { None } else { mix(&real, Path::new(DOTENV))? };
        Ok(Self { policy_file, real, mixed })
    }

    /// The policy, checked, and the world to use it in. In production `.env` counts for nothing, whether the
    /// environment says that it is production or the policy does.
    pub(super) fn checked(&self) -> Result<(Checked, World), Diagnostics> {
        self.load(Policy::load)
    }

    fn load(
        &self,
        load: fn(Option<&Path>, &Environment) -> Result<Checked, Diagnostics>,
    ) -> Result<(Checked, World), Diagnostics> {
        // Asked of the real environment: what is left over from development must not make less of it.
        let production =
            Policy::deployment(self.policy_file.as_deref(), &self.real) == Deployment::Production;
        if let Some(mixed) = self.mixed.as_ref().filter(|_| !production) {
            let checked = load(self.policy_file.as_deref(), mixed)?;
            return Ok((checked, world(mixed)));
        }
        let checked = load(self.policy_file.as_deref(), &self.real)?;
        Ok((checked, world(&self.real)))
    }

    /// Whether there is no policy, so that the development default stands in for one.
    pub(super) fn by_default(&self) -> bool {
        self.policy_file.is_none() && !Path::new(FILE).exists()
    }

    /// The policy, for a command that works on its store. Where there is neither a policy nor a store, a new one would
    /// be of no use to anybody: the server that is meant is elsewhere.
    pub(super) fn policy(&self, colour: bool) -> Result<(Policy, World), Failure> {
        let (policy, world) = self.any_policy(colour)?;
        let lost = matches!(&policy.store.database, Database::Sqlite(path) if !path.exists());
        if lost && self.by_default() {
            return Err(Failure::usage("there is no palisade.toml here, and no store")
                .remedy("go to the folder of the server, or name its policy with --policy FILE"));
        }
        Ok((policy, world))
    }

    /// The policy, or the default for development, for a command that only reads it.
    pub(super) fn any_policy(&self, colour: bool) -> Result<(Policy, World), Failure> {
        match self.load(Policy::load_for_command) {
            Ok((checked, world)) => Ok((checked.policy, world)),
            Err(diagnostics) => Err(Failure::diagnostics(diagnostics.render(colour))),
        }
    }
}

fn production(environment: &Environment) -> bool {
    let says = |name| environment.get(name).is_some_and(|value| value.eq_ignore_ascii_case("production"));
    says("ENVIRONMENT") || says("PALISADE_APP__ENVIRONMENT")
}

fn world(environment: &Environment) -> World {
    World { environment: Arc::new(environment.clone()), ..World::real() }
}

/// The file's variables under the real ones, which they never override.
fn mix(real: &Environment, file: &Path) -> Result<Option<Environment>, Failure> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::usage(format_args!("{DOTENV} cannot be read: {error}"))),
    };
    let found = dotenv::parse(&text).map_err(|wrong| Failure::usage(format_args!("{DOTENV}, {wrong}")))?;
    let mixed: Environment = found
        .into_iter()
        .chain(real.iter().map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect();
    if production(&mixed) {
        return Err(Failure::usage("ENVIRONMENT=production stands in .env, which is for development alone")
            .remedy("set it in the real environment, and the secrets with it"));
    }
    Ok(Some(mixed))
}

/// Runs a command that waits for the store.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::unknown(format_args!("no thread can be started: {error}")))?
        .block_on(work)
}

/// The policy's store. `make` says whether a new SQLite file may be made.
pub(super) async fn open_store(policy: &Policy, world: &World, make: bool) -> Result<Store, Failure> {
    let location = match &policy.store.database {
        Database::Sqlite(path) => {
            if !make && !path.exists() {
                return Err(Failure::unknown(format_args!("there is no store at {}", path.display()))
                    .remedy("start the server once, or add a user: either makes it"));
            }
            Location::Sqlite(path.clone())
        }
        Database::Memory => {
            return Err(Failure::usage(
                "this policy keeps its users in memory, where only the running server sees them",
            )
            .remedy("set store.database to a file, as \"sqlite:palisade-data/palisade.db\""));
        }
        Database::Postgres(url) => Location::Postgres(url.clone()),
    };
    Store::open(&location, world).await.map_err(store_failure)
}

/// Identities on the policy's store.
pub(super) async fn open_access(policy: Policy, world: World) -> Result<(Access, Store), Failure> {
    let store = open_store(&policy, &world, true).await?;
    let access = access_on(policy, world, &store).await?;
    Ok((access, store))
}

/// Identities on this store.
pub(super) async fn access_on(policy: Policy, world: World, store: &Store) -> Result<Access, Failure> {
    Access::open(Arc::new(policy), store.clone(), world).await.map_err(access_failure)
}

/// Why identities cannot be served, as an end of the command: nearly always a secret that is not as it should be.
pub(super) fn access_failure(error: AccessError) -> Failure {
    match error {
        AccessError::Store(error) => store_failure(error),
        AccessError::NoEntropy(error) => Failure::unknown(error),
        other => Failure::usage(other),
    }
}

/// What the store says, as an end of the command.
pub(super) fn store_failure(error: StoreError) -> Failure {
    match error {
        StoreError::Newer { .. } => {
            Failure::usage(&error).remedy("use the version of palisade that wrote it, or a newer one")
        }
        StoreError::Foreign(_) => Failure::usage(error),
        other => Failure::unknown(other),
    }
}

/// The user with this name or e-mail.
pub(super) async fn find(store: &Store, login: &str) -> Result<User, Failure> {
    store.user_by_login(login).await.map_err(store_failure)?.ok_or_else(|| {
        Failure::usage(format_args!("there is no user '{}'", visible(login)))
            .remedy("'palisade user list' shows all of them")
    })
}

/// What `access` refuses, in the words of a command line.
pub(super) fn refusal_failure(refusal: Refusal) -> Failure {
    if !refusal.fields.is_empty() {
        let faults: Vec<String> =
            refusal.fields.iter().map(|fault| format!("{}: {}", fault.field, fault.message)).collect();
        return Failure::usage(faults.join("\n  "));
    }
    match refusal.denial {
        Denial::StoreUnavailable | Denial::AuditUnavailable | Denial::IdentityUnavailable => {
            Failure::unknown(refusal.why)
        }
        _ => Failure::usage(refusal.why),
    }
}
