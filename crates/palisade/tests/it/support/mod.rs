//! A whole Palisade in the test's own process, an application behind it, and clients.
#![allow(dead_code, reason = "each module of tests uses its own part")]

pub mod browser;
pub mod client;
pub mod process;
pub mod upstream;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use palisade::compose::{self, Running};
use palisade_access::NewUser;
use palisade_model::audit::Origin;
use palisade_model::{Environment, Secret, World};
use palisade_policy::Policy;
use tempfile::TempDir;
use tokio::net::TcpListener;

pub use client::{Answer, Client, raw};
pub use upstream::{Reply, Upstream};

/// A password that every rule takes.
pub const PASSWORD: &str = "Tr0ub4dor&3-harbour-crane";

/// The roles that the tests' policies share.
const ROLES: &str = "[authorize.roles]\nadmin = { includes = [\"user\"] }\nuser = {}\n";

/// A running site.
pub struct Site {
    pub address: SocketAddr,
    pub running: Running,
    pub folder: TempDir,
    policy: String,
}

impl Site {
    /// Starts a site with these routes and upstreams on top of the defaults.
    pub async fn start(policy: &str) -> Self {
        Self::start_in(World::real(), policy).await
    }

    /// The same with a listener for metrics.
    pub async fn start_with_metrics(policy: &str, metrics: SocketAddr) -> Self {
        Self::launch(World::real(), policy, &metrics.to_string()).await
    }

    /// The same in another world.
    pub async fn start_in(world: World, policy: &str) -> Self {
        Self::launch(world, policy, "off").await
    }

    async fn launch(world: World, policy: &str, metrics: &str) -> Self {
        Self::launch_in(tempfile::tempdir().unwrap(), world, policy, metrics).await
    }

    async fn launch_in(folder: TempDir, world: World, policy: &str, metrics: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let text = policy_text(address, folder.path(), metrics, policy);
        let checked = Policy::from_toml("palisade.toml", &text, &Environment::default())
            .unwrap_or_else(|diagnostics| panic!("{}", diagnostics.render(false)));
        let world = World { environment: Arc::new(Environment::default()), ..world };
        let running = compose::start_on(listener, checked.policy, world).await.unwrap();
        Self { address, running, folder, policy: policy.to_owned() }
    }

    /// Stops the site and starts it again on the same store, at another address.
    pub async fn restart(self) -> Self {
        let Self { running, folder, policy, .. } = self;
        running.shutdown().await;
        Self::launch_in(folder, World::real(), &policy, "off").await
    }

    /// The policy with one application, everything of it public.
    pub async fn open_to_all(upstream: &Upstream) -> Self {
        Self::start(&public(upstream.address)).await
    }

    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// A client that is signed in as a new user of that name and role.
    pub async fn signed_in(&self, name: &str, role: &str) -> Client {
        let access = &self.running.access;
        let origin = Origin::default();
        let password = Secret::new(PASSWORD);
        let new = NewUser {
            name: name.to_owned(),
            email: None,
            tenant: None,
            roles: Some(vec![role.to_owned()]),
            password: Some(Secret::new(PASSWORD)),
        };
        access.create_user(new, None, &origin).await.unwrap();
        let session = access.sign_in(name, &password, &origin, None).await.unwrap();
        let mut client = self.client();
        client.put_cookie(&self.running.policy.identify.sessions.cookie, session.cookie.expose());
        client
    }

    /// The events log so far.
    pub fn events(&self) -> Vec<serde_json::Value> {
        self.running.trail.flush();
        let text = std::fs::read_to_string(self.folder.path().join("events.log")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Everything is public and goes to this application.
pub fn public(upstream: SocketAddr) -> String {
    format!(
        "[[route]]\npath = \"/{{*rest}}\"\nto = \"upstream:app\"\ncsrf = \"off\"\n\
         allow = {{ read = \"public\", write = \"public\" }}\n\n[upstream.app]\nurl = \"http://{upstream}\"\n"
    )
}

fn policy_text(address: SocketAddr, folder: &Path, metrics: &str, rest: &str) -> String {
    let folder = folder.display();
    format!(
        "[app]\nname = \"Test\"\nenvironment = \"testing\"\nbase_url = \"http://{address}\"\n\
         [edge]\nlisten = \"{address}\"\nmetrics_listen = \"{metrics}\"\n\
         [store]\ndatabase = \"sqlite:{folder}/palisade.db\"\ndata_dir = \"{folder}\"\n\
         [audit]\nevents_file = \"{folder}/events.log\"\nlog_level = \"warn\"\n{ROLES}\n{rest}"
    )
}
