//! What can be asked on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// The first page of help: the commands by what somebody wants. A test holds it to [`Command`].
const HELP: &str = "\
{about}

{usage-heading} {usage}

Try it and set it up:
  demo         Show a bundled application bare on one port and behind Palisade on another
  check        Find every mistake in the policy, with what to write instead
  explain      Say which stages a request would meet, and whether it would pass
  serve        Put the policy into force and serve
  import       Take over users and tokens from another program

Look after it, while the server runs:
  user         Add, list, disable, give roles, sign out, reset passwords and second factors
  token        API keys, administrators' and user tokens
  unlock       Lift lockouts, and forget failed attempts
  audit        Read the audit trail, and check that nobody changed it
  keys         Rotate the signing keys, and seal anew after another SECRET_KEY

When something is wrong:
  breakglass   The way in when all others fail
  revoke       End every session, token and unused one-time link: of everybody, a tenant or a user

For tools:
  openapi      Print the OpenAPI document of the JSON API
  completions  Print what makes a shell complete these commands

Options:
{options}

{after-help}";

/// Your SECURITY.md, in force: a gate before your application, ruled by one policy file.
#[derive(Debug, Parser)]
#[command(name = "palisade", version, about, subcommand_required = true)]
#[command(help_template = HELP)]
#[command(
    after_help = "'palisade COMMAND --help' tells more. Exit codes: 0 all is well, 1 findings, 2 usage or configuration, 3 could not tell."
)]
pub(super) struct Args {
    /// The policy. Without it ./palisade.toml is used, or else a safe default for development
    #[arg(long, short, global = true, value_name = "FILE", display_order = 900)]
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
        /// The policy, as --policy FILE
        #[arg(value_name = "FILE", conflicts_with = "policy")]
        file: Option<PathBuf>,
        /// How findings are printed
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Say which stages a request would meet, and whether it would pass
    Explain(Question),
    /// Show a bundled application bare on one port and behind Palisade on another
    Demo(Ports),
    /// Look after users: add, list, disable, give roles, sign out, reset; works while the server runs
    #[command(subcommand, arg_required_else_help = true)]
    User(UserCommand),
    /// Look after API keys, administrators' and user tokens; works while the server runs
    #[command(subcommand, arg_required_else_help = true)]
    Token(TokenCommand),
    /// The way in when all others fail
    #[command(subcommand, arg_required_else_help = true)]
    Breakglass(BreakglassCommand),
    /// Take over what another program has; works while the server runs
    #[command(subcommand, arg_required_else_help = true)]
    Import(ImportCommand),
    /// Lift lockouts, and forget failed attempts; works at once while the server runs
    Unlock(Unlock),
    /// Read the audit trail, and check that nobody changed it
    #[command(subcommand, arg_required_else_help = true)]
    Audit(AuditCommand),
    /// Look after the signing keys; works while the server runs
    #[command(subcommand, arg_required_else_help = true)]
    Keys(KeysCommand),
    /// End every session, token and unused one-time link: of everybody, a tenant or a user
    Revoke(Whose),
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
        /// Roles of the policy
        #[arg(value_name = "ROLE", value_delimiter = ',', required_unless_present = "none")]
        roles: Vec<String>,
        /// Take all roles away
        #[arg(long, conflicts_with = "roles")]
        none: bool,
    },
    /// Move a user to a tenant
    SetTenant {
        /// Name or e-mail
        user: String,
        /// The tenant
        #[arg(required_unless_present = "none")]
        tenant: Option<String>,
        /// Out of every tenant
        #[arg(long, conflicts_with = "tenant")]
        none: bool,
    },
    /// Give a user another e-mail address: it counts as confirmed
    Email {
        /// Name or e-mail
        user: String,
        /// The new address
        address: String,
    },
    /// List a user's live sessions
    Sessions {
        /// Name or e-mail
        user: String,
        /// How the list is printed
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Sign a user out everywhere: sessions, tokens and unused one-time links end at once
    EndSessions {
        /// Name or e-mail
        user: String,
    },
    /// Remove a user's lost second factors and sign them out everywhere
    ResetFactors {
        /// Name or e-mail
        user: String,
    },
    /// Print a one-time link with which a user sets a new password
    #[command(visible_alias = "reset-link")]
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

/// `palisade keys`.
#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// List the signing keys and when they sign, or stop being accepted
    List {
        /// How the list is printed
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Make a new key that takes the place of the present one; nobody is signed out
    Rotate {
        /// How long what the former key signed is accepted once the new one signs
        #[arg(long, value_parser = palisade_policy::read::parse_duration, default_value = "24h", conflicts_with = "at_once")]
        overlap: Duration,
        /// Which key: that of access tokens, or that of assertions to the application
        #[arg(long, value_enum, default_value_t = KeyPurpose::Tokens)]
        purpose: KeyPurpose,
        /// For a key that has leaked: sign with the new one at once, and refuse what the former ones signed
        #[arg(long)]
        at_once: bool,
    },
    /// Seal anew what a former root secret sealed, and tell whether that one is still needed
    Reseal,
    /// End a key at once: what it signed is refused from now on
    Retire {
        /// The key's id, from the list
        kid: String,
    },
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum KeyPurpose {
    /// Access tokens
    Tokens,
    /// Assertions to the application
    Assertion,
}

/// `palisade revoke`.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct Whose {
    /// Of everybody
    #[arg(long)]
    pub(super) all: bool,
    /// Of the users of this tenant
    #[arg(long)]
    pub(super) tenant: Option<String>,
    /// Of this user (name or e-mail)
    #[arg(long)]
    pub(super) user: Option<String>,
}

/// `palisade import`.
#[derive(Debug, Subcommand)]
pub(super) enum ImportCommand {
    /// Take over users with the password hashes they have; whoever is here already stays as they are
    Users(ImportUsers),
    /// Take over tokens of which another system keeps SHA-256, as Semptify does
    Tokens(ImportTokens),
}

/// `palisade import tokens`.
#[derive(Debug, clap::Args)]
pub(super) struct ImportTokens {
    /// Semptify's security/admin_tokens.json or security/users.json
    pub(super) file: PathBuf,
    /// Whose tokens these are
    #[arg(long, value_enum)]
    pub(super) kind: TokenFile,
    /// The administrator as whom administrators' tokens act (name or e-mail)
    #[arg(long, value_name = "USER")]
    pub(super) owner: Option<String>,
    /// Read everything and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

/// Whose the tokens of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TokenFile {
    /// An administrator's
    Admin,
    /// Visitors', who get a user each
    User,
}

/// `palisade import users`.
#[derive(Debug, clap::Args)]
pub(super) struct ImportUsers {
    /// A file (CSV with headings, JSON array or lines), sqlite:FILE, or env:NAME for a variable that holds a
    /// postgres:// URL or a list as AUTH_USERS has it
    pub(super) source: String,
    /// What the file is [default: by its extension]
    #[arg(long = "as", value_enum, value_name = "KIND")]
    pub(super) kind: Option<Kind>,
    /// The database's table of users, as auth_user or public.user
    #[arg(long)]
    pub(super) table: Option<String>,
    /// Which column holds what: name=username,email=mail,password=password_hash,roles=role. Fields: name, email,
    /// password, roles, tenant, enabled, email_verified, superuser, staff [default: by the headings]
    #[arg(long, value_name = "FIELD=COLUMN", value_delimiter = ',')]
    pub(super) columns: Vec<String>,
    /// The table and columns that a framework usually has
    #[arg(long, value_enum)]
    pub(super) preset: Option<Preset>,
    /// What a role is called here; once for each. Nothing behind the sign leaves it out
    #[arg(long = "role", value_name = "THERE=HERE")]
    pub(super) roles: Vec<String>,
    /// Every address is known to be its user's
    #[arg(long)]
    pub(super) email_verified: bool,
    /// Judge everybody and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Take over everybody, or nobody if one cannot be
    #[arg(long)]
    pub(super) all_or_nothing: bool,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

/// What a file of users is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Comma-separated, with headings
    Csv,
    /// An array of objects, or one object in each line
    Json,
    /// name:hash pairs, as the variable AUTH_USERS has them
    AuthUsers,
}

/// A framework whose table is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Preset {
    /// auth_user of Django
    Django,
    /// user with username, email and password_hash, as in Flask's tutorials
    FlaskLogin,
}

/// `palisade unlock`.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct Unlock {
    /// An account, for everybody and on every device: name or e-mail
    #[arg(long, value_name = "NAME")]
    pub(super) user: Option<String>,
    /// An address, or all addresses of a network
    #[arg(long, value_name = "ADDRESS|NETWORK")]
    pub(super) address: Option<String>,
    /// Everything that is locked
    #[arg(long)]
    pub(super) all: bool,
}

/// `palisade token`.
#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token and print it, this once
    Create(NewToken),
    /// List all tokens; never their texts, which nobody has
    List {
        /// Only those of this user: name or e-mail
        #[arg(long)]
        user: Option<String>,
        /// How the list is printed
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Let a token count no more, until it is enabled again
    Disable {
        /// Its id
        id: String,
    },
    /// Let a disabled token count again
    Enable {
        /// Its id
        id: String,
    },
    /// Make a successor with the same scopes; the token itself goes on for a while
    Rotate {
        /// Its id
        id: String,
        /// How long it goes on, as 24h; 0s ends it at once [default: identify.api_keys.overlap]
        #[arg(long, value_parser = palisade_policy::read::parse_duration)]
        overlap: Option<Duration>,
        /// How the successor is printed
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// End a token for good
    Revoke {
        /// Its id
        id: String,
    },
}

/// `palisade token create`.
#[derive(Debug, clap::Args)]
pub(super) struct NewToken {
    /// Whose: name or e-mail. The token never does more than they may
    #[arg(long)]
    pub(super) user: String,
    /// What it is for
    #[arg(long, value_enum, default_value_t = MadeKind::Key)]
    pub(super) kind: MadeKind,
    /// What to call it
    #[arg(long)]
    pub(super) name: Option<String>,
    /// What it may be used for: read, write, or either with a path as read:/api/orders
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    pub(super) scopes: Vec<String>,
    /// From where it may be used, as 192.0.2.0/24 [default: anywhere]
    #[arg(long = "network", value_name = "CIDR", value_delimiter = ',')]
    pub(super) networks: Vec<ipnet::IpNet>,
    /// How long it lives, as 90d
    #[arg(long, default_value = "90d", value_parser = palisade_policy::read::parse_duration)]
    pub(super) expires: Duration,
    /// It never ends by itself
    #[arg(long, conflicts_with = "expires")]
    pub(super) never: bool,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

/// Kinds of tokens that can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum MadeKind {
    /// An API key
    Key,
    /// An administrator's token
    Admin,
    /// A user token
    User,
}

/// `palisade breakglass`.
#[derive(Debug, Subcommand)]
pub(super) enum BreakglassCommand {
    /// Make a token that works once and opens a short session with the role of administrators
    Issue {
        /// How long it may wait for its use: 1m to 24h
        #[arg(long, default_value = "15m", value_parser = palisade_policy::read::parse_duration)]
        ttl: Duration,
        /// Why: it stands in the trail
        #[arg(long)]
        reason: String,
        /// How the token is printed
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// List what was done with a token
    Report {
        /// Its id
        id: String,
        /// How the report is printed
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

/// `palisade audit`.
#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Show the latest entries, the newest last
    List(Entries),
    /// Check the whole chain for changed, missing or reordered entries
    Verify {
        /// How the finding is printed
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

/// `palisade audit list`.
#[derive(Debug, clap::Args)]
pub(super) struct Entries {
    /// Only what this user did (name or e-mail)
    #[arg(long)]
    pub(super) user: Option<String>,
    /// Only what was done to this user (name or e-mail)
    #[arg(long, value_name = "USER")]
    pub(super) about: Option<String>,
    /// Only this action, as session.created or lockout.began
    #[arg(long)]
    pub(super) action: Option<String>,
    /// Only the last while, as 2h or 7d
    #[arg(long, value_name = "TIME", value_parser = palisade_policy::read::parse_duration)]
    pub(super) since: Option<Duration>,
    /// So many entries at most
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) limit: u32,
    /// How they are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

/// How things are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    // For people. No doc comments: with them, help would be thrice as long.
    Text,
    // For programs.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn help_names_each_command_once() {
        let command = Args::command();
        let lines = |name: &str| HELP.lines().filter(|line| line.starts_with(&format!("  {name} "))).count();
        for one in command.get_subcommands() {
            assert_eq!(lines(one.get_name()), 1, "{}", one.get_name());
        }
        let shown = HELP.lines().filter(|line| line.starts_with("  ")).count();
        assert_eq!(shown, command.get_subcommands().count());
    }
}
