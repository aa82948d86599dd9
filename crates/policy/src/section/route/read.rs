//! `[[route]]` as written, compiled into rows.

use std::time::Duration;

use http::{HeaderValue, Method};
use jiff::civil::Date;
use serde_json::{Value, json};
use toml::de::DeValue;

use super::table::shape;
use super::{Legacy, Methods, Route, Routes, Target, own};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::read::kind::{Context, Kind, Raw, Read, Wrong, text_of};
use crate::read::quantity::Size;
use crate::read::{Reader, Scope, Setting, Shape, Table};
use crate::section::authorize::{Access, Allow, Roles, Who};
use crate::section::csrf::CsrfRule;
use crate::section::shield::{Limit, cors, limits};
use crate::section::upstream::Upstream;
use crate::suggest::nearest;

const PATH: Setting<String> = Setting::optional(
    "route.path",
    "The path: `/reports`, `/api/{id}` for one segment, `/api/{*rest}` for all below, `/api` and `/api/` too.",
)
.such_as("/{*rest}");
const TO: Setting<To> = Setting::optional("route.to", "What answers: `upstream:NAME`.");
const METHODS: Setting<Vec<Method>> = Setting::new(
    "route.methods",
    "GET, POST, PUT, PATCH, DELETE, OPTIONS",
    "The methods that it takes; others get 405. GET brings HEAD with it.",
);
const ALLOW: Setting<Allow> = Setting::optional(
    "route.allow",
    "Who may: \"public\", \"signed-in\", a role, a list of roles, or { read = ..., write = ... }. \
     Reading is GET, HEAD and OPTIONS. Nobody, if it is left out.",
);
const CSRF: Setting<CsrfRule> = Setting::new(
    "route.csrf",
    "token",
    "What a state-changing request with a cookie has to show: the token and an own Origin, an own Origin, or nothing.",
);
const LIMITS: Setting<Vec<String>> =
    Setting::new("route.limits", "default", "Which of `shield.limits` count here.");
const BODY: Setting<Size> = Setting::optional("route.body", "The longest body; 413 beyond.")
    .else_by("`edge.body`")
    .between("0B", "1024GiB");
const TIMEOUT: Setting<Duration> = Setting::new(
    "route.timeout",
    "60s",
    "How long the application may take to begin its answer; 504 beyond.",
)
.between("10ms", "1h");
const HIDE: Setting<bool> = Setting::new(
    "route.hide",
    "false",
    "Whether a refusal reads as if there were nothing: 404 in place of 401 and 403.",
);
const UPGRADE: Setting<bool> =
    Setting::new("route.upgrade", "false", "Whether WebSocket upgrades are let through.");
const STRIP: Setting<String> =
    Setting::optional("route.strip", "Taken off the front of the path on its way to the application.")
        .such_as("/app");
const PREFIX: Setting<String> =
    Setting::optional("route.prefix", "Put in front of what is left of it.").such_as("/v2");
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

pub(crate) const SCOPES: &[Scope] = &[
    Scope {
        path: "route",
        doc: "Which path leads where, and on which terms. What no route names is 404; a route that names nobody is for nobody.",
        settings: &[
            &PATH, &TO, &METHODS, &ALLOW, &CSRF, &LIMITS, &BODY, &TIMEOUT, &HIDE, &UPGRADE, &STRIP, &PREFIX,
        ],
        tables: &["cors", "deprecated"],
        shape: Shape::Listed,
    },
    Scope {
        path: "route.deprecated",
        doc: "Announcements of a legacy route.",
        settings: &[&SINCE, &SUNSET, &SUCCESSOR],
        tables: &[],
        shape: Shape::Once,
    },
];

/// What rows refer to.
pub(crate) struct Around<'a> {
    pub(crate) roles: &'a Roles,
    pub(crate) limits: &'a [Limit],
    pub(crate) upstreams: &'a [Upstream],
    pub(crate) body_bytes: u64,
    pub(crate) source: &'a str,
}

pub(crate) fn read(reader: &mut Reader<'_>, root: &Table<'_>, around: &Around<'_>) -> Routes {
    let limit = |name: &str| around.limits.iter().position(|limit| limit.name == name).unwrap_or(0);
    let mut rows = own::rows(limit(limits::DEFAULT_NAME), limit(limits::LOGIN_NAME));
    for table in reader.listed(root, "route", "route") {
        if let Some(row) = read_one(reader, &table, around, rows.len())
            && is_free(reader, &table, &row, &rows)
        {
            reader.places.note_row(row.index, &table.path);
            rows.push(row);
        }
    }
    Routes::new(rows).unwrap_or_else(|(index, why)| {
        let table = reader.places.row(index).unwrap_or_default().to_owned();
        let place = reader.places.of(&format!("{table}.path"));
        reader.note(
            Diagnostic::error(
                Code::RoutePath,
                place,
                format!("the path cannot be matched beside the others: {why}"),
            )
            .help("write a path that differs from every other by more than upper and lower case"),
        );
        Routes::default()
    })
}

fn read_one(reader: &mut Reader<'_>, table: &Table<'_>, around: &Around<'_>, index: usize) -> Option<Route> {
    let before = reader.found.len();
    let path = reader.require(table, &PATH);
    if reader.found.len() == before {
        check_path(reader, table, &path);
    }
    let target = read_target(reader, table, around);
    let methods = reader.read(table, &METHODS);
    let row = Route {
        index,
        path,
        methods: methods.iter().fold(Methods::NONE, |all, method| all.with(method)),
        target,
        csrf: reader.read(table, &CSRF),
        access: read_access(reader, table, around),
        limits: read_limits(reader, table, around),
        body_bytes: reader.read_if_said(table, &BODY).map_or(around.body_bytes, |size| size.0),
        timeout: reader.read(table, &TIMEOUT),
        cors: read_cors(reader, table),
        hide: reader.read(table, &HIDE),
        upgrade: reader.read(table, &UPGRADE),
        legacy: read_legacy(reader, table),
        line: match table.place() {
            Place::Span(span) => crate::diagnostic::line_at(around.source, span.start),
            _ => 0,
        },
    };
    let usable = reader.found.iter().skip(before).all(|d| !matches!(d.code, Code::RoutePath | Code::Missing));
    usable.then_some(row)
}

fn check_path(reader: &mut Reader<'_>, table: &Table<'_>, path: &str) {
    let Some((why, help)) = path_fault(path) else { return };
    let place = reader.places.of(&table.at("path"));
    reader
        .note(Diagnostic::error(Code::RoutePath, place, format!("`{path}` is not a path: {why}")).help(help));
}

/// What is wrong with a path pattern, and what to write instead.
fn path_fault(path: &str) -> Option<(&'static str, &'static str)> {
    if !path.starts_with('/') {
        return Some(("it does not begin with a slash", "write a slash in front: \"/reports\""));
    }
    if path.contains(['?', '#']) {
        return Some(("it holds a query or a fragment", "leave it out: routes are chosen by path alone"));
    }
    if path.contains('%') {
        return Some(("it is percent-encoded", "write the plain characters: paths are compared decoded"));
    }
    if !path.bytes().all(|b| b.is_ascii_graphic()) || path.contains('\\') {
        return Some((
            "it holds a blank, a backslash or a character beyond ASCII",
            "write visible ASCII characters and slashes",
        ));
    }
    let segments = || path.split('/').skip(1);
    let last = segments().count();
    for (n, segment) in segments().enumerate() {
        if segment.is_empty() && n + 1 < last {
            return Some(("it holds an empty segment", "write one slash between two segments"));
        }
        if segment == "." || segment == ".." {
            return Some(("it holds a dot segment", "write the path that is meant"));
        }
        if let Some(fault) = segment_fault(segment, n + 1 == last) {
            return Some(fault);
        }
    }
    None
}

fn segment_fault(segment: &str, is_last: bool) -> Option<(&'static str, &'static str)> {
    const BRACES: (&str, &str) = (
        "its braces do not make a parameter",
        "write {name} for one segment, or {*rest} at the end for all below",
    );
    if segment.starts_with([':', '<', '*']) || segment.ends_with('*') {
        return Some(("it is written as for another framework", BRACES.1));
    }
    let Some((before, after)) = segment.split_once('{') else {
        return segment.contains('}').then_some(BRACES);
    };
    let Some((name, rest)) = after.split_once('}') else { return Some(BRACES) };
    let bare = name.strip_prefix('*').unwrap_or(name);
    let is_name =
        !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !is_name || rest.contains(['{', '}']) || before.contains('}') {
        return Some(BRACES);
    }
    if name.starts_with('*') && !(is_last && before.is_empty() && rest.is_empty()) {
        return Some((
            "{*rest} stands elsewhere than as the last segment",
            "write {*rest} at the end: \"/api/{*rest}\"",
        ));
    }
    None
}

/// No two rows may answer the same request, and none may stand where Palisade answers itself.
fn is_free(reader: &mut Reader<'_>, table: &Table<'_>, row: &Route, rows: &[Route]) -> bool {
    let place = reader.places.of(&table.at("path"));
    let same = |other: &&Route| {
        shape(&other.path).trim_end_matches('/').eq_ignore_ascii_case(shape(&row.path).trim_end_matches('/'))
    };
    for other in rows.iter().filter(same) {
        let diagnostic = if other.line == 0 {
            Diagnostic::error(
                Code::RouteTaken,
                place,
                format!("`{}` is an address of Palisade's own", row.path),
            )
            .reason("sign-in, health and keys are answered by Palisade, whatever stands behind it")
            .help("leave this route out, or move the application's page to another path")
        } else if shape(&other.path) != shape(&row.path) {
            if shape(&other.path).eq_ignore_ascii_case(&shape(&row.path)) {
                let message = format!(
                    "`{}` differs from `{}` (line {}) by upper and lower case alone",
                    row.path, other.path, other.line
                );
                Diagnostic::error(Code::RouteTwice, place, message)
                    .reason("applications that do not mind the case would answer both, each under the other's terms")
                    .help("keep one of the two")
            } else {
                continue;
            }
        } else if other.methods.meets(row.methods) {
            let message = format!("`{}` stands in line {} already", other.path, other.line);
            Diagnostic::error(Code::RouteTwice, place, message)
                .reason(format!("both take {}", other.methods.common(row.methods).allow()))
                .help("merge the two routes, or give each `methods` of its own")
        } else {
            continue;
        };
        reader.note(diagnostic);
        return false;
    }
    true
}

fn read_target(reader: &mut Reader<'_>, table: &Table<'_>, around: &Around<'_>) -> Target {
    let To(name) = reader.require(table, &TO);
    let index = around.upstreams.iter().position(|upstream| upstream.name == name);
    if index.is_none() && !name.is_empty() {
        let place = reader.places.of(&table.at("to"));
        let help = match nearest(&name, around.upstreams.iter().map(|upstream| upstream.name.as_str())) {
            Some(near) => format!("did you mean \"upstream:{near}\"?"),
            None => format!("define it: [upstream.{name}] with url = \"http://127.0.0.1:5000\""),
        };
        reader.note(
            Diagnostic::error(Code::UnknownName, place, format!("there is no upstream `{name}`")).help(help),
        );
    }
    let mut part = |setting: &Setting<String>| {
        let part = reader.read_if_said(table, setting)?;
        let fault = path_fault(&part).or_else(|| {
            part.contains(['{', '}']).then_some(("it holds a parameter", "write a plain path: \"/app\""))
        });
        if let Some((why, help)) = fault {
            let place = reader.places.of(&table.at(setting_key(setting)));
            let message = format!("`{part}` is not a path: {why}");
            reader.note(Diagnostic::error(Code::Malformed, place, message).help(help));
        }
        Some(part.trim_end_matches('/').to_owned()).filter(|part| !part.is_empty())
    };
    let (strip, prefix) = (part(&STRIP), part(&PREFIX));
    Target::Upstream { index: index.unwrap_or(0), strip, prefix }
}

fn setting_key(setting: &Setting<String>) -> &'static str {
    use crate::read::AnySetting;
    setting.key()
}

fn read_access(reader: &mut Reader<'_>, table: &Table<'_>, around: &Around<'_>) -> Access {
    let Some(allow) = reader.read_if_said(table, &ALLOW) else {
        return Access { read: Who::Nobody, write: Who::Nobody };
    };
    allow.resolve(around.roles, &table.at("allow"), &reader.places, &mut reader.found)
}

fn read_limits(reader: &mut Reader<'_>, table: &Table<'_>, around: &Around<'_>) -> Vec<usize> {
    let names = reader.read(table, &LIMITS);
    let path = table.at("limits");
    let mut indexes = Vec::new();
    for (n, name) in names.iter().enumerate() {
        match around.limits.iter().position(|limit| limit.name == *name) {
            Some(index) => indexes.push(index),
            None => {
                let known = || around.limits.iter().map(|limit| limit.name.as_str());
                let help = match nearest(name, known()) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("define it in [shield.limits]: {name} = \"60/minute\""),
                };
                let place = reader.places.item(&path, n);
                reader.note(
                    Diagnostic::error(Code::UnknownName, place, format!("there is no limit `{name}`"))
                        .help(help),
                );
            }
        }
    }
    indexes
}

fn read_cors(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<crate::section::shield::Cors> {
    let table = reader.open(table, "cors", "shield.cors");
    let cors = cors::read(reader, &table);
    table.is_there().then_some(cors)
}

fn read_legacy(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Legacy> {
    let table = reader.open(table, "deprecated", "route.deprecated");
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

/// `upstream:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct To(String);

impl Kind for To {
    const EXAMPLE: &'static str = "upstream:app";

    fn takes() -> String {
        "\"upstream:NAME\"".into()
    }

    fn read(raw: Raw<'_>, _: &Context<'_>) -> Read<Self> {
        let text = text_of(raw, "\"upstream:NAME\"")?;
        match text.strip_prefix("upstream:").filter(|name| !name.is_empty()) {
            Some(name) => Ok(Self(name.to_owned())),
            None => {
                let help = "write \"upstream:app\", and the application's address in [upstream.app]";
                Err(vec![Wrong::malformed(format!("`{text}` is not a target"), help)])
            }
        }
    }

    fn nothing() -> Self {
        Self(String::new())
    }

    fn schema() -> Value {
        json!({"type": "string", "pattern": "^upstream:[a-z][a-z0-9_-]*$"})
    }
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
