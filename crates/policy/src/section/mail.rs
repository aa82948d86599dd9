//! `[mail]`: how letters leave: links to set a password, confirmations, notices.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use palisade_model::Secret;
use serde_json::{Value, json};
use url::Url;

use super::app::{App, Deployment};
use crate::diagnostic::{Code, Diagnostic};
use crate::read::kind::{Context, Kind, Raw, Read, Wrong, text_of};
use crate::read::setting::Variable;
use crate::read::{Reader, Scope, Setting, Shape, Table};

const SERVER: Setting<Server> = Setting::optional(
    "mail.server",
    "Where letters go: smtp://host (STARTTLS), smtps://host (TLS from the start), a folder as file:PATH, or off.",
)
.else_by("a folder `mail` in `store.data_dir`, and off in production")
.such_as("smtp://mail.example.com:587")
.or_from(&[Variable::plain("MAIL_SERVER")]);
const USERNAME: Setting<String> =
    Setting::optional("mail.username", "The name to sign in with at the mail server.")
        .such_as("palisade")
        .or_from(&[Variable::plain("SMTP_USERNAME")]);
const PASSWORD: Setting<Secret> = Setting::optional("mail.password", "The password for it.")
    .such_as("env:SMTP_PASSWORD")
    .or_from(&[Variable::plain("SMTP_PASSWORD")]);
const FROM: Setting<Sender> =
    Setting::optional("mail.from", "The sender: an address, with or without a name.")
        .else_by("`app.name` <no-reply@ the host of `app.base_url`>")
        .or_from(&[Variable::plain("MAIL_FROM")]);
const CA_FILE: Setting<PathBuf> = Setting::optional(
    "mail.ca_file",
    "Certificates (PEM) that the mail server's has to come from, instead of the system's.",
)
.such_as("/etc/palisade/mail-ca.pem");
const DANGEROUS_PLAIN: Setting<bool> = Setting::new(
    "mail.dangerous_plain",
    "false",
    "Hands letters, with the links in them, to a server on another machine without TLS.",
);

pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "mail",
    doc: "How letters leave: links to set a password, confirmations, notices.",
    settings: &[&SERVER, &USERNAME, &PASSWORD, &FROM, &CA_FILE, &DANGEROUS_PLAIN],
    tables: &[],
    shape: Shape::Once,
}];

pub(crate) fn read(reader: &mut Reader<'_>, root: &Table<'_>, app: &App, data_dir: &Path) -> Mail {
    let table = reader.open(root, "mail", "mail");
    let server = reader.read_if_said(&table, &SERVER).unwrap_or_else(|| match app.environment {
        Deployment::Production => Server::Off,
        _ => Server::File(data_dir.join("mail")),
    });
    let username = reader.read_if_said(&table, &USERNAME);
    let password = reader.read_if_said(&table, &PASSWORD);
    let from = reader.read_if_said(&table, &FROM);
    let ca_file = reader.read_if_said(&table, &CA_FILE);
    let dangerous_plain = reader.read(&table, &DANGEROUS_PLAIN);
    // What is there and does not read has been told already.
    let said = |given: bool, key: &str| given || reader.places.is_said(key);
    if said(username.is_some(), "mail.username") != said(password.is_some(), "mail.password") {
        let key = if username.is_some() { "mail.username" } else { "mail.password" };
        let message = "a name and a password for the mail server go together, and one of them is missing";
        let place = reader.places.of(key);
        reader.note(
            Diagnostic::error(Code::Contradiction, place, message)
                .help("write username = \"...\" and password = \"env:SMTP_PASSWORD\" in [mail], or neither"),
        );
    }
    let carrier = match server {
        Server::Off => Carrier::Off,
        Server::File(folder) => Carrier::File(folder),
        Server::Smtp { host, port, wrapped } => {
            let tls = match (wrapped, is_here(&host), dangerous_plain) {
                (true, ..) => Tls::Wrapped,
                (false, true, _) => Tls::IfOffered,
                (false, false, true) => Tls::None,
                (false, false, false) => Tls::Required,
            };
            Carrier::Smtp(Box::new(Smtp { host, port, tls, account: username.zip(password), ca_file }))
        }
    };
    Mail { carrier, from: from.unwrap_or_else(|| no_reply(app)) }
}

/// Whether the server is on this machine, so that nothing crosses a network.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

fn no_reply(app: &App) -> Sender {
    let host = Url::parse(&app.base_url.origin).ok().and_then(|url| url.host_str().map(str::to_owned));
    let host = host.unwrap_or_else(|| "localhost".to_owned());
    // An address of numbers is no host that mail comes from.
    let is_number = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let host = if is_number { "localhost".to_owned() } else { host };
    Sender { name: Some(app.name.clone()), address: format!("no-reply@{host}") }
}

/// `[mail]`, compiled.
#[derive(Clone, Debug)]
pub struct Mail {
    /// How letters leave.
    pub carrier: Carrier,
    /// The sender.
    pub from: Sender,
}

impl Mail {
    /// Whether letters leave at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !matches!(self.carrier, Carrier::Off)
    }
}

/// How letters leave.
#[derive(Clone, Debug)]
pub enum Carrier {
    /// They do not: nothing that needs a letter is offered.
    Off,
    /// As files in this folder, for development.
    File(PathBuf),
    /// To a mail server.
    Smtp(Box<Smtp>),
}

/// A mail server (RFC 5321, RFC 6409).
#[derive(Clone, Debug)]
pub struct Smtp {
    /// Its name, which its certificate has to carry.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is guarded.
    pub tls: Tls,
    /// Name and password there.
    pub account: Option<(String, Secret)>,
    /// Certificates that its own has to come from, instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// How the connection to a mail server is guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// TLS from the first byte (RFC 8314).
    Wrapped,
    /// STARTTLS, or no letter.
    Required,
    /// STARTTLS where the server offers it: on this machine alone.
    IfOffered,
    /// None, as the policy dangerously says.
    None,
}

/// The sender of letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// What people read.
    pub name: Option<String>,
    /// The address.
    pub address: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Server {
    Off,
    File(PathBuf),
    Smtp { host: String, port: u16, wrapped: bool },
}

const FORMS: &str = "\"smtp://host:587\", \"smtps://host\", \"file:folder\" or \"off\"";

fn server(text: &str) -> Result<Server, &'static str> {
    if text == "off" {
        return Ok(Server::Off);
    }
    if let Some(folder) = text.strip_prefix("file:") {
        return if folder.is_empty() {
            Err("the folder is not named")
        } else {
            Ok(Server::File(folder.into()))
        };
    }
    let url = Url::parse(text).map_err(|_| "the mail server is no address")?;
    let (wrapped, usual) = match url.scheme() {
        "smtp" => (false, 587),
        "smtps" => (true, 465),
        _ => return Err("the mail server is neither smtp:, smtps:, file: nor off"),
    };
    if !wrapped && url.port() == Some(465) {
        return Err("port 465 speaks TLS from the start: that is smtps://, not smtp://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a name or password stands in the mail server's address");
    }
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let host = url
        .host_str()
        .filter(|host| !host.is_empty() && bare)
        .ok_or("the mail server is not just a host and a port")?;
    Ok(Server::Smtp { host: host.to_ascii_lowercase(), port: url.port().unwrap_or(usual), wrapped })
}

impl Kind for Server {
    const EXAMPLE: &'static str = "smtp://mail.example.com:587";

    fn takes() -> String {
        FORMS.into()
    }

    fn read(raw: Raw<'_>, _: &Context<'_>) -> Read<Self> {
        server(text_of(raw, FORMS)?).map_err(|why| {
            let help = format!("write {FORMS}; the account stands in `username` and `password`");
            vec![Wrong::malformed(why, help)]
        })
    }

    fn nothing() -> Self {
        Self::Off
    }

    fn schema() -> Value {
        json!({"type": "string", "pattern": "^(off|file:.+|smtps?://[^@/]+/?)$"})
    }
}

const SENDER: &str = "\"name@example.com\" or \"Name <name@example.com>\"";

/// Only what cannot be mistaken within a header: the names of senders are the policy's own.
fn sender(text: &str) -> Option<Sender> {
    let (name, address) = match text.trim().strip_suffix('>') {
        Some(front) => {
            let (name, address) = front.split_once('<')?;
            (Some(name.trim().trim_matches('"')).filter(|name| !name.is_empty()), address)
        }
        None => (None, text.trim()),
    };
    let (local, host) = address.split_once('@')?;
    let of_address = |c: char| c.is_ascii_graphic() && !"<>()@,;:\\\"".contains(c);
    let of_host = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    let sound =
        !local.is_empty() && local.chars().all(of_address) && !host.is_empty() && host.chars().all(of_host);
    let readable = name.is_none_or(|name| !name.chars().any(|c| c.is_control() || "<>@\"".contains(c)));
    (sound && readable).then(|| Sender { name: name.map(str::to_owned), address: address.to_owned() })
}

impl Kind for Sender {
    const EXAMPLE: &'static str = "Example <no-reply@example.com>";

    fn takes() -> String {
        SENDER.into()
    }

    fn read(raw: Raw<'_>, _: &Context<'_>) -> Read<Self> {
        sender(text_of(raw, SENDER)?)
            .ok_or_else(|| vec![Wrong::malformed("the sender is no mail address", format!("write {SENDER}"))])
    }

    fn nothing() -> Self {
        Self { name: None, address: String::new() }
    }

    fn schema() -> Value {
        json!({"type": "string", "pattern": "^[^@]+@[^@]+$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: ID-4
    #[test]
    fn a_mail_server_is_a_host_and_never_holds_its_password() {
        let smtp = |host: &str, port, wrapped| Ok(Server::Smtp { host: host.into(), port, wrapped });
        assert_eq!(server("smtp://Mail.example.com"), smtp("mail.example.com", 587, false));
        assert_eq!(server("smtps://mail.example.com"), smtp("mail.example.com", 465, true));
        assert_eq!(server("smtp://127.0.0.1:2525"), smtp("127.0.0.1", 2525, false));
        assert_eq!(server("file:out/mail"), Ok(Server::File("out/mail".into())));
        for bad in [
            "",
            "mail.example.com",
            "http://mail.example.com",
            "smtp://u:p@h",
            "smtp://h/x",
            "smtp://mail.example.com:465",
            "file:",
            "smtp://",
        ] {
            assert!(server(bad).is_err(), "{bad}");
        }
    }

    // proves: ID-4
    #[test]
    fn a_sender_cannot_begin_a_header_of_its_own() {
        let named = sender("My App <no-reply@example.com>").unwrap();
        assert_eq!((named.name.as_deref(), named.address.as_str()), (Some("My App"), "no-reply@example.com"));
        assert_eq!(sender("a@b.example").unwrap().name, None);
        for bad in
            ["", "a", "a@b@c", "a@b\r\nBcc: x@y", "A\r\nBcc: x <a@b>", "b@ank.example <a@b>", "a b@c", "<>"]
        {
            assert_eq!(sender(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn only_this_machine_is_trusted_without_tls() {
        assert!(["localhost", "127.0.0.1", "127.9.9.9", "[::1]"].iter().all(|host| is_here(host)));
        assert!(!["10.0.0.1", "localhost.example.com", "[::2]", "mail"].iter().any(|host| is_here(host)));
    }
}
