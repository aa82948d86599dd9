//! A policy, a store in memory and an [`Access`] on them.

use std::sync::Arc;
use std::time::Duration;

use palisade_access::{Access, AccessError, NewUser};
use palisade_model::audit::Origin;
use palisade_model::id::UserId;
use palisade_model::{ClientAddress, Environment, ManualClock, RequestId, Secret, Timestamp, World};
use palisade_policy::Policy;
use palisade_store::{AuditQuery, AuditRow, Location, NewPassword, Store};

/// A password that the rules take.
pub const GOOD: &str = "violet kayak umbrella 39";

/// Another one.
pub const BETTER: &str = "granite lantern oboe 58";

pub struct House {
    pub access: Access,
    pub store: Store,
    pub world: World,
    pub clock: Arc<ManualClock>,
    pub policy: Arc<Policy>,
}

/// The policy with `more` in its `[identify.*]` tables.
pub fn policy(more: &str, environment: &[(&str, &str)]) -> Policy {
    let text = format!(
        r#"
        [app]
        name = "Tracker"
        environment = "testing"
        base_url = "https://tracker.example"

        [authorize.roles]
        admin = {{ includes = ["manager"] }}
        manager = {{ includes = ["user"] }}
        user = {{}}
        auditor = {{}}

        [upstream.app]
        url = "http://127.0.0.1:5000"

        [[route]]
        path = "/open"
        to = "upstream:app"
        allow = "public"

        [[route]]
        path = "/work"
        to = "upstream:app"
        allow = {{ read = "user", write = "manager" }}

        [[route]]
        path = "/secret"
        to = "upstream:app"
        allow = "admin"
        hide = true

        [identify]
        secret_key = "env:SECRET_KEY"

        {more}
        "#
    );
    let mut variables = vec![("SECRET_KEY", "a root secret for tests, 0123456789abcdef")];
    variables.extend(environment);
    let environment: Environment = variables.into_iter().collect();
    match Policy::from_toml("test.toml", &text, &environment) {
        Ok(checked) => checked.policy,
        Err(diagnostics) => panic!("{diagnostics}"),
    }
}

/// Hashing that costs next to nothing.
pub const LIGHT: &str = r#"
    [identify.passwords]
    memory = "64KiB"
    passes = 1
"#;

impl House {
    pub async fn new() -> Self {
        Self::with(LIGHT).await
    }

    pub async fn with(more: &str) -> Self {
        Self::of(policy(more, &[])).await
    }

    pub async fn of(policy: Policy) -> Self {
        let (world, clock) = World::still(Timestamp::from_secs(1_700_000_000));
        let store = Store::open(&Location::Memory, &world).await.unwrap();
        let policy = Arc::new(policy);
        let access = Access::open(policy.clone(), store.clone(), world.clone()).await.unwrap();
        Self { access, store, world, clock, policy }
    }

    /// A second process on the same store.
    pub async fn neighbour(&self) -> Access {
        self.reopen(self.policy.clone()).await.unwrap()
    }

    pub async fn reopen(&self, policy: Arc<Policy>) -> Result<Access, AccessError> {
        Access::open(policy, self.store.clone(), self.world.clone()).await
    }

    /// Runs the polling until the returned guard is dropped, and waits for the first poll.
    pub async fn run(access: &Access) -> Running {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let task = tokio::spawn({
            let access = access.clone();
            async move { access.run(async { drop(stopped.await) }).await }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        Running { stop: Some(stop), task }
    }

    /// A user with the password [`GOOD`].
    pub async fn user(&self, name: &str, roles: &[&str]) -> UserId {
        let new = NewUser {
            name: name.into(),
            email: Some(format!("{name}@tracker.example")),
            roles: Some(roles.iter().map(|role| (*role).to_owned()).collect()),
            password: Some(secret(GOOD)),
            ..NewUser::default()
        };
        self.access.create_user(new, None, &Origin::default()).await.unwrap()
    }

    /// The trail from its beginning.
    pub async fn trail(&self) -> Vec<AuditRow> {
        self.store.audit_rows(&AuditQuery { limit: 1000, ..AuditQuery::default() }).await.unwrap()
    }

    /// How many rows tell of that, however long the trail is.
    pub async fn count_all(&self, action: &str) -> usize {
        let query = AuditQuery { action: Some(action.to_owned()), limit: 1000, ..AuditQuery::default() };
        self.store.audit_rows(&query).await.unwrap().len()
    }

    pub async fn actions(&self) -> Vec<String> {
        self.trail().await.into_iter().map(|row| row.action).collect()
    }

    pub async fn count(&self, action: &str) -> usize {
        self.actions().await.iter().filter(|name| *name == action).count()
    }
}

pub struct Running {
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Stops, and waits until what is left to write is written.
    pub async fn end(mut self) {
        drop(self.stop.take());
        self.task.await.unwrap();
    }
}

/// A hash as the store is handed one.
pub fn new_password(hash: &str, at: Timestamp) -> NewPassword {
    NewPassword { hash: hash.into(), at, keep_history: 0 }
}

pub fn secret(text: &str) -> Secret {
    Secret::new(text)
}

pub fn origin() -> Origin {
    from("192.0.2.7")
}

/// A request from that address.
pub fn from(address: &str) -> Origin {
    Origin {
        address: Some(ClientAddress::known(address.parse().unwrap())),
        agent: Some("test".into()),
        request_id: RequestId::parse("request-1"),
        device: None,
    }
}
