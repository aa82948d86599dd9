//! `palisade serve` and `palisade demo`.

use std::future::Future;
use std::io;

use palisade_access::AccessError;
use palisade_policy::section::mail::Carrier;
use palisade_store::StoreError;

use super::args::Ports;
use super::context::{self, Context};
use super::failure::{Failure, Outcome};
use super::terminal::{Terminal, line};
use crate::signals::Stop;
use crate::{compose, demo, logging};

/// Serves until it is told to stop, then lets open requests end.
pub(super) fn run(context: &Context, terminal: &Terminal) -> Result<Outcome, Failure> {
    let (checked, world) = context
        .checked()
        .map_err(|diagnostics| Failure::diagnostics(diagnostics.render(terminal.colour_errors)))?;
    eprint!("{}", checked.warnings.render(terminal.colour_errors));
    for name in &checked.overrides {
        eprintln!("{name} in the environment overrides the policy.");
    }
    let policy = checked.policy;
    let _log = logging::init(&policy.audit, world.clock.clone()).map_err(not_started)?;
    if let Carrier::File(folder) = &policy.mail.carrier {
        eprintln!("Mail is not sent but written to {}: set mail.server to send it.", folder.display());
    }
    let (name, home) = (policy.app.name.clone(), policy.app.base_url.origin.clone());
    serving(async {
        let stop = Stop::listen().map_err(|error| not_started(error.into()))?;
        let running = compose::start(policy, world).await.map_err(not_started)?;
        eprintln!("{name} is guarded at {}; people find it at {home}.", running.address);
        if let Some(link) = &running.first_link {
            eprintln!("Nobody can sign in yet. This link makes the first administrator, and works once:");
            line(link);
        }
        running.until_stopped(stop).await;
        Ok(Outcome::Good)
    })
}

/// Serves the bundled application, bare and behind Palisade.
pub(super) fn demo(ports: &Ports) -> Result<Outcome, Failure> {
    let options = demo::Options { port: ports.port, application_port: ports.application_port };
    serving(async {
        demo::run(options).await.map_err(not_started)?;
        Ok(Outcome::Good)
    })
}

fn serving<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unknown(format_args!("no thread can be started: {error}")))?
        .block_on(work)
}

fn not_started(error: anyhow::Error) -> Failure {
    let error = match error.downcast::<AccessError>() {
        Ok(error) => return context::access_failure(error),
        Err(error) => error,
    };
    match error.downcast::<StoreError>() {
        Ok(error) => context::store_failure(error),
        Err(error) => {
            let failure = Failure::unknown(format_args!("the server cannot start: {error:#}"));
            if is_taken(&error) { failure.remedy(TAKEN) } else { failure }
        }
    }
}

/// What to do about an address that is taken.
const TAKEN: &str = "end what listens there, or write another address; that of edge.listen has its port in app.base_url too, if that is set";

fn is_taken(error: &anyhow::Error) -> bool {
    let of_the_system =
        |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref::<io::Error>().map(io::Error::kind);
    error.chain().filter_map(of_the_system).any(|kind| kind == io::ErrorKind::AddrInUse)
}
