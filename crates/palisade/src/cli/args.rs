//! What can be asked on the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Your SECURITY.md, in force: a gate before your application, ruled by one policy file.
#[derive(Debug, Parser)]
#[command(name = "palisade", version, about, subcommand_required = true)]
#[command(after_help = "Exit codes: 0 all is well, 1 findings, 2 usage or configuration, 3 could not tell.")]
pub(super) struct Args {
    /// The policy. Without it ./palisade.toml is used, or else a safe default for development
    #[arg(long, short, global = true, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Put the policy into force and serve
    Serve,
    /// Find every mistake in the policy, with what to write instead
    Check {
        /// How findings are printed
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Say which stages a request would meet, and whether it would pass
    Explain(Question),
    /// Show a bundled application bare on one port and behind Palisade on another
    Demo(Ports),
    /// Look after users; works while the server runs
    #[command(subcommand, arg_required_else_help = true)]
    User(UserCommand),
    /// Look after the audit trail
    #[command(subcommand, arg_required_else_help = true)]
    Audit(AuditCommand),
    /// Print the OpenAPI document of the JSON API
    Openapi,
    /// Print what makes a shell complete these commands
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// `palisade demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Ports {
    /// Where Palisade listens
    #[arg(long, default_value_t = 8080)]
    pub(super) port: u16,
    /// Where the bare application listens
    #[arg(long, default_value_t = 8081)]
    pub(super) application_port: u16,
}

/// `palisade explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Question {
    /// The method, as GET
    pub(super) method: String,
    /// The path, as /orders/7
    pub(super) path: String,
    /// Ask for this user (name or e-mail), with the roles that the store has for them
    #[arg(long = "as", value_name = "USER", conflicts_with = "roles")]
    pub(super) user: Option<String>,
    /// Ask for somebody with these roles, without looking into the store
    #[arg(long, value_name = "ROLE", value_delimiter = ',')]
    pub(super) roles: Vec<String>,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

/// `palisade user`.
#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Make a user: asks for a password on a terminal, or prints a one-time link to set one
    Add(NewUser),
    /// List all users
    List {
        /// How the list is printed
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show one user
    Show {
        /// Name or e-mail
        user: String,
        /// How the user is printed
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Stop a user from signing in and end their sessions and tokens at once
    Disable {
        /// Name or e-mail
        user: String,
    },
    /// Let a disabled user sign in again
    Enable {
        /// Name or e-mail
        user: String,
    },
    /// Give a user these roles, and no others
    SetRoles {
        /// Name or e-mail
        user: String,
        /// Roles of the policy; none takes all away
        #[arg(value_name = "ROLE", value_delimiter = ',')]
        roles: Vec<String>,
    },
    /// Print a one-time link with which a user sets a new password
    Link {
        /// Name or e-mail
        user: String,
    },
}

/// `palisade user add`. A password is never an argument: others could read it in the process list.
#[derive(Debug, clap::Args)]
pub(super) struct NewUser {
    /// The name to sign in with
    pub(super) name: String,
    /// The e-mail address
    #[arg(long)]
    pub(super) email: Option<String>,
    /// The address is known to be theirs: applications are told of it, and notices go there
    #[arg(long, requires = "email")]
    pub(super) email_verified: bool,
    /// The tenant
    #[arg(long)]
    pub(super) tenant: Option<String>,
    /// Roles of the policy [default: those that the policy gives to new users]
    #[arg(long, alias = "role", value_name = "ROLE", value_delimiter = ',')]
    pub(super) roles: Vec<String>,
    /// Print a one-time link and ask for no password
    #[arg(long)]
    pub(super) link: bool,
    /// Read the password from standard input, for scripts: one line
    #[arg(long, conflicts_with = "link")]
    pub(super) password_stdin: bool,
}

/// `palisade audit`.
#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Check the whole chain for changed, missing or reordered entries
    Verify {
        /// How the finding is printed
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

/// How things are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}
