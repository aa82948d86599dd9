//! Announcements of a legacy route (EDGE-8).

use http::HeaderValue;
use jiff::civil::Date;
use serde_json::{Value, json};
use toml::de::DeValue;

use super::Legacy;
use crate::diagnostic::{Code, Diagnostic};
use crate::read::kind::{Context, Kind, Raw, Read, Wrong, text_of};
use crate::read::{Reader, Scope, Setting, Shape, Table};

const SINCE: Setting<Day> = Setting::optional(
    "route.deprecated.since",
    "Since when the route is deprecated (the Deprecation header).",
);
const SUNSET: Setting<Day> =
    Setting::optional("route.deprecated.sunset", "When it will go away (the Sunset header).")
        .such_as("2027-06-30");
const SUCCESSOR: Setting<String> =
    Setting::optional("route.deprecated.successor", "What to use instead (the Link header).")
        .such_as("/api/v1/reports");

pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "route.deprecated",
    doc: "Announcements of a legacy route.",
    settings: &[&SINCE, &SUNSET, &SUCCESSOR],
    tables: &[],
    shape: Shape::Once,
}];

pub(super) fn read(reader: &mut Reader<'_>, route: &Table<'_>) -> Option<Legacy> {
    let table = reader.open(route, "deprecated", "route.deprecated");
    let sunset = reader.read_if_said(&table, &SUNSET);
    let successor = reader.read_if_said(&table, &SUCCESSOR);
    if !table.is_there() {
        reader.read_if_said(&table, &SINCE);
        return None;
    }
    let since = reader.require(&table, &SINCE);
    if sunset.is_some_and(|sunset| sunset < since) {
        let place = reader.places.of(&table.at("sunset"));
        let diagnostic =
            Diagnostic::error(Code::Contradiction, place, "the route goes away before it is deprecated")
                .help("write a `sunset` that is later than `since` (RFC 8594)");
        reader.note(diagnostic);
    }
    let link = successor.and_then(|uri| {
        let value = HeaderValue::from_str(&format!("<{uri}>; rel=\"successor-version\"")).ok();
        let fits = value.filter(|_| uri.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"".contains(&b)));
        if fits.is_none() {
            let place = reader.places.of(&table.at("successor"));
            let help = "write a path or a URL: \"/api/v1/reports\"";
            reader.note(
                Diagnostic::error(Code::Malformed, place, "the successor is not an address").help(help),
            );
        }
        fits
    });
    Some(Legacy { deprecation: since.deprecation(), sunset: sunset.map(Day::http_date), link })
}

/// A day, begun in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Day(i64);

impl Day {
    fn parse(text: &str) -> Option<Self> {
        let date: Date = text.parse().ok()?;
        let start = date.at(0, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Self(start.timestamp().as_second()))
    }

    /// RFC 9745 section 2: an SF date.
    fn deprecation(self) -> HeaderValue {
        HeaderValue::from_str(&format!("@{}", self.0)).unwrap_or_else(|_| HeaderValue::from_static("@0"))
    }

    /// RFC 9110 section 5.6.7.
    fn http_date(self) -> HeaderValue {
        let text = jiff::Timestamp::from_second(self.0)
            .map(|time| time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
            .unwrap_or_default();
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

impl Kind for Day {
    const EXAMPLE: &'static str = "2026-12-31";

    fn takes() -> String {
        "a day such as \"2026-12-31\"".into()
    }

    fn read(raw: Raw<'_>, _: &Context<'_>) -> Read<Self> {
        let written;
        let text = match raw {
            Raw::Toml(value) => match value.get_ref() {
                DeValue::Datetime(date) => {
                    written = date.to_string();
                    &written
                }
                _ => text_of(raw, &Self::takes())?,
            },
            Raw::Text(text) => text,
        };
        Self::parse(text).ok_or_else(|| {
            vec![Wrong::malformed(
                format!("`{text}` is not {}", Self::takes()),
                "write year, month and day: \"2026-12-31\"",
            )]
        })
    }

    fn nothing() -> Self {
        Self(0)
    }

    fn schema() -> Value {
        json!({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"})
    }
}
