//! One event as one line.
//!
//! Each request leaves a line, so this is written for speed: one pass over the fields into a buffer that is used
//! again, with no tree of values in between.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use palisade_model::Clock;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::redact;
use super::writer::Writer;

/// How a line is written.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// One JSON object.
    Json,
    /// For people.
    Readable {
        /// With colours.
        colour: bool,
    },
}

/// Turns events into lines, each with the id of the request that is being served (EDGE-4).
pub(super) struct Lines {
    form: Form,
    clock: Arc<dyn Clock>,
    writer: Writer,
}

impl Lines {
    pub(super) fn new(form: Form, clock: Arc<dyn Clock>, writer: Writer) -> Self {
        Self { form, clock, writer }
    }
}

thread_local! {
    static BUFFER: RefCell<String> = const { RefCell::new(String::new()) };
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        BUFFER.with_borrow_mut(|text| {
            text.clear();
            let metadata = event.metadata();
            let mut line = Line { text, json: matches!(self.form, Form::Json), names_request: false };
            line.begin(self.form, &self.clock.now().to_string(), metadata.level(), metadata.target());
            event.record(&mut line);
            if !line.names_request {
                palisade_gate::current::with(|id| line.string("request_id", id.as_str()));
            }
            line.end();
            self.writer.write(text);
        });
    }
}

/// A line as it grows.
struct Line<'a> {
    text: &'a mut String,
    json: bool,
    names_request: bool,
}

impl Line<'_> {
    fn begin(&mut self, form: Form, now: &str, level: &Level, target: &str) {
        let name = name_of(level);
        let text = &mut self.text;
        // Writing into a String cannot fail, here and below.
        let _ = match form {
            Form::Json => write!(text, r#"{{"ts":"{now}","level":"{name}","target":"{target}""#),
            Form::Readable { colour } => {
                let (on, off) = if colour { (colour_of(level), "\x1b[0m") } else { ("", "") };
                let time = now.get(11..23).unwrap_or(now);
                write!(text, "{time} {on}{name:5}{off} {target}")
            }
        };
    }

    fn end(&mut self) {
        if self.json {
            self.text.push('}');
        }
    }

    /// Begins a field.
    fn name(&mut self, name: &str) {
        self.names_request |= name == "request_id";
        let _ = match (self.json, name) {
            (true, _) => write!(self.text, ",\"{name}\":"),
            (false, "message") => write!(self.text, ": "),
            (false, _) => write!(self.text, " {name}="),
        };
    }

    fn string(&mut self, name: &str, value: &str) {
        self.name(name);
        if self.json {
            json_string(self.text, value);
        } else if value.chars().any(char::is_control) {
            // A line break or an escape sequence stays text.
            let _ = write!(self.text, "{value:?}");
        } else {
            self.text.push_str(value);
        }
    }

    fn plain(&mut self, field: &Field, value: impl fmt::Display) {
        if redact::is_plain(field.name()) {
            self.name(field.name());
            let _ = write!(self.text, "{value}");
        } else {
            self.record_str(field, &value.to_string());
        }
    }
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let shown = redact::value(field.name(), value);
        self.string(field.name(), &shown);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON knows no infinity and no NaN.
        if value.is_finite() { self.plain(field, value) } else { self.record_str(field, &value.to_string()) }
    }
}

const fn name_of(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

const fn colour_of(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG | Level::TRACE => "\x1b[2m",
    }
}

/// RFC 8259 section 7.
fn json_string(text: &mut String, value: &str) {
    text.push('"');
    if value.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        text.push_str(value);
    } else {
        for letter in value.chars() {
            match letter {
                '"' => text.push_str("\\\""),
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                control if u32::from(control) < 0x20 => {
                    let _ = write!(text, "\\u{:04x}", u32::from(control));
                }
                other => text.push(other),
            }
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logging::rotate::RotatedFile;
    use palisade_model::{ManualClock, RequestId, Timestamp};
    use serde_json::Value;
    use tracing_subscriber::layer::SubscriberExt as _;

    fn logged(form: Form, log: impl FnOnce()) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::from_micros(1_700_000_000_123_456)));
        let file = RotatedFile::open(&path, 1 << 20, 1).unwrap();
        let (writer, flush) = Writer::start(Some(file), Arc::clone(&clock)).unwrap();
        let subscriber = tracing_subscriber::registry().with(Lines::new(form, clock, writer));
        tracing::subscriber::with_default(subscriber, log);
        drop(flush);
        std::fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect()
    }

    // proves: AUD-6, EDGE-4, AUD-5
    #[test]
    fn each_line_carries_the_request_and_no_secret() {
        let lines = logged(Form::Json, || {
            let id = RequestId::parse("req-12345678").unwrap();
            palisade_gate::current::sync_scope(id, || {
                tracing::info!(
                    email = "ada@example.com",
                    password = "hunter2",
                    pin_token = 4711,
                    tries = 3,
                    "signed\nin"
                );
                tracing::warn!(request_id = "another-1", odd = "\u{1}\"\\", share = f64::NAN, "own id");
            });
            tracing::info!("of no request");
        });
        assert_eq!(lines.len(), 3, "a line break in a value breaks no line");
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["ts"], "2023-11-14T22:13:20.123456Z");
        assert_eq!(line["level"], "info");
        assert_eq!(line["message"], "signed\nin");
        assert_eq!(line["request_id"], "req-12345678");
        assert_eq!(line["email"], "a***@e***.com");
        assert_eq!(line["tries"], 3);
        assert!(!lines[0].contains("hunter2") && !lines[0].contains("4711"));
        let line: Value = serde_json::from_str(&lines[1]).unwrap();
        assert_eq!(
            (&line["request_id"], &line["odd"], &line["share"]),
            (&"another-1".into(), &"\u{1}\"\\".into(), &"NaN".into())
        );
        assert_eq!(lines[1].matches("request_id").count(), 1);
        assert!(!lines[2].contains("request_id"));
    }

    #[test]
    fn people_get_a_line_that_they_can_read() {
        let lines = logged(Form::Readable { colour: false }, || {
            tracing::warn!(target: "palisade", path = "/a\u{1b}[2J", "slow");
        });
        assert_eq!(lines, [r#"22:13:20.123 warn  palisade: slow path="/a\u{1b}[2J""#]);
    }
}
