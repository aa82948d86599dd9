//! The way to sign-in providers: one small HTTP client for each.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use palisade_access::{Answering, Offline, Outgoing, OutgoingError};
use palisade_policy::Policy;
use palisade_policy::section::identify::Provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a whole answer may take: somebody is waiting for it.
const WHOLE: Duration = Duration::from_secs(10);

/// The longest answer, in bytes. Discovery documents and key sets have a few thousand.
const LONGEST: usize = 1024 * 1024;

type Web = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client for each provider of the policy, by its name. No redirect is followed, and no proxy asked.
struct Clients(HashMap<String, Web>);

/// The way to the policy's providers; without any, to nobody.
///
/// # Errors
/// When certificates cannot be read.
pub fn of(policy: &Policy) -> anyhow::Result<Arc<dyn Outgoing>> {
    let providers = &policy.identify.providers;
    if providers.is_empty() {
        return Ok(Arc::new(Offline));
    }
    let clients = providers.iter().map(|one| Ok((one.name.clone(), client(one)?)));
    Ok(Arc::new(Clients(clients.collect::<anyhow::Result<_>>()?)))
}

fn client(provider: &Provider) -> anyhow::Result<Web> {
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .context("no version of TLS can be spoken")?
        .with_root_certificates(roots(provider)?)
        .with_no_client_auth();
    let mut plain = HttpConnector::new();
    plain.enforce_http(false);
    plain.set_connect_timeout(Some(CONNECT));
    plain.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(plain);
    Ok(Client::builder(TokioExecutor::new())
        .pool_idle_timeout(Duration::from_secs(15))
        .pool_timer(TokioTimer::new())
        .build(connector))
}

/// The provider's own certificates, or the system's.
fn roots(provider: &Provider) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some(path) = &provider.ca_file else {
        let found = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            tracing::warn!("this system has no certificates: sign-in providers cannot be trusted");
        }
        return Ok(roots);
    };
    let named = || format!("identify.oidc.{}.ca_file: {}", provider.name, path.display());
    for certificate in CertificateDer::pem_file_iter(path).with_context(named)? {
        roots.add(certificate.with_context(named)?).with_context(named)?;
    }
    anyhow::ensure!(!roots.is_empty(), "{} holds no certificate", named());
    Ok(roots)
}

impl Outgoing for Clients {
    fn send(&self, provider: &str, request: Request<Vec<u8>>) -> Answering {
        let Some(client) = self.0.get(provider).cloned() else {
            return Box::pin(std::future::ready(Err(OutgoingError::Unreachable)));
        };
        let mut request = request.map(|body| Full::from(Bytes::from(body)));
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static("Palisade"));
        Box::pin(async move {
            tokio::time::timeout(WHOLE, answer(client, request)).await.unwrap_or(Err(OutgoingError::Timeout))
        })
    }
}

async fn answer(client: Web, request: Request<Full<Bytes>>) -> Result<Response<Vec<u8>>, OutgoingError> {
    let response = client.request(request).await.map_err(|error| {
        if is_untrusted(&error) { OutgoingError::Untrusted } else { OutgoingError::Unreachable }
    })?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, LONGEST).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() { OutgoingError::TooLong } else { OutgoingError::Unreachable }
    })?;
    Ok(Response::from_parts(head, body.to_bytes().to_vec()))
}

/// Whether it was the certificate that kept us from speaking. Errors of input and output hide what they hold.
fn is_untrusted(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        next = match error.downcast_ref::<std::io::Error>() {
            Some(error) => error.get_ref().map(|held| held as _),
            None => error.source(),
        };
    }
    false
}
