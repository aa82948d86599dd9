//! `palisade demo`: an ordinary small application without any security, bare on one port and behind Palisade on
//! another, with one printed page of what to try.
//!
//! Everything lives in a fresh folder that is removed at the end. The environment of the process is left out, so
//! that a `DATABASE_URL` of somebody's real application is never touched.

mod application;
mod folder;
mod guide;

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use palisade_model::{Environment, World};
use palisade_policy::Policy;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::compose::Running;
use crate::signals::Stop;
use crate::{compose, logging};
use folder::Folder;

/// The policy, with places for the ports and the folder.
const POLICY: &str = include_str!("demo.toml");

/// Where the demonstration runs.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Palisade's port.
    pub port: u16,
    /// The bare application's port.
    pub application_port: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self { port: 8080, application_port: 8081 }
    }
}

/// Runs the demonstration until the process is asked to stop, and prints what to try.
///
/// # Errors
/// As [`start`].
pub async fn run(options: Options) -> anyhow::Result<()> {
    let stop = Stop::listen()?;
    let demo = start(options).await?;
    let _log = logging::init(&demo.running.policy.audit, World::real().clock)?;
    guide::print(&demo.running, demo.application, demo.folder.path());
    demo.running.until_stopped(stop).await;
    Ok(())
}

/// A running demonstration. Its folder goes when it is dropped.
pub struct Demo {
    /// Palisade, in front of the application.
    pub running: Running,
    /// Where the application listens by itself.
    pub application: SocketAddr,
    folder: Folder,
    _serving: JoinSet<io::Result<()>>,
}

/// Starts the demonstration.
///
/// # Errors
/// When a port is taken, or the folder cannot be made.
pub async fn start(options: Options) -> anyhow::Result<Demo> {
    let bare = listen(options.application_port, "--application-port").await?;
    let front = listen(options.port, "--port").await?;
    let application = bare.local_addr()?;
    let folder = Folder::make()?;
    let policy = policy(front.local_addr()?.port(), application.port(), folder.path())?;
    let mut serving = JoinSet::new();
    serving.spawn(axum::serve(bare, application::router()).into_future());
    let running = compose::start_on(front, policy, world()).await?;
    Ok(Demo { running, application, folder, _serving: serving })
}

fn world() -> World {
    World { environment: Arc::new(Environment::default()), ..World::real() }
}

async fn listen(port: u16, option: &str) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            bail!("port {port} is in use; choose another with `palisade demo {option} PORT`")
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen on {address}")),
    }
}

fn policy(port: u16, application: u16, folder: &Path) -> anyhow::Result<Policy> {
    let folder = folder.to_str().context("the temporary folder's name is not UTF-8")?;
    let text = POLICY
        .replace("{port}", &port.to_string())
        .replace("{application}", &application.to_string())
        .replace("{folder}", folder);
    std::fs::write(Path::new(folder).join("palisade.toml"), &text).context("cannot write the policy")?;
    match Policy::from_toml("palisade.toml", &text, &Environment::default()) {
        Ok(checked) => Ok(checked.policy),
        Err(diagnostics) => bail!("{}", diagnostics.render(false)),
    }
}
