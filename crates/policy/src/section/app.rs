//! `[app]`: what is protected, and where people find it.

mod accent;

use std::net::SocketAddr;
use std::path::PathBuf;

pub use accent::{Accent, Colour, Shades};

use crate::diagnostic::{Code, Diagnostic};
use crate::read::kind::Word;
pub use crate::read::net::BaseUrl;
use crate::read::setting::Variable;
use crate::read::{Reader, Scope, Setting, Shape, Table};

const NAME: Setting<String> = Setting::new(
    "app.name",
    "Application",
    "The application's name, as people see it on Palisade's own pages.",
)
.between("1", "64");
const ACCENT: Setting<Accent> = Setting::optional(
    "app.accent",
    "The colour of buttons and links on Palisade's own pages and in letters, as #rrggbb. Where it would be hard to read it is \
     made darker by day, lighter by night.",
)
.such_as("#0b6549");
const LOGO: Setting<PathBuf> = Setting::optional(
    "app.logo",
    "The picture beside the application's name on Palisade's own pages: PNG, or SVG without scripts and links; at most 64 KiB.",
)
.such_as("logo.svg");
const ENVIRONMENT: Setting<Deployment> =
    Setting::optional("app.environment", "How much is at stake. Production makes dangerous settings fatal.")
        .else_by("development; has to be said once the server listens beyond this machine")
        .such_as("production")
        .or_from(&[Variable::plain("ENVIRONMENT")]);
const BASE_URL: Setting<BaseUrl> = Setting::optional(
    "app.base_url",
    "Where people find the application: scheme, host and port. Links, cookies and CSRF checks follow it.",
)
.else_by("http:// and the address of `edge.listen`")
.or_from(&[Variable::plain("BASE_URL")]);

pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "app",
    doc: "What is protected, and where people find it.",
    settings: &[&NAME, &ACCENT, &LOGO, &ENVIRONMENT, &BASE_URL],
    tables: &[],
    shape: Shape::Once,
}];

pub(crate) fn read(reader: &mut Reader<'_>, root: &Table<'_>, listen: SocketAddr) -> App {
    let table = reader.open(root, "app", "app");
    let name = reader.read(&table, &NAME);
    let environment = reader.read_if_said(&table, &ENVIRONMENT).unwrap_or_else(|| {
        if !listen.ip().is_loopback() && !reader.places.is_said("app.environment") {
            reader.note(unsaid(reader, listen));
        }
        Deployment::Development
    });
    let base_url = reader.read_if_said(&table, &BASE_URL).unwrap_or_else(|| here(listen));
    let (accent, logo) = (reader.read_if_said(&table, &ACCENT), reader.read_if_said(&table, &LOGO));
    App { name, accent, logo, environment, base_url }
}

/// Guards of production must not be missed by forgetting a line.
fn unsaid(reader: &Reader<'_>, listen: SocketAddr) -> Diagnostic {
    let message = format!("which environment this is has to be said when the server listens on {listen}");
    Diagnostic::error(Code::EnvironmentUnsaid, reader.places.of("edge.listen"), message)
        .reason("only production makes dangerous settings fatal, and a server that others reach is not for development alone")
        .help("write environment = \"production\" (or \"development\" or \"testing\") in [app]")
}

/// The address of this machine, for a policy that says nothing else.
fn here(listen: SocketAddr) -> BaseUrl {
    let authority = if listen.ip().is_unspecified() {
        format!("127.0.0.1:{}", listen.port())
    } else {
        listen.to_string()
    };
    BaseUrl { origin: format!("http://{authority}"), secure: false, authority }
}

/// How much is at stake: production makes dangerous settings fatal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployment {
    /// On a developer's machine.
    Development,
    /// Under automatic tests.
    Testing,
    /// With real people's data.
    Production,
}

impl Word for Deployment {
    const WORDS: &'static [(&'static str, Self)] =
        &[("development", Self::Development), ("testing", Self::Testing), ("production", Self::Production)];
}

/// `[app]`, compiled.
#[derive(Clone, Debug)]
pub struct App {
    /// The application's name, as people see it on Palisade's own pages.
    pub name: String,
    /// The colour of its pages and letters, if it has one of its own.
    pub accent: Option<Accent>,
    /// The picture beside its name: a file that is read at the start.
    pub logo: Option<PathBuf>,
    /// How much is at stake.
    pub environment: Deployment,
    /// Where people find the application (EDGE-7).
    pub base_url: BaseUrl,
}
