//! The application log (AUD-6): JSON lines in production, readable in development, with nothing secret in it (AUD-5).
//!
//! Lines go to standard error, and to a rotated file where the policy names one. Writing happens on a thread of its
//! own: a slow disk slows nobody down. Lines that find the queue full are counted, and the count is logged.

mod line;
mod redact;
mod rotate;
mod writer;

use std::io::IsTerminal;
use std::sync::Arc;

use anyhow::Context as _;
use palisade_model::Clock;
use palisade_policy::section::audit::Audit;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use line::{Form, Lines};
use rotate::RotatedFile;
pub use writer::Flush;
use writer::Writer;

/// Switches the log on for the whole process, as the policy says. What [`Flush`] is dropped after still gets
/// written; keep it until the end of `main`.
///
/// # Errors
/// When the log file cannot be opened, or the log was switched on before.
pub fn init(audit: &Audit, clock: Arc<dyn Clock>) -> anyhow::Result<Flush> {
    let filter =
        EnvFilter::try_new(directives(&audit.log_level)).context("the log level is not understood")?;
    let file = audit
        .log_file
        .as_deref()
        .map(|path| {
            RotatedFile::open(path, audit.rotate_bytes, audit.rotate_keep)
                .with_context(|| format!("cannot open the log file {}", path.display()))
        })
        .transpose()?;
    let colour = !audit.log_json && std::io::stderr().is_terminal();
    let form = if audit.log_json { Form::Json } else { Form::Readable { colour } };
    let (writer, flush) = Writer::start(file, Arc::clone(&clock)).context("cannot start the log's thread")?;
    tracing_subscriber::registry()
        .with(filter)
        .with(Lines::new(form, clock, writer))
        .try_init()
        .context("the log was switched on before")?;
    Ok(flush)
}

/// The policy's level for Palisade; the libraries below it say less, since at `debug` they would repeat what they
/// read, and header fields hold secrets.
fn directives(level: &str) -> String {
    let below = if matches!(level, "error") { "error" } else { "warn" };
    format!(
        "{below},palisade={level},palisade_gate={level},palisade_access={level},palisade_store={level},palisade_policy={level}"
    )
}
