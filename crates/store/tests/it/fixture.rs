//! Stores to test on, and things to put into them.

use std::sync::Arc;
use std::time::Duration;

use palisade_model::id::{FamilyId, SessionId, UserId};
use palisade_model::world::SystemEntropy;
use palisade_model::{Action, AuditEvent, ClientAddress, ManualClock, Timestamp, World, digest};
use palisade_store::{
    AuditQuery, AuditRow, Link, Location, NewPassword, RefreshToken, Session, SessionKind, Store, User,
};

use crate::server::Server;

pub const START: Timestamp = Timestamp::from_secs(1_790_000_000);
pub const HOUR: Duration = Duration::from_secs(3600);

/// A store of its own for one test, with a clock that the test moves.
pub struct Fixture {
    pub store: Store,
    pub world: World,
    pub clock: Arc<ManualClock>,
    pub location: Location,
    _keep: Box<dyn Send + Sync>,
}

pub fn world() -> (World, Arc<ManualClock>) {
    let (world, clock) = World::still(START);
    (World { entropy: Arc::new(SystemEntropy), ..world }, clock)
}

impl Fixture {
    pub async fn new(location: Location, keep: impl Send + Sync + 'static) -> Self {
        let (world, clock) = world();
        let store = Store::open(&location, &world).await.expect("the store opens");
        Self { store, world, clock, location, _keep: Box::new(keep) }
    }

    pub async fn memory() -> Self {
        Self::new(Location::Memory, ()).await
    }

    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::new(Location::Sqlite(folder.path().join("data/palisade.db")), folder).await
    }

    pub async fn postgres() -> Self {
        let server = Server::start();
        Self::new(server.location(), server).await
    }

    /// The same store as another node or a later run sees it.
    pub async fn reopen(&self) -> Store {
        Store::open(&self.location, &self.world).await.expect("the store opens again")
    }

    /// Runs SQL past the store, as somebody does who got hold of the database.
    pub async fn attack(&self, sql: &str) -> Result<(), String> {
        match &self.location {
            Location::Memory => unreachable!("nobody else reaches a database in memory"),
            Location::Sqlite(path) => {
                let connection = rusqlite::Connection::open(path).unwrap();
                connection.busy_timeout(HOUR).unwrap();
                connection.execute_batch(sql).map_err(|error| error.to_string())
            }
            Location::Postgres(url) => {
                let (client, connection) =
                    tokio_postgres::connect(url.expose(), tokio_postgres::NoTls).await.unwrap();
                let serving = tokio::spawn(connection);
                let answer = client.batch_execute(&format!("SET search_path = palisade; {sql}")).await;
                drop(client);
                serving.await.unwrap().unwrap();
                answer.map_err(|error| error.as_db_error().map_or(error.to_string(), |e| e.message().into()))
            }
        }
    }

    /// Whether this is PostgreSQL.
    pub fn on_postgres(&self) -> bool {
        matches!(self.location, Location::Postgres(_))
    }

    /// A user in the store.
    pub async fn user(&self, name: &str) -> User {
        let user = self.some_user(name);
        self.store.create_user(&user, vec![created(&user)]).await.unwrap();
        user
    }

    /// A user that is not in the store.
    pub fn some_user(&self, name: &str) -> User {
        User {
            id: UserId::generate(self.world.now(), self.world.entropy.as_ref()).unwrap(),
            name: name.into(),
            email: Some(format!("{name}@Example.com")),
            email_verified_at: None,
            tenant: None,
            roles: vec!["user".into()],
            password: Some(format!("hash of {name}")),
            password_at: Some(self.world.now()),
            enabled: true,
            created_at: self.world.now(),
        }
    }

    pub fn session(&self, user: UserId) -> Session {
        let id = SessionId::generate(self.world.now(), self.world.entropy.as_ref()).unwrap();
        Session {
            id,
            digest: digest::sha256(&[id.0.as_bytes()]),
            user,
            created_at: self.world.now(),
            last_seen: self.world.now(),
            expires_at: self.world.now().plus(HOUR),
            kind: SessionKind::Ordinary,
            proven_at: self.world.now(),
            strong: false,
            address: Some("192.0.2.7".into()),
            agent: Some("a browser\0with a NUL".into()),
        }
    }

    pub fn token(&self, user: UserId) -> RefreshToken {
        let family = FamilyId::generate(self.world.now(), self.world.entropy.as_ref()).unwrap();
        RefreshToken {
            digest: digest::sha256(&[family.0.as_bytes()]),
            family,
            user,
            strong: false,
            issued_at: self.world.now(),
            expires_at: self.world.now().plus(HOUR),
            used_at: None,
            successor: None,
        }
    }

    pub fn link(&self, user: UserId, seed: u8) -> Link {
        Link {
            digest: [seed; 32],
            user,
            purpose: "password".into(),
            expires_at: self.world.now().plus(HOUR),
            used_at: None,
            email: None,
        }
    }

    /// Every row of the trail.
    pub async fn trail(&self) -> Vec<AuditRow> {
        self.store.audit_rows(&AuditQuery { limit: 1000, ..AuditQuery::default() }).await.unwrap()
    }

    /// The actions in the trail, without its first row.
    pub async fn actions(&self) -> Vec<String> {
        self.trail().await.into_iter().skip(1).map(|row| row.action).collect()
    }
}

pub fn password(hash: &str, at: Timestamp, keep_history: usize) -> NewPassword {
    NewPassword { hash: hash.into(), at, keep_history }
}

pub fn created(user: &User) -> AuditEvent {
    event(Action::UserCreated, &user.id.to_string())
}

pub fn event(action: Action, id: &str) -> AuditEvent {
    let mut event = AuditEvent::new(action, "user", id).change("name", serde_json::Value::Null, "x");
    event.address = Some(ClientAddress::known("192.0.2.7".parse().unwrap()));
    event.email = Some("ann@example.com".into());
    event
}

/// A test for each of these on each of the databases: `on! { [memory sqlite postgres] async fn name(f: Fixture) {..} }`.
macro_rules! on {
    ([$($db:ident)+] $($tests:tt)*) => {
        $crate::fixture::on! { @bodies $($tests)* }
        $crate::fixture::on! { @each [$($db)+] { $($tests)* } }
    };
    (@each [$($db:ident)+] $tests:tt) => {
        $(mod $db { $crate::fixture::on! { @tests $db $tests } })+
    };
    (@bodies $($(#[$meta:meta])* async fn $name:ident($f:ident: Fixture) $body:block)*) => {
        $($(#[$meta])* async fn $name($f: $crate::fixture::Fixture) $body)*
    };
    (@tests $db:ident { $($(#[$meta:meta])* async fn $name:ident($f:ident: Fixture) $body:block)* }) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            super::$name($crate::fixture::Fixture::$db().await).await;
        })*
    };
}
pub(crate) use on;
