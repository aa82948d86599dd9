//! Requests to other sites: what this crate asks of whoever has a network.

use std::future::Future;
use std::pin::Pin;

/// Why another site did not answer. Names no address and no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutgoingError {
    /// No connection, or one that broke.
    #[error("the provider cannot be reached")]
    Unreachable,
    /// Somebody answered whose certificate is not trusted, has run out or is another host's.
    #[error("the provider's certificate is not trusted")]
    Untrusted,
    /// No whole answer in time.
    #[error("the provider did not answer in time")]
    Timeout,
    /// More than anybody has to say here.
    #[error("the provider's answer is too long")]
    TooLong,
    /// A provider that is known by TLS names an address without it.
    #[error("an endpoint is not https")]
    Plain,
    /// This process speaks to nobody.
    #[error("there is no network here")]
    Offline,
}

/// An answer to be.
pub type Answering = Pin<Box<dyn Future<Output = Result<http::Response<Vec<u8>>, OutgoingError>> + Send>>;

/// Sends requests to a provider, and trusts it by that provider's certificates. An implementation bounds the time and
/// the size of an answer, and follows no redirect: the answer is the provider's own or none.
pub trait Outgoing: Send + Sync + 'static {
    /// Sends one request to the provider of that name in the policy.
    fn send(&self, provider: &str, request: http::Request<Vec<u8>>) -> Answering;
}

/// Speaks to nobody: for commands, which need no provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offline;

impl Outgoing for Offline {
    fn send(&self, _: &str, _: http::Request<Vec<u8>>) -> Answering {
        Box::pin(std::future::ready(Err(OutgoingError::Offline)))
    }
}
