//! Other origins (CORS-2), forged requests (CSRF-4) and forged addresses (EDGE-3).

use std::net::IpAddr;

use http::Method;
use http::header::REFERRER_POLICY;
use ipnet::IpNet;

use super::Lint;
use crate::Code;
use crate::diagnostic::Severity::{Error, Warning};
use crate::section::authorize::Who;
use crate::section::csrf::CsrfRule;
use crate::section::route::Route;
use crate::section::shield::Cors;

pub(super) fn check(lint: &mut Lint<'_>) {
    if let Some(cors) = &lint.policy.shield.cors {
        origins(lint, cors, "shield.cors");
    }
    for (path, row) in lint.routes() {
        if let Some(cors) = &row.cors {
            origins(lint, cors, &format!("{path}.cors"));
        }
        exemption(lint, row, &path);
    }
    proxies(lint);
    referrer(lint);
}

fn origins(lint: &mut Lint<'_>, cors: &Cors, table: &str) {
    let list = format!("{table}.origins");
    for (n, origin) in cors.origins.iter().enumerate() {
        let place = lint.places.item(&list, n);
        let is_any = origin == "*" || origin == "null";
        if is_any && cors.credentials {
            lint.say_at(
                Error,
                Code::AnyOrigin,
                place,
                format!("`{origin}` with credentials lets any page on the web act for people"),
            )
            .because("`null` is what sandboxed frames and local files send, so it names nobody either")
            .write("write the origins out: origins = [\"https://app.example.com\"], or credentials = false");
        } else if lint.in_production()
            && let Some(why) = unsafe_origin(origin)
        {
            lint.say_at(
                Error,
                Code::UnsafeOrigin,
                place,
                format!("`{origin}` is no origin for production: {why}"),
            )
            .write("write https origins that are yours: origins = [\"https://app.example.com\"]");
        }
    }
}

/// Why an origin cannot be trusted where real people's data is.
fn unsafe_origin(origin: &str) -> Option<&'static str> {
    if origin == "*" || origin == "null" {
        return Some("it stands for everybody");
    }
    let (scheme, host) = origin.split_once("://")?;
    if is_this_machine(host) {
        return Some("it is whatever runs on the visitor's own machine");
    }
    (scheme == "http").then_some("anybody on the way can answer for a site without TLS")
}

/// Whether a host, with a port or without, is the machine of whoever uses it.
fn is_this_machine(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let name = if host.ends_with(']') { host } else { name };
    let address = name.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let is_here = address.is_some_and(|ip| ip.to_canonical().is_loopback() || ip.is_unspecified());
    is_here || name == "localhost" || name.ends_with(".localhost")
}

/// A route that checks nothing has to be one that takes no cookies.
fn exemption(lint: &mut Lint<'_>, row: &Route, path: &str) {
    const CHANGING: [Method; 4] = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let changes = CHANGING.iter().any(|method| row.methods.has(method));
    let by_session = matches!(row.access.write, Who::SignedIn | Who::Roles(_));
    if row.csrf == CsrfRule::Off && changes && by_session {
        lint.say(
            lint.severity(),
            Code::CsrfOff,
            &format!("{path}.csrf"),
            format!("`{}` takes cookies and checks nothing", row.path),
        )
        .because("any page on the web could send it a form in the name of whoever is signed in")
        .write("write csrf = \"origin\", or leave it out; requests with a bearer token need no exemption");
    }
    if changes && row.access.write == Who::Public && row.path.contains("{*") {
        lint.say(Warning, Code::PublicWrite, &format!("{path}.allow"), format!("anybody may change whatever is below `{}`", row.path))
            .write("write allow = { read = \"public\", write = \"signed-in\" }, and name single public addresses in routes of their own");
    }
}

fn proxies(lint: &mut Lint<'_>) {
    for (n, net) in lint.policy.edge.trusted_proxies.iter().enumerate().filter(|(_, net)| is_wide(net)) {
        let place = lint.places.item("edge.trusted_proxies", n);
        let message = format!("`{net}` lets anybody say where a request comes from");
        lint.say_at(lint.severity(), Code::ProxyAnybody, place, message)
            .because("limits, refused networks and the trail would go by what the client claims")
            .write("name the proxies' own network: trusted_proxies = [\"10.0.0.0/8\"]");
    }
    for (n, net) in lint.policy.shield.exempt.iter().enumerate().filter(|(_, net)| is_wide(net)) {
        let place = lint.places.item("shield.exempt", n);
        lint.say_at(
            lint.severity(),
            Code::LimitsOff,
            place,
            format!("`{net}` takes nearly everybody out of the limits"),
        )
        .because("passwords could be guessed without end")
        .write("name the few addresses that no limit shall count: exempt = [\"192.0.2.7/32\"]");
    }
}

/// Under `no-referrer` a browser sends forms with `Origin: null`. What tells them from another site's is
/// Sec-Fetch-Site, and that goes to https addresses and to this machine alone (Fetch; seen in Chromium).
fn referrer(lint: &mut Lint<'_>) {
    let policy = lint.policy;
    let list = policy.shield.headers.iter().find(|(name, _)| *name == REFERRER_POLICY);
    // Of a list a browser takes the last that it knows.
    let last = list.and_then(|(_, value)| value.to_str().ok()?.rsplit(',').next());
    let hidden = last.is_some_and(|last| last.trim().eq_ignore_ascii_case("no-referrer"));
    let base = &policy.app.base_url;
    if hidden && policy.csrf.enforced && !base.secure && !is_this_machine(&base.authority) {
        lint.say(
            Warning,
            Code::ReferrerHidden,
            "shield.headers.referrer_policy",
            "over plain http browsers send forms with `Origin: null` under this policy, and they are refused",
        )
        .because("nothing tells such a form from one that another site made")
        .write("write referrer_policy = \"same-origin\", which tells other sites as little; or an https base_url");
    }
}

/// Wider than any network of one's own: 10.0.0.0/8 and fc00::/7 are the widest.
fn is_wide(net: &IpNet) -> bool {
    net.prefix_len() < if net.addr().is_ipv4() { 8 } else { 7 }
}
