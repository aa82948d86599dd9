//! Settings that contradict each other, and definitions that nothing uses.

use std::net::{IpAddr, SocketAddr};

use super::Lint;
use crate::Code;
use crate::diagnostic::Severity::{Error, Warning};
use crate::section::authorize::{RoleSet, Who};
use crate::section::route::{Proof, Target};
use crate::section::shield::SameSite;

pub(super) fn check(lint: &mut Lint<'_>) {
    hosts(lint);
    listeners(lint);
    lifetimes(lint);
    names(lint);
    newcomers(lint);
    administrators(lint);
    routes(lint);
    accent(lint);
}

/// By night another shade is used in any case: no colour can be read on both.
fn accent(lint: &mut Lint<'_>) {
    let Some(accent) = lint.policy.app.accent.filter(|accent| accent.light.accent != accent.written) else {
        return;
    };
    let message = format!(
        "{} is too faint for text on light pages: {:.2} to 1, and 4.5 is the least",
        accent.written,
        // Never up: what is too faint must not read as if it were enough.
        (accent.by_day() * 100.0).floor() / 100.0
    );
    lint.say(Warning, Code::AccentFaint, "app.accent", message)
        .because("people who see less well, or in the sun, could not read buttons and links")
        .write(format!(
            "write accent = \"{}\", which is used there now, or another dark colour",
            accent.light.accent
        ));
}

fn administrators(lint: &mut Lint<'_>) {
    if lint.policy.roles.administrator().is_none() {
        lint.say(
            Warning,
            Code::NobodyAdministers,
            "authorize.roles",
            "no role is that of administrators: none includes more than every other, and none of the highest is `admin`",
        )
        .because("the administrators' routes, breakglass and the first administrator go by it")
        .write("let one role include the others, as in admin = { includes = [\"user\"] }, or call one `admin`");
    }
}

fn hosts(lint: &mut Lint<'_>) {
    let (hosts, base) = (&lint.policy.edge.allowed_hosts, &lint.policy.app.base_url);
    let is_empty = hosts.exact.is_empty() && hosts.suffixes.is_empty();
    let told_already = is_empty && lint.in_production();
    if !told_already && !hosts.allows(&base.authority) {
        let message = format!("the application's own address `{}` is not an allowed host", base.authority);
        lint.say(Error, Code::Contradiction, "edge.allowed_hosts", message)
            .because("requests to the address that links are made of would be refused")
            .write(format!("add \"{}\" to allowed_hosts, or correct app.base_url", base.authority));
    }
}

fn listeners(lint: &mut Lint<'_>) {
    let edge = &lint.policy.edge;
    let clash = |metrics: &SocketAddr| {
        metrics.port() == edge.listen.port()
            && metrics.port() != 0
            && (metrics.ip() == edge.listen.ip()
                || metrics.ip().is_unspecified()
                || edge.listen.ip().is_unspecified())
    };
    if edge.metrics_listen.as_ref().is_some_and(clash) {
        lint.say(
            Error,
            Code::Contradiction,
            "edge.metrics_listen",
            "metrics and the application listen on the same port",
        )
        .write("give metrics_listen another port, or write \"off\"");
    }
    for upstream in &lint.policy.upstreams {
        let address = upstream.authority.parse::<SocketAddr>().ok();
        let path = format!("upstream.{}.url", upstream.name);
        if address == Some(edge.listen) || upstream.authority == format!("localhost:{}", edge.listen.port()) {
            lint.say(
                Error,
                Code::Contradiction,
                &path,
                format!("upstream `{}` is Palisade itself", upstream.name),
            )
            .because("each request would come back until no connection is left")
            .write(
                "write the address of the application, and let it listen on another port than edge.listen",
            );
        }
        if address.is_some_and(|address| is_public(address.ip())) {
            lint.say(Warning, Code::PlainHttp, &path, format!("upstream `{}` is reached in the clear over a public address", upstream.name))
                .because("sessions and identity headers would cross the network unprotected, and others could ask the application directly")
                .write("put the application on this machine or on a private network");
        }
    }
}

/// Neither this machine nor a private network (RFC 1918, RFC 4193 and the like).
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let shared = matches!(v4.octets(), [100, 64..=127, ..]);
            !(v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified() || shared)
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified())
        }
    }
}

fn lifetimes(lint: &mut Lint<'_>) {
    let (sessions, tokens) = (&lint.policy.identify.sessions, &lint.policy.identify.tokens);
    if sessions.idle > sessions.absolute && lint.places.is_said("identify.sessions.idle") {
        lint.say(
            Warning,
            Code::Contradiction,
            "identify.sessions.idle",
            "the idle time is longer than the whole life of a session",
        )
        .write("make idle shorter, or absolute longer");
    }
    if tokens.access > tokens.refresh {
        let path = if lint.places.is_said("identify.tokens.access") {
            "identify.tokens.access"
        } else {
            "identify.tokens.refresh"
        };
        lint.say(
            Error,
            Code::Contradiction,
            path,
            "an access token outlives the refresh token that it came with",
        )
        .because("signing out ends the refresh token; the access token should be gone soon after")
        .write("make `access` shorter than `refresh`: access = \"30m\", refresh = \"7d\"");
    }
    if sessions.same_site == SameSite::None && !sessions.secure && !lint.in_production() {
        lint.say(
            Error,
            Code::CookieWeak,
            "identify.sessions.same_site",
            "browsers drop a SameSite=None cookie that is not Secure",
        )
        .write("write same_site = \"lax\", or an https base_url in [app]");
    }
}

fn names(lint: &mut Lint<'_>) {
    let session = &lint.policy.identify.sessions.cookie;
    if lint.policy.csrf.cookie.as_ref() == Some(session) {
        lint.say(
            Error,
            Code::Contradiction,
            "csrf.cookie",
            format!("`{session}` is the name of the session cookie too"),
        )
        .because("each would overwrite the other, and scripts could read the session")
        .write("write another name: cookie = \"csrf_token\"");
    }
    for (path, row) in lint.routes() {
        let Target::Upstream { strip: Some(strip), .. } = &row.target else { continue };
        let fixed = row.path.split('{').next().unwrap_or_default();
        if !fixed.starts_with(strip.as_str()) && !strip.starts_with(fixed) {
            let message = format!("no path of `{}` begins with `{strip}`", row.path);
            lint.say(Warning, Code::Contradiction, &format!("{path}.strip"), message)
                .write("write the front of the route's own path, or leave `strip` out");
        }
    }
}

/// Whoever comes by themselves gets the least role, not one that others lead up to.
fn newcomers(lint: &mut Lint<'_>) {
    let identify = &lint.policy.identify;
    if identify.sign_up {
        newcomer(lint, "identify.sign_up.roles", "registers", identify.default_roles);
    }
    if identify.guests.open {
        newcomer(lint, "identify.guests.roles", "asks for a user token", identify.guests.roles);
    }
    for provider in identify.providers.iter().filter(|provider| provider.sign_up) {
        let path = format!("identify.oidc.{}.default_roles", provider.name);
        let who = format!("comes from {}", provider.label);
        newcomer(lint, &path, &who, provider.default_roles);
    }
}

fn newcomer(lint: &mut Lint<'_>, path: &str, who: &str, given: RoleSet) {
    const HIGH: [&str; 6] = ["admin", "administrator", "root", "superuser", "owner", "staff"];
    let roles = &lint.policy.roles;
    let key = path.rsplit('.').next().unwrap_or(path);
    for name in roles.names_of(given) {
        let index = roles.index(name).unwrap_or(usize::MAX);
        let beyond = roles.names_of(roles.expand(name)).count() > 1;
        let on_top = !roles.names().iter().any(|other| other != name && roles.expand(other).has(index));
        let is_high = HIGH.contains(&name) || (beyond && on_top && roles.names().len() > 1);
        if is_high || beyond {
            let severity = if is_high { lint.severity() } else { Warning };
            lint.say(severity, Code::SignUpRole, path, format!("whoever {who} gets the role `{name}`"))
                .because(if beyond {
                    "that role includes others"
                } else {
                    "the name promises more than a stranger should have"
                })
                .write(format!(
                    "write the least role: {key} = [\"user\"]; administrators raise people afterwards"
                ));
        }
    }
}

fn routes(lint: &mut Lint<'_>) {
    for (path, row) in lint.routes() {
        let public = row.access.read == Who::Public || row.access.write == Who::Public;
        if public && row.proof != Proof::Any {
            lint.say(
                Error,
                Code::Contradiction,
                &format!("{path}.proof"),
                format!("`{}` is open to everybody, and asks for proof", row.path),
            )
            .because("whoever is not signed in can prove nothing, and would be let in without it")
            .write("write allow = \"signed-in\" or a role, in a row for these methods alone, or leave `proof` out");
        }
        let nobody = row.access.read == Who::Nobody && row.access.write == Who::Nobody;
        if nobody && !lint.places.is_said(&format!("{path}.allow")) {
            lint.say(
                Warning,
                Code::RouteNobody,
                &format!("{path}.path"),
                format!("nobody may use `{}`: it says not who", row.path),
            )
            .write(
                "write allow = \"signed-in\", a role or \"public\"; or allow = \"nobody\" if that is meant",
            );
        }
    }
}

/// What is defined and leads nowhere.
pub(super) fn unused(lint: &mut Lint<'_>) {
    let rows = &lint.policy.routes.rows;
    for (n, upstream) in lint.policy.upstreams.iter().enumerate() {
        let leads = |target: &Target| matches!(target, Target::Upstream { index, .. } if *index == n);
        if !rows.iter().any(|row| leads(&row.target)) {
            let path = format!("upstream.{}.url", upstream.name);
            if !lint.places.is_said(&path) {
                continue;
            }
            lint.say(Warning, Code::Unused, &path, format!("no route leads to upstream `{}`", upstream.name))
                .because("what no route names is refused")
                .write(format!("write a [[route]] with path = \"/{{*rest}}\", to = \"upstream:{}\" and allow = \"signed-in\"", upstream.name));
        }
    }
    for (n, limit) in lint.policy.shield.limits.iter().enumerate() {
        let path = format!("shield.limits.{}", limit.name);
        if lint.places.is_said(&path) && !rows.iter().any(|row| row.limits.contains(&n)) {
            lint.say(Warning, Code::Unused, &path, format!("no route counts the limit `{}`", limit.name))
                .write(format!("write limits = [\"{}\"] in a [[route]], or leave the limit out", limit.name));
        }
    }
}
