//! Why an application gave no answer, and which refusal that is.

use std::error::Error;
use std::io;

use palisade_model::{Denial, Refusal};

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// All connections are taken, and too many wait already, or for too long.
    Busy,
    /// No connection could be made.
    Unreachable(io::Error),
    /// Connecting took too long.
    ConnectTimeout,
    /// The answer did not begin in time.
    AnswerTimeout,
    /// The connection broke, or what came was not HTTP.
    Invalid(Option<hyper::Error>),
    /// The application switched protocols although nobody asked for that.
    Switched,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Busy => Self::new(Denial::UpstreamBusy, "every connection to the application is in use")
                .retry_after(std::time::Duration::from_secs(1)),
            Failure::Unreachable(error) => {
                Self::new(Denial::UpstreamUnreachable, format!("connecting failed: {}", error.kind()))
            }
            Failure::ConnectTimeout => Self::new(Denial::UpstreamTimeout, "connecting took too long"),
            Failure::AnswerTimeout => Self::new(Denial::UpstreamTimeout, "the answer did not begin in time"),
            Failure::Switched => Self::new(Denial::UpstreamInvalid, "an upgrade that nobody asked for"),
            Failure::Invalid(None) => Self::new(Denial::UpstreamInvalid, "the connection ended"),
            Failure::Invalid(Some(error)) => refusal_within(&error)
                .cloned()
                .unwrap_or_else(|| Self::new(Denial::UpstreamInvalid, error.to_string())),
        }
    }
}

/// A refusal of Palisade's own that cut the client's body short (too large, too slow, incomplete) and that surfaces
/// as the reason why the request could not be sent.
fn refusal_within<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Refusal> {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(refusal) = error.downcast_ref::<Refusal>() {
            return Some(refusal);
        }
        current = error.source();
    }
    None
}
