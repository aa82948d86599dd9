//! `palisade explain`: which stages a request would meet, and whether it would pass (POL-6).

use std::fmt::Write as _;
use std::path::Path;

use axum::http::Method;
use palisade_gate::wire;
use palisade_model::Denial;
use palisade_policy::Policy;
use palisade_policy::section::authorize::{RoleSet, Who};
use palisade_policy::section::csrf::CsrfRule;
use palisade_policy::section::route::{Found, Route, Service, Target};
use palisade_policy::section::shield::{LimitBy, Window};

use super::args::Question;
use super::context::{self, Context, store_failure};
use super::failure::{Failure, Outcome};
use super::terminal::{Terminal, line, visible};

/// For whom it is asked.
struct Asker {
    name: String,
    /// `None`: nobody is signed in.
    roles: Option<RoleSet>,
    enabled: bool,
    /// Their password is older than the policy allows.
    run_out: bool,
}

/// Prints the answer. A request that would be refused is a finding.
pub(super) fn run(context: &Context, question: &Question, terminal: &Terminal) -> Result<Outcome, Failure> {
    let (policy, world) = context.policy(terminal.colour_errors)?;
    let method: Method = question
        .method
        .to_ascii_uppercase()
        .parse()
        .map_err(|_| Failure::usage("the method is not one").remedy("write it as GET or POST"))?;
    let path = question.path.split(['?', '#']).next().unwrap_or_default();
    let asker = match &question.user {
        Some(login) => context::block_on(async {
            let store = context::open_store(&policy, &world, false).await?;
            let user = store.user_by_login(login).await.map_err(store_failure)?.ok_or_else(|| {
                Failure::usage(format_args!("there is no user '{}'", visible(login)))
                    .remedy("'palisade user list' shows all of them; --roles asks without a user")
            })?;
            store.close().await;
            let roles = policy.roles.expand_all(user.roles.iter().map(String::as_str));
            let age = policy.identify.passwords.max_age.zip(user.password_at);
            let run_out = age.is_some_and(|(age, set)| set.plus(age) <= world.now());
            Ok(Asker { name: visible(&user.name), roles: Some(roles), enabled: user.enabled, run_out })
        })?,
        None if question.roles.is_empty() => Asker {
            name: "somebody who is not signed in".to_owned(),
            roles: None,
            enabled: true,
            run_out: false,
        },
        None => by_roles(&policy, &question.roles)?,
    };
    let file = context.policy_name();
    let (text, denial) = explain(&policy, &method, path, &asker, &file, *terminal);
    line(text);
    Ok(if denial.is_none() { Outcome::Good } else { Outcome::Findings })
}

fn by_roles(policy: &Policy, roles: &[String]) -> Result<Asker, Failure> {
    if let Some(unknown) = roles.iter().find(|role| policy.roles.index(role).is_none()) {
        return Err(Failure::usage(format_args!("the policy has no role '{}'", visible(unknown)))
            .remedy(format_args!("it has: {}", policy.roles.names().join(", "))));
    }
    let set = policy.roles.expand_all(roles.iter().map(String::as_str));
    Ok(Asker {
        name: format!("somebody with {}", roles.join(", ")),
        roles: Some(set),
        enabled: true,
        run_out: false,
    })
}

/// The answer in words, and the denial that it ends with.
fn explain(
    policy: &Policy,
    method: &Method,
    path: &str,
    asker: &Asker,
    file: &Path,
    terminal: Terminal,
) -> (String, Option<Denial>) {
    let mut text = terminal.bold(&format!("{method} {} as {}", visible(path), asker.name));
    text.push_str("\n\n");
    let mut say = |stage: &str, what: &str| {
        let _ = writeln!(text, "  {stage:9}  {what}");
    };
    let denial = stages(policy, method, path, asker, file, &mut say);
    let verdict = match denial {
        None => terminal.good("It passes."),
        Some(denial) => {
            let facts = denial.facts();
            terminal.bad(&format!("It is refused: {} {} ({}).", facts.status, facts.title, facts.code))
        }
    };
    let _ = write!(text, "\n{verdict}");
    (text, denial)
}

fn stages(
    policy: &Policy,
    method: &Method,
    path: &str,
    asker: &Asker,
    file: &Path,
    say: &mut dyn FnMut(&str, &str),
) -> Option<Denial> {
    if let Err(violation) = wire::path::judge(path) {
        say("edge", violation.why);
        return Some(violation.denial);
    }
    let route = match policy.routes.find(path, method) {
        Found::Row(route) => route,
        Found::OtherMethods(methods) => {
            say("edge", &format!("a route has this path, but takes {} alone", methods.allow()));
            return Some(Denial::MethodNotAllowed);
        }
        Found::Nothing => {
            say("edge", "no route has this path, and what is not named is refused");
            return Some(Denial::RouteUnknown);
        }
    };
    say("edge", &format!("the route {} has it ({})", route.path, place(route, file)));
    say("shield", &limits(policy, route));
    if !asker.enabled {
        say("identify", "the user is disabled: no credential of theirs is accepted");
    }
    let known = asker.roles.filter(|_| asker.enabled);
    say("csrf", csrf(policy, route, method));
    let (admitted, why) = authorize(policy, route, method, known);
    say("authorize", &why);
    match admitted {
        Some(_) if route.hide => {
            say("authorize", "the route is hidden: it reads as if there were nothing");
            Some(Denial::Hidden)
        }
        Some(denial) => Some(denial),
        None if asker.run_out && route.target != Target::Service(Service::Identity) => {
            say("authorize", "the user's password is older than the policy allows");
            Some(Denial::PasswordExpired)
        }
        None => {
            say("service", &service(policy, route));
            None
        }
    }
}

fn place(route: &Route, file: &Path) -> String {
    match route.line {
        0 => "Palisade's own".to_owned(),
        line => format!("{}:{line}", file.display()),
    }
}

fn limits(policy: &Policy, route: &Route) -> String {
    if !policy.shield.limits_enabled {
        return "rate limits are switched off".to_owned();
    }
    let named: Vec<String> = route
        .limits
        .iter()
        .filter_map(|index| policy.shield.limits.get(*index))
        .map(|limit| {
            let by = match &limit.by {
                LimitBy::Address => "address".to_owned(),
                LimitBy::User => "user".to_owned(),
                LimitBy::Tenant => "tenant".to_owned(),
                LimitBy::Token => "credential".to_owned(),
                LimitBy::Field(name) => format!("the field {name}"),
            };
            let windows: Vec<String> = limit.windows.iter().map(window).collect();
            format!("{} ({} by {by})", limit.name, windows.join(", "))
        })
        .collect();
    match named.as_slice() {
        [] => "no limit counts here".to_owned(),
        some => format!("counts against {}", some.join("; ")),
    }
}

fn window(window: &Window) -> String {
    let count = window.count;
    match window.per.as_secs() {
        1 => format!("{count} a second"),
        60 => format!("{count} a minute"),
        3600 => format!("{count} an hour"),
        86_400 => format!("{count} a day"),
        other => format!("{count} in {other} seconds"),
    }
}

fn csrf(policy: &Policy, route: &Route, method: &Method) -> &'static str {
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
    match (reads, policy.csrf.enforced, route.csrf) {
        (true, ..) => "nothing is asked: this method changes nothing",
        (_, false, _) => "switched off for the whole site",
        (.., CsrfRule::Token) => "with a session cookie, the session's token and an own Origin are needed",
        (.., CsrfRule::Origin) => "an own Origin is needed",
        (.., CsrfRule::Off) => "switched off for this route",
    }
}

fn authorize(
    policy: &Policy,
    route: &Route,
    method: &Method,
    known: Option<RoleSet>,
) -> (Option<Denial>, String) {
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
    let who = if reads { route.access.read } else { route.access.write };
    let act = if reads { "reading" } else { "writing" };
    match (who, known) {
        (Who::Public, _) => (None, format!("{act} is open to anybody")),
        (Who::Nobody, None) => (Some(Denial::SignInRequired), format!("{act} is allowed to nobody")),
        (Who::Nobody, Some(_)) => (Some(Denial::Forbidden), format!("{act} is allowed to nobody")),
        (Who::SignedIn, Some(_)) => (None, format!("{act} is allowed to anybody who is signed in")),
        (Who::SignedIn, None) => {
            (Some(Denial::SignInRequired), format!("{act} needs somebody who is signed in"))
        }
        (Who::Roles(roles), known) => {
            let needed = policy.roles.names_of(roles).collect::<Vec<_>>().join(" or ");
            match known {
                None => (Some(Denial::SignInRequired), format!("{act} needs the role {needed}")),
                Some(held) if held.meets(roles) => (None, format!("{act} needs the role {needed}: held")),
                Some(_) => (Some(Denial::Forbidden), format!("{act} needs the role {needed}: not held")),
            }
        }
    }
}

fn service(policy: &Policy, route: &Route) -> String {
    match &route.target {
        Target::Upstream { index, .. } => match policy.upstreams.get(*index) {
            Some(upstream) => format!("the application {} at {} answers", upstream.name, upstream.authority),
            None => "an application answers".to_owned(),
        },
        Target::Service(Service::Identity) => "Palisade's sign-in and accounts answer".to_owned(),
        Target::Service(Service::Health) => "Palisade's health answers".to_owned(),
        Target::Service(Service::Keys) => "Palisade's public keys answer".to_owned(),
        Target::Service(Service::Assets) => "Palisade's style sheet answers".to_owned(),
    }
}
