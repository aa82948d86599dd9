//! `[audit]`: the trail, the events log and the application log.

use std::path::{Path, PathBuf};

use super::app::Deployment;
use crate::read::kind::Word;
use crate::read::quantity::Size;
use crate::read::setting::Variable;
use crate::read::{Reader, Scope, Setting, Shape, Table};

const EVENTS_FILE: Setting<Option<PathBuf>> = Setting::optional(
    "audit.events_file",
    "Security events as JSON Lines, one for each refusal and the like.",
)
.else_by("logs/events.log in `store.data_dir`")
.such_as("/var/log/palisade/events.log");
const LOG_FILE: Setting<Option<PathBuf>> =
    Setting::new("audit.log_file", "off", "The application log, besides standard error.")
        .such_as("/var/log/palisade/app.log");
const LOG_FORMAT: Setting<LogFormat> =
    Setting::optional("audit.log_format", "JSON lines for programs, or a form for people.")
        .else_by("json in production, text elsewhere")
        .such_as("json");
const LOG_LEVEL: Setting<LogLevel> =
    Setting::new("audit.log_level", "info", "The least level that is logged.")
        .or_from(&[Variable::plain("LOG_LEVEL")]);
const ROTATE: Setting<Size> =
    Setting::new("audit.rotate", "10MiB", "Log files are rotated at this size.").between("64KiB", "10GiB");
const KEEP: Setting<usize> =
    Setting::new("audit.keep", "5", "So many rotated files are kept of each log.").between("1", "1000");
const RECORD_CHANGES: Setting<bool> = Setting::new(
    "audit.record_changes",
    "true",
    "Whether each state-changing request that is let through to an application gets an audit row.",
);

pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "audit",
    doc: "The trail, the events log and the application log. Nothing sensitive is written to any of them.",
    settings: &[&EVENTS_FILE, &LOG_FILE, &LOG_FORMAT, &LOG_LEVEL, &ROTATE, &KEEP, &RECORD_CHANGES],
    tables: &[],
    shape: Shape::Once,
}];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LogFormat {
    Json,
    Text,
}

impl Word for LogFormat {
    const WORDS: &'static [(&'static str, Self)] = &[("json", Self::Json), ("text", Self::Text)];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Word for LogLevel {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];

    /// The names of Python's levels, which the seeds use.
    fn alias(text: &str) -> Option<Self> {
        match text {
            "warning" => Some(Self::Warn),
            "critical" | "fatal" => Some(Self::Error),
            _ => None,
        }
    }
}

pub(crate) fn read(
    reader: &mut Reader<'_>,
    root: &Table<'_>,
    environment: Deployment,
    data_dir: &Path,
) -> Audit {
    let table = reader.open(root, "audit", "audit");
    let format = reader.read_if_said(&table, &LOG_FORMAT);
    Audit {
        events_file: reader
            .read_if_said(&table, &EVENTS_FILE)
            .unwrap_or_else(|| Some(data_dir.join("logs").join("events.log"))),
        log_file: reader.read(&table, &LOG_FILE),
        log_json: format.map_or(environment == Deployment::Production, |format| format == LogFormat::Json),
        log_level: reader.read(&table, &LOG_LEVEL).word().to_owned(),
        rotate_bytes: reader.read(&table, &ROTATE).0,
        rotate_keep: reader.read(&table, &KEEP),
        record_changes: reader.read(&table, &RECORD_CHANGES),
    }
}

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
