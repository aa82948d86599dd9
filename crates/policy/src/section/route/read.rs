//! `[[route]]` as written, compiled into rows.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::free::Taken;
use super::path::path_fault;
use super::{Methods, Proof, Route, Routes, Target, legacy, own};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::read::kind::{Context, Kind, Raw, Read, Word, Wrong, text_of};
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
const PROOF: Setting<Proof> = Setting::new(
    "route.proof",
    "any",
    "Proof that is asked for besides: a `recent` one (`identify.second_factor.fresh`), or a `strong` one, with a second factor.",
);
const UPGRADE: Setting<bool> = Setting::new(
    "route.upgrade",
    "false",
    "Whether WebSocket upgrades are let through. Opening one counts as writing, unless nobody may write.",
);
const STRIP: Setting<String> =
    Setting::optional("route.strip", "Taken off the front of the path on its way to the application.")
        .such_as("/app");
const PREFIX: Setting<String> =
    Setting::optional("route.prefix", "Put in front of what is left of it.").such_as("/v2");
pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "route",
    doc: "Which path leads where, and on which terms. What no route names is 404; a route that names nobody is for nobody.",
    settings: &[
        &PATH, &TO, &METHODS, &ALLOW, &CSRF, &LIMITS, &BODY, &TIMEOUT, &HIDE, &PROOF, &UPGRADE, &STRIP,
        &PREFIX,
    ],
    tables: &["cors", "deprecated"],
    shape: Shape::Listed,
}];

/// What rows refer to.
pub(crate) struct Around<'a> {
    pub(crate) roles: &'a Roles,
    pub(crate) limits: &'a [Limit],
    pub(crate) upstreams: &'a [Upstream],
    pub(crate) body_bytes: u64,
    /// Who administers by Palisade's own routes.
    pub(crate) administrators: Who,
    /// Whether visitors get user tokens.
    pub(crate) guests: bool,
    /// Whether the API's description is served.
    pub(crate) described: bool,
    /// Where each line of the policy begins.
    pub(crate) lines: &'a [usize],
}

pub(crate) fn read(reader: &mut Reader<'_>, root: &Table<'_>, around: &Around<'_>) -> Routes {
    let limit = |name: &str| around.limits.iter().position(|limit| limit.name == name).unwrap_or(0);
    let mut rows = own::rows(&own::Ground {
        default: limit(limits::DEFAULT_NAME),
        sign_in: limit(limits::LOGIN_NAME),
        admin: limit(limits::ADMIN_NAME),
        administrators: around.administrators,
        described: around.described,
        guests: around.guests,
    });
    let mut taken = Taken::by(&rows);
    for table in reader.listed(root, "route", "route") {
        let Some(row) = read_one(reader, &table, around, rows.len()) else { continue };
        match taken.fault(&row, &rows, &reader.places.of(&table.at("path"))) {
            Some(fault) => reader.note(fault),
            None => {
                reader.places.note_row(row.index, &table.path);
                taken.add(&row);
                rows.push(row);
            }
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
    let access = read_access(reader, table, around);
    let row = Route {
        index,
        path,
        methods: methods.iter().fold(Methods::NONE, |all, method| all.with(method)),
        target,
        csrf: reader.read(table, &CSRF),
        limits: read_limits(reader, table, &access, around),
        access,
        body_bytes: reader.read_if_said(table, &BODY).map_or(around.body_bytes, |size| size.0),
        timeout: reader.read(table, &TIMEOUT),
        cors: read_cors(reader, table),
        hide: reader.read(table, &HIDE),
        proof: reader.read(table, &PROOF),
        enrols: false,
        upgrade: reader.read(table, &UPGRADE),
        legacy: legacy::read(reader, table),
        line: match table.place() {
            Place::Span(span) => around.lines.partition_point(|start| *start <= span.start),
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

/// What is for administrators alone counts by their limit as well (LIMIT-6).
fn read_limits(
    reader: &mut Reader<'_>,
    table: &Table<'_>,
    access: &Access,
    around: &Around<'_>,
) -> Vec<usize> {
    let names = reader.read(table, &LIMITS);
    let path = table.at("limits");
    let admin = around.limits.iter().position(|limit| limit.name == limits::ADMIN_NAME);
    let for_administrators = [access.read, access.write].iter().any(|who| around.roles.administer(*who));
    let mut indexes: Vec<usize> = admin.filter(|_| for_administrators).into_iter().collect();
    for (n, name) in names.iter().enumerate() {
        match around.limits.iter().position(|limit| limit.name == *name) {
            Some(index) => indexes.push(index),
            None => {
                let known = || around.limits.iter().map(|limit| limit.name.as_str());
                let help = match nearest(name, known()) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => {
                        let plain =
                            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
                        let key = if plain { name.as_str() } else { "api" };
                        format!(
                            "define it in [shield.limits], and write its name here: {key} = \"60/minute\""
                        )
                    }
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

impl Word for Proof {
    const WORDS: &'static [(&'static str, Self)] =
        &[("any", Self::Any), ("recent", Self::Recent), ("strong", Self::Strong)];
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
