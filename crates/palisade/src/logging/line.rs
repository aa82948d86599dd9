//! One event as one line.

use std::fmt::Write as _;
use std::sync::Arc;

use palisade_model::Clock;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

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

/// Turns events into lines: the fields of the spans around an event (the request's id among them), then its own.
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

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flatten().collect::<Vec<_>>().into_iter().rev() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.0.extend(outer.0.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
        }
        event.record(&mut fields);
        let metadata = event.metadata();
        let now = self.clock.now().to_string();
        self.writer.write(match self.form {
            Form::Json => json(&now, metadata.level(), metadata.target(), fields.0),
            Form::Readable { colour } => {
                readable(&now, metadata.level(), metadata.target(), fields.0, colour)
            }
        });
    }
}

/// Fields, already fit to be shown.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let shown = redact::value(field.name(), value).into_owned();
        self.0.insert(field.name().to_owned(), Value::String(shown));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

fn name_of(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

fn json(now: &str, level: &Level, target: &str, fields: Map<String, Value>) -> String {
    let mut line = Map::new();
    line.insert("ts".to_owned(), now.into());
    line.insert("level".to_owned(), name_of(level).into());
    line.insert("target".to_owned(), target.into());
    for (name, value) in fields {
        line.entry(name).or_insert(value);
    }
    Value::Object(line).to_string()
}

fn readable(now: &str, level: &Level, target: &str, mut fields: Map<String, Value>, colour: bool) -> String {
    let (on, off) = match (colour, *level) {
        (false, _) => ("", ""),
        (true, Level::ERROR) => ("\x1b[31m", "\x1b[0m"),
        (true, Level::WARN) => ("\x1b[33m", "\x1b[0m"),
        (true, Level::INFO) => ("\x1b[32m", "\x1b[0m"),
        (true, _) => ("\x1b[2m", "\x1b[0m"),
    };
    let time = now.get(11..23).unwrap_or(now);
    let mut line = format!("{time} {on}{:5}{off} {target}", name_of(level));
    if let Some(message) = fields.remove("message") {
        let _ = write!(line, ": {}", plain(&message));
    }
    for (name, value) in &fields {
        let _ = write!(line, " {name}={}", plain(value));
    }
    line
}

/// A value without quotes where it needs none; a line break or an escape sequence within it stays one line of text.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) if text.chars().any(char::is_control) => format!("{text:?}"),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logging::rotate::RotatedFile;
    use palisade_model::{ManualClock, Timestamp};
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
            let span = tracing::info_span!("request", request_id = "req-12345678");
            let _entered = span.enter();
            tracing::info!(email = "ada@example.com", password = "hunter2", tries = 3, "signed\nin");
        });
        assert_eq!(lines.len(), 1, "a line break in a value breaks no line");
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["ts"], "2023-11-14T22:13:20.123456Z");
        assert_eq!(line["level"], "info");
        assert_eq!(line["message"], "signed\nin");
        assert_eq!(line["request_id"], "req-12345678");
        assert_eq!(line["email"], "a***@e***.com");
        assert_eq!(line["tries"], 3);
        assert!(!lines[0].contains("hunter2"));
    }

    #[test]
    fn people_get_a_line_that_they_can_read() {
        let lines = logged(Form::Readable { colour: false }, || {
            tracing::warn!(target: "palisade", path = "/a\u{1b}[2J", "slow");
        });
        assert_eq!(
            lines,
            [r"22:13:20.123 warn  palisade: slow path=/a\u{1b}[2J".replace("/a", "\"/a") + "\""]
        );
    }
}
