//! `palisade.toml`: read once, checked with care, compiled into plain and fast tables.

pub mod api;
pub mod control;
pub mod diagnostic;
pub mod explain;
mod lint;
mod mask;
pub mod read;
pub mod reference;
pub mod section;
mod suggest;

use std::path::Path;

use palisade_model::Environment;
use toml::de::DeTable;

pub use diagnostic::{Code, Diagnostic, Diagnostics, Place, Severity};
pub use read::secret::auth_users;
use read::{Reader, Table};
use section::app::App;
use section::audit::Audit;
use section::authorize::Roles;
use section::csrf::Csrf;
use section::edge::Edge;
use section::identify::Identify;
use section::mail::Mail;
use section::route::Routes;
use section::shield::Shield;
use section::store::Store;
use section::upstream::Upstream;

/// The whole policy, compiled. Nothing in it can be wrong any more: [`Policy`] is what checking gives.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `[app]`
    pub app: App,
    /// `[edge]`
    pub edge: Edge,
    /// `[store]`
    pub store: Store,
    /// `[mail]`
    pub mail: Mail,
    /// `[shield]`
    pub shield: Shield,
    /// `[identify]`
    pub identify: Identify,
    /// `[csrf]`
    pub csrf: Csrf,
    /// `[authorize]`
    pub roles: Roles,
    /// `[[route]]`, with Palisade's own.
    pub routes: Routes,
    /// `[upstream.*]`
    pub upstreams: Vec<Upstream>,
    /// `[audit]`
    pub audit: Audit,
}

/// A policy that can be used, and what there is to say of it all the same.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The policy.
    pub policy: Policy,
    /// What somebody should look at.
    pub warnings: Diagnostics,
    /// The environment variables that took effect, to be announced at the start.
    pub overrides: Vec<String>,
}

/// What stands in for a policy when there is none: enough to put an application on this machine
/// behind Palisade and try it, and nothing that listens beyond it.
const DEVELOPMENT: &str = r#"[identify.sign_up]
open = true

[upstream.app]
url = "http://127.0.0.1:5000"

[[route]]
path = "/{*rest}"
to = "upstream:app"
allow = "signed-in"
"#;

/// The policy's usual name.
pub const FILE: &str = "palisade.toml";

impl Policy {
    /// Parses, overrides from the environment, resolves secrets, checks and compiles. `name` is shown
    /// in diagnostics.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn from_toml(name: &str, text: &str, environment: &Environment) -> Result<Checked, Diagnostics> {
        Self::compile(name, text, environment, false)
    }

    fn compile(
        name: &str,
        text: &str,
        environment: &Environment,
        spares: bool,
    ) -> Result<Checked, Diagnostics> {
        let (table, faults) = DeTable::parse_recoverable(text);
        if !faults.is_empty() {
            return Err(not_toml(name, text, &faults));
        }
        let mut reader = Reader::new(environment, section::SCOPES);
        reader.spares = spares;
        let policy = read_all(&mut reader, &Table::root(table.get_ref()), text);
        reader.check_variables();
        let lints = lint::check(&policy, &reader.places, &reader.found);
        reader.found.extend(lints);
        let source = mask::mask_userinfo(&mask::mask_spans(text, &reader.masks));
        let (errors, warnings) = Diagnostics::new(name, source, reader.found).split();
        if !errors.is_empty() {
            return Err(errors.joined(warnings));
        }
        Ok(Checked { policy, warnings, overrides: reader.overrides.into_iter().collect() })
    }

    /// Reads a policy from a file. Without a path, `palisade.toml` in the working folder if it is there,
    /// else a safe default for development.
    ///
    /// # Errors
    /// When the file cannot be read, and everything that is wrong with it, at once.
    pub fn load(path: Option<&Path>, environment: &Environment) -> Result<Checked, Diagnostics> {
        Self::load_as(path, environment, false)
    }

    /// The same for an administrator's command: the mail server's password, providers' secrets and the shared
    /// administrators' token count as left out where they are not there (POL-1).
    ///
    /// # Errors
    /// As [`Policy::load`], but for these.
    pub fn load_for_command(path: Option<&Path>, environment: &Environment) -> Result<Checked, Diagnostics> {
        Self::load_as(path, environment, true)
    }

    fn load_as(path: Option<&Path>, environment: &Environment, spares: bool) -> Result<Checked, Diagnostics> {
        let usual = Path::new(FILE);
        let path = match path {
            None if !usual.exists() => {
                return Self::compile("the default policy for development", DEVELOPMENT, environment, spares);
            }
            path => path.unwrap_or(usual),
        };
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::compile(&name, &text, environment, spares),
            Err(error) => {
                let message = format!("the policy cannot be read: {error}");
                let help =
                    "give the path of a policy with --policy, or write palisade.toml in the working folder";
                let diagnostic = Diagnostic::error(Code::FileUnreadable, Place::Unsaid, message).help(help);
                Err(Diagnostics::new(&name, String::new(), vec![diagnostic]))
            }
        }
    }

    /// How much is at stake by what this environment and the policy of [`Policy::load`] say, whatever else is wrong with
    /// them.
    #[must_use]
    pub fn deployment(path: Option<&Path>, environment: &Environment) -> section::app::Deployment {
        let text = std::fs::read_to_string(path.unwrap_or_else(|| Path::new(FILE))).unwrap_or_default();
        let (table, _) = DeTable::parse_recoverable(&text);
        let (root, mut reader) = (Table::root(table.get_ref()), Reader::new(environment, section::SCOPES));
        let (_, listen) = section::edge::read_listen(&mut reader, &root);
        section::app::read(&mut reader, &root, listen).environment
    }
}

/// The sections in the order in which they depend on each other.
fn read_all(reader: &mut Reader<'_>, root: &Table<'_>, text: &str) -> Policy {
    reader.check_root(root);
    let store = section::store::read(reader, root);
    let (edge_table, listen) = section::edge::read_listen(reader, root);
    let app = section::app::read(reader, root, listen);
    let mail = section::mail::read(reader, root, &app, &store.data_dir);
    let edge = section::edge::read(reader, &edge_table, listen, &app);
    let shield = section::shield::read(reader, root, &app);
    let roles = section::authorize::read(reader, root);
    let identify = section::identify::read(reader, root, &app, &mail, &roles);
    let csrf = section::csrf::read(reader, root);
    let upstreams = section::upstream::read(reader, root);
    let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
    let lines: Vec<usize> = std::iter::once(0).chain(breaks).collect();
    let around = section::route::read::Around {
        roles: &roles,
        limits: &shield.limits,
        upstreams: &upstreams,
        body_bytes: edge.body_bytes,
        administrators: administrators(&roles, identify.default_roles),
        described: app.environment != section::app::Deployment::Production,
        guests: identify.guests.open,
        lines: &lines,
    };
    let routes = section::route::read::read(reader, root, &around);
    let audit = section::audit::read(reader, root, app.environment, &store.data_dir);
    Policy { app, edge, store, mail, shield, identify, csrf, roles, routes, upstreams, audit }
}

/// Who administers: nobody, where newcomers have the highest role.
fn administrators(roles: &Roles, newcomers: section::authorize::RoleSet) -> section::authorize::Who {
    let highest = roles.administrators();
    if highest.is_empty() || highest.meets(newcomers) {
        section::authorize::Who::Nobody
    } else {
        section::authorize::Who::Roles(highest)
    }
}

/// The first few faults of a text that is not TOML; one slip often looks like many.
fn not_toml(name: &str, text: &str, faults: &[toml::de::Error]) -> Diagnostics {
    // A bracket that is not closed takes all that follows for its own, so what follows is no news.
    let swallows = |fault: &toml::de::Error| fault.message().starts_with("missing comma");
    let news = faults.iter().position(swallows).map_or(5, |at| at.saturating_add(1).min(5));
    let found = faults.iter().take(news).map(|fault| {
        let place = fault.span().map_or(Place::Unsaid, Place::Span);
        let help = match fault.message() {
            "duplicate key" => "write it once: each [table] has one place, with all of its keys below it",
            message if message.starts_with("missing comma") => {
                "write a comma, or close the bracket that is open here"
            }
            _ => "a policy is TOML: [table] on a line of its own, then key = value, texts in quotes",
        };
        Diagnostic::error(Code::Syntax, place, fault.message().to_owned()).help(help)
    });
    Diagnostics::new(name, mask::mask_suspects(text), found.collect())
}
