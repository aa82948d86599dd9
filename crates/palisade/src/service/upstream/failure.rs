//! Why an application gave no answer, and which refusal that is.

use std::io;
use std::time::Duration;

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
                .retry_after(Duration::from_secs(1)),
            Failure::Unreachable(error) => {
                Self::new(Denial::UpstreamUnreachable, format!("connecting failed: {}", error.kind()))
            }
            Failure::ConnectTimeout => Self::new(Denial::UpstreamUnreachable, "connecting took too long"),
            Failure::AnswerTimeout => Self::new(Denial::UpstreamTimeout, "the answer did not begin in time"),
            Failure::Switched => Self::new(Denial::UpstreamInvalid, "an upgrade that nobody asked for"),
            Failure::Invalid(None) => Self::new(Denial::UpstreamInvalid, "the connection ended"),
            // A client's body that broke off surfaces here too; the gate knows, and says so instead.
            Failure::Invalid(Some(error)) => Self::new(Denial::UpstreamInvalid, error.to_string()),
        }
    }
}
