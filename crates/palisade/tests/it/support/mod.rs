//! A whole Palisade in the test's own process, an application behind it, and clients.
#![allow(dead_code, reason = "each module of tests uses its own part")]

pub mod browser;
pub mod client;
pub mod place;
/// The very servers that the store is tested on.
#[path = "../../../../store/tests/it/server.rs"]
pub mod postgres;
pub mod process;
pub mod server;
pub mod upstream;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use palisade::compose::{self, Running};
use palisade::listener;
use palisade_access::NewUser;
use palisade_model::audit::Origin;
use palisade_model::{Environment, Secret, TenantId, World};
use palisade_policy::Policy;
use tempfile::TempDir;

pub use client::{Answer, Client, http2, raw, wire};
pub use upstream::{Reply, Upstream};

/// A password that every rule takes.
pub const PASSWORD: &str = "Tr0ub4dor&3-harbour-crane";

/// The roles that the tests' policies share, unless they name others.
const ROLES: &str = "[authorize.roles]\nadmin = { includes = [\"user\"] }\nuser = {}\n";

/// A running site.
pub struct Site {
    pub address: SocketAddr,
    pub running: Running,
    pub folder: TempDir,
    policy: String,
    environment: Environment,
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

    /// The same with these environment variables, which override the policy.
    pub async fn start_with(environment: &[(&str, &str)], policy: &str) -> Self {
        let environment = environment.iter().copied().collect();
        Self::launch_in(tempfile::tempdir().unwrap(), World::real(), environment, policy, "off").await
    }

    /// The same in another world.
    pub async fn start_in_with(world: World, environment: &[(&str, &str)], policy: &str) -> Self {
        let environment = environment.iter().copied().collect();
        Self::launch_in(tempfile::tempdir().unwrap(), world, environment, policy, "off").await
    }

    async fn launch(world: World, policy: &str, metrics: &str) -> Self {
        Self::launch_in(tempfile::tempdir().unwrap(), world, Environment::default(), policy, metrics).await
    }

    /// The same under a host name, as passkeys need one.
    pub async fn start_named(host: &str, policy: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::launch_as(Some(host), folder, World::real(), Environment::default(), policy, "off").await
    }

    /// The same under a host name, with these environment variables.
    pub async fn start_named_with(host: &str, environment: &[(&str, &str)], policy: &str) -> Self {
        let (folder, environment) = (tempfile::tempdir().unwrap(), environment.iter().copied().collect());
        Self::launch_as(Some(host), folder, World::real(), environment, policy, "off").await
    }

    async fn launch_in(
        folder: TempDir,
        world: World,
        environment: Environment,
        policy: &str,
        metrics: &str,
    ) -> Self {
        Self::launch_as(None, folder, world, environment, policy, metrics).await
    }

    async fn launch_as(
        host: Option<&str>,
        folder: TempDir,
        world: World,
        environment: Environment,
        policy: &str,
        metrics: &str,
    ) -> Self {
        let listener = listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut text = policy_text(address, folder.path(), metrics, policy);
        if let Some(host) = host {
            let named = format!("base_url = \"http://{host}:{}\"", address.port());
            text = text.replace(&format!("base_url = \"http://{address}\""), &named);
        }
        let checked = Policy::from_toml("palisade.toml", &text, &environment)
            .unwrap_or_else(|diagnostics| panic!("{}", diagnostics.render(false)));
        let world = World { environment: Arc::new(environment.clone()), ..world };
        let running = compose::start_on(listener, checked.policy, world).await.unwrap();
        Self { address, running, folder, policy: policy.to_owned(), environment }
    }

    /// Stops the site and starts it again on the same store, at another address.
    pub async fn restart(self) -> Self {
        let Self { running, folder, policy, environment, .. } = self;
        running.shutdown().await;
        Self::launch_in(folder, World::real(), environment, &policy, "off").await
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
        self.signed_in_at(name, role, None).await
    }

    /// The same as a user of this tenant.
    pub async fn signed_in_at(&self, name: &str, role: &str, tenant: Option<&str>) -> Client {
        let access = &self.running.access;
        let origin = Origin::default();
        let password = Secret::new(PASSWORD);
        let new = NewUser {
            name: name.to_owned(),
            email: None,
            email_verified: true,
            tenant: tenant.map(|tenant| TenantId::parse(tenant).unwrap()),
            roles: Some(vec![role.to_owned()]),
            password: Some(Secret::new(PASSWORD)),
        };
        access.create_user(new, None, &origin).await.unwrap();
        let session = access.sign_in(name, &password, &origin, None).await.unwrap().session().unwrap();
        let mut client = self.client();
        client.put_cookie(&self.running.policy.identify.sessions.cookie, session.cookie.expose());
        client
    }

    /// The answer is this refusal: its status, a problem with the request's id in it, and exactly one line in the
    /// events log, which is given back.
    pub fn assert_refused(&self, answer: &Answer, status: u16, code: &str) -> serde_json::Value {
        assert_eq!(answer.status.as_u16(), status, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let (problem, id) = (answer.json(), answer.header("x-request-id").expect("a request id"));
        assert_eq!(
            (problem["status"].as_u64(), problem["code"].as_str()),
            (Some(u64::from(status)), Some(code))
        );
        assert_eq!(problem["request_id"], id);
        let mut events = self.events_of(id);
        assert_eq!(events.len(), 1, "one line for one refusal: {events:?}");
        let event = events.remove(0);
        assert_eq!((&event["payload"]["code"], &event["payload"]["status"]), (&code.into(), &status.into()));
        event
    }

    /// The events of one request.
    pub fn events_of(&self, id: &str) -> Vec<serde_json::Value> {
        self.events().into_iter().filter(|event| event["payload"]["request_id"] == id).collect()
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
    let roles = if rest.contains("[authorize.roles]") { "" } else { ROLES };
    format!(
        "[app]\nname = \"Test\"\nenvironment = \"testing\"\nbase_url = \"http://{address}\"\n\
         [edge]\nlisten = \"{address}\"\nmetrics_listen = \"{metrics}\"\n\
         [store]\ndatabase = \"sqlite:{folder}/palisade.db\"\ndata_dir = \"{folder}\"\n\
         [audit]\nevents_file = \"{folder}/events.log\"\nlog_level = \"warn\"\n{roles}\n{rest}"
    )
}
