//! How a message leaves: to a mail server, or as a file in a folder.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters, TlsParametersBuilder};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{self, AsyncSmtpTransport};
use lettre::{AsyncTransport as _, Message, Tokio1Executor};
use palisade_model::id::MailId;
use palisade_policy::section::app::App;
use palisade_policy::section::mail::{self, Mail, Smtp, Tls};

/// How long a mail server may take over one command.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long handing a message over may take in all; the claim on a letter is longer.
const WHOLE: Duration = Duration::from_secs(60);

/// How messages leave.
pub(super) enum Carrier {
    Folder(PathBuf),
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
}

/// Why a message did not leave. Holds no address: what a server says often does.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may another time.
    Later(String),
    /// It never will.
    Never(String),
}

impl Carrier {
    /// As the policy says; `None` where no mail is sent.
    pub(super) fn open(mail: &Mail, app: &App) -> anyhow::Result<Option<Self>> {
        match &mail.carrier {
            mail::Carrier::Off => Ok(None),
            mail::Carrier::File(folder) => {
                palisade_store::folder::make_private(folder).with_context(|| {
                    format!("the folder for mail, {}, cannot be made (mail.server)", folder.display())
                })?;
                Ok(Some(Self::Folder(folder.clone())))
            }
            mail::Carrier::Smtp(smtp) => Ok(Some(Self::Smtp(Box::new(transport(smtp, app)?)))),
        }
    }

    /// Hands a message over. Once this is done, somebody else has it.
    pub(super) async fn hand_over(&self, message: &Message, id: MailId) -> Result<(), Failure> {
        match self {
            Self::Folder(folder) => {
                let (folder, text) = (folder.clone(), message.formatted());
                let written = tokio::task::spawn_blocking(move || write(&folder, id, &text)).await;
                match written {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(error)) => {
                        Err(Failure::Later(format!("the folder cannot be written: {}", error.kind())))
                    }
                    Err(_) => Err(Failure::Later("writing was cut off".to_owned())),
                }
            }
            Self::Smtp(transport) => {
                match tokio::time::timeout(WHOLE, transport.send(message.clone())).await {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err(error)) => Err(judge(&error)),
                    Err(_) => Err(Failure::Later("the mail server takes too long".to_owned())),
                }
            }
        }
    }
}

fn transport(smtp: &Smtp, app: &App) -> anyhow::Result<AsyncSmtpTransport<Tokio1Executor>> {
    let parameters = || -> anyhow::Result<TlsParameters> {
        let mut builder = TlsParametersBuilder::new(smtp.host.trim_matches(['[', ']']).to_owned());
        if let Some(path) = &smtp.ca_file {
            let pem = std::fs::read(path)
                .with_context(|| format!("{} cannot be read (mail.ca_file)", path.display()))?;
            let certificate = Certificate::from_pem(&pem)
                .with_context(|| format!("{} holds no certificate (mail.ca_file)", path.display()))?;
            builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
        }
        builder.build_rustls().context("TLS to the mail server cannot be set up")
    };
    let tls = match smtp.tls {
        Tls::Wrapped => smtp::client::Tls::Wrapper(parameters()?),
        Tls::Required => smtp::client::Tls::Required(parameters()?),
        Tls::IfOffered if smtp.ca_file.is_some() => smtp::client::Tls::Required(parameters()?),
        Tls::IfOffered | Tls::None => smtp::client::Tls::None,
    };
    let host =
        app.base_url.authority.rsplit_once(':').map_or(app.base_url.authority.as_str(), |(host, _)| host);
    let mut builder =
        AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(smtp.host.trim_matches(['[', ']']))
            .port(smtp.port)
            .tls(tls)
            .timeout(Some(PATIENCE))
            .hello_name(hello(host));
    if let Some((name, password)) = &smtp.account {
        builder = builder.credentials(Credentials::new(name.clone(), password.expose().to_owned()));
    }
    Ok(builder.build())
}

/// How we call ourselves (RFC 5321 section 4.1.1.1).
fn hello(host: &str) -> ClientId {
    match host.trim_matches(['[', ']']).parse() {
        Ok(std::net::IpAddr::V4(ip)) => ClientId::Ipv4(ip),
        Ok(std::net::IpAddr::V6(ip)) => ClientId::Ipv6(ip),
        Err(_) => ClientId::Domain(host.to_owned()),
    }
}

/// What a failure means. A refusal of our account (RFC 4954 section 6) is for the operator to mend: the letter waits.
fn judge(error: &smtp::Error) -> Failure {
    let code = error.status().map(u16::from);
    let told = |what: &str| code.map_or_else(|| what.to_owned(), |code| format!("{what} ({code})"));
    match code {
        Some(530 | 534 | 535 | 538) => Failure::Later(told("the mail server does not take our account")),
        _ if error.is_permanent() => Failure::Never(told("refused")),
        _ if error.is_transient() => Failure::Later(told("refused for now")),
        _ if error.is_timeout() => Failure::Later("the mail server does not answer in time".to_owned()),
        _ if error.is_tls() => Failure::Later("no TLS with the mail server".to_owned()),
        _ if error.is_response() => Failure::Later("the mail server does not speak SMTP".to_owned()),
        _ if error.is_client() => Failure::Later("the mail server does not offer what is needed".to_owned()),
        _ => Failure::Later("the mail server cannot be reached".to_owned()),
    }
}

/// Whole or not at all, for the server's own user alone.
fn write(folder: &Path, id: MailId, text: &[u8]) -> std::io::Result<()> {
    let draft = folder.join(format!(".{id}.draft"));
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(text)?;
    std::fs::rename(&draft, folder.join(format!("{id}.eml")))
}
