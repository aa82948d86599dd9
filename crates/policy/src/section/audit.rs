//! `[audit]`: the trail, the events log and the application log.

use std::path::PathBuf;

/// `[audit]`, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Security events as JSON Lines (AUD-4); `None` when switched off.
    pub events_file: Option<PathBuf>,
    /// The application log (AUD-6); `None` logs to standard error alone.
    pub log_file: Option<PathBuf>,
    /// JSON lines, or the readable form of development.
    pub log_json: bool,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub log_level: String,
    /// A log file is rotated at this size, in bytes.
    pub rotate_bytes: u64,
    /// How many rotated files are kept.
    pub rotate_keep: usize,
    /// Whether each state-changing request that is let through to an upstream gets an audit row.
    pub record_changes: bool,
}
