//! The command line.
//!
//! Findings and answers go to standard output, everything else to standard error. Exit codes: 0 all is well,
//! 1 findings, 2 usage or configuration, 3 it could not be told.

mod args;
mod audit;
mod breakglass;
mod check;
mod context;
mod dotenv;
mod explain;
mod failure;
mod import;
mod keys;
mod revoke;
mod serve;
mod terminal;
mod token;
mod unlock;
mod user;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use args::{Args, AuditCommand, Command, ImportCommand};
use context::Context;
use failure::{Failure, Outcome};
use terminal::{Terminal, line};

use crate::service::description;

/// Reads the command line and does what it says.
#[must_use]
pub fn run() -> ExitCode {
    // clap exits with 2 for a usage error and 0 for --help, which is what is wanted.
    let args = Args::parse();
    let terminal = Terminal::of_process();
    match act(args, &terminal) {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            failure.print(&terminal);
            failure.outcome().into()
        }
    }
}

fn act(args: Args, terminal: &Terminal) -> Result<Outcome, Failure> {
    let policy = match &args.command {
        Command::Check { file: Some(file), .. } => Some(file.clone()),
        _ => args.policy,
    };
    let context = || Context::new(policy);
    match args.command {
        Command::Serve => serve::run(&context()?, terminal),
        Command::Demo(ports) => serve::demo(&ports),
        Command::Explain(question) => explain::run(&context()?, &question, terminal),
        Command::Check { format, .. } => check::run(&context()?, format, terminal),
        Command::Import(ImportCommand::Tokens(asked)) => import::tokens::run(&context()?, &asked, terminal),
        Command::Import(ImportCommand::Users(asked)) => import::run(&context()?, &asked, terminal),
        Command::User(command) => user::run(&context()?, command, terminal),
        Command::Token(command) => token::run(&context()?, command, terminal),
        Command::Breakglass(command) => breakglass::run(&context()?, command, terminal),
        Command::Keys(command) => keys::run(&context()?, command, terminal),
        Command::Revoke(whose) => revoke::run(&context()?, &whose, terminal),
        Command::Unlock(command) => unlock::run(&context()?, command, terminal),
        Command::Openapi => {
            let (policy, _) = context()?.any_policy(terminal.colour_errors)?;
            line(format_args!("{:#}", description::document(&policy)));
            Ok(Outcome::Good)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "palisade", &mut script);
            line(String::from_utf8_lossy(&script).trim_end());
            Ok(Outcome::Good)
        }
        Command::Audit(AuditCommand::List(entries)) => audit::list(&context()?, entries, terminal),
        Command::Audit(AuditCommand::Verify { format }) => audit::verify(&context()?, format, terminal),
    }
}
