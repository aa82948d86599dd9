//! `[shield.cors]`, and `cors` of a route: who may ask from other origins (CORS-1).

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use super::Cors;
use crate::read::net::OriginText;
use crate::read::setting::Variable;
use crate::read::{Reader, Scope, Setting, Shape, Table};

const ORIGINS: Setting<Vec<OriginText>> =
    Setting::new("shield.cors.origins", "", "Exact origins that may ask. None: pages of this site alone.")
        .such_as("https://app.example.com")
        .or_from(&[Variable::plain("ALLOWED_ORIGINS")]);
const METHODS: Setting<Vec<Method>> =
    Setting::new("shield.cors.methods", "GET, POST, PUT, PATCH, DELETE", "Methods that they may use.");
const HEADERS: Setting<Vec<HeaderName>> = Setting::new(
    "shield.cors.headers",
    "authorization, content-type, x-csrf-token, x-csrftoken",
    "Request headers that they may send.",
);
const EXPOSE: Setting<Vec<HeaderName>> =
    Setting::new("shield.cors.expose", "", "Response headers that their scripts may read.")
        .such_as("x-request-id");
const CREDENTIALS: Setting<bool> =
    Setting::new("shield.cors.credentials", "false", "Whether cookies and other credentials go along.");
const MAX_AGE: Setting<Duration> =
    Setting::new("shield.cors.max_age", "10m", "How long a browser may keep the answer to a preflight.")
        .between("0s", "24h");

pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "shield.cors",
    doc: "Requests from pages of other origins. A route may have a table `cors` of its own instead.",
    settings: &[&ORIGINS, &METHODS, &HEADERS, &EXPOSE, &CREDENTIALS, &MAX_AGE],
    tables: &[],
    shape: Shape::Once,
}];

/// The rules in a table that was opened as `shield.cors`.
pub(crate) fn read(reader: &mut Reader<'_>, table: &Table<'_>) -> Cors {
    let methods = reader.read(table, &METHODS);
    let headers: Vec<HeaderName> = reader.read(table, &HEADERS);
    let expose = reader.read(table, &EXPOSE);
    Cors {
        origins: reader.read(table, &ORIGINS).into_iter().map(|origin| origin.0).collect(),
        allow_methods: joined(methods.iter().map(Method::as_str)),
        allow_headers: joined(headers.iter().map(HeaderName::as_str)),
        expose_headers: (!expose.is_empty()).then(|| joined(expose.iter().map(HeaderName::as_str))),
        methods,
        headers: headers.iter().map(|name| name.as_str().to_owned()).collect(),
        credentials: reader.read(table, &CREDENTIALS),
        max_age: HeaderValue::from(reader.read(table, &MAX_AGE).as_secs()),
    }
}

/// Methods and header names are visible ASCII, so joining them always gives a header value.
fn joined<'a>(items: impl Iterator<Item = &'a str>) -> HeaderValue {
    let text = items.collect::<Vec<_>>().join(", ");
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
