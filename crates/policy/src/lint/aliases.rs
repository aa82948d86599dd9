//! Ways around a route (ACC-1): the page that it guards, reached by another route that lets in more people.
//!
//! A page can have several addresses: two routes lead to it once `strip` and `prefix` did their work, or the
//! application takes `/admin.json` for `/admin`. Each rule asks the route table itself, with a sample of what a
//! route guards, so that it finds what a request would.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;

use super::Lint;
use crate::diagnostic::Severity;
use crate::section::authorize::{Access, Roles, Who};
use crate::section::route::{Found, Proof, Rewrite, Route, Target};
use crate::{Code, Policy};

/// What a parameter is filled with.
const SAMPLE: &str = "1";

pub(super) fn check(lint: &mut Lint<'_>) {
    let ways = Ways::find(lint.policy);
    for (path, row) in lint.routes() {
        if let Some(around) = ways.same_page.get(&row.index) {
            same_page(lint, &path, row, around);
        }
        if let Some(around) = ways.other_spelling.get(&row.index) {
            other_spelling(lint, &path, row, around);
        }
    }
}

fn same_page(lint: &mut Lint<'_>, table: &str, row: &Route, around: &[Around<'_>]) {
    let Some(first) = around.first() else { return };
    let guarded = &first.guarded;
    let (severity, place) = (lint.severity(), format!("{table}.path"));
    let message =
        format!("`{}` is the page that `{}` (line {}) guards", first.address, guarded.path, guarded.line);
    let reason = format!(
        "the application reads both as `{}`, and this route lets in more people, or on less proof{}",
        first.read,
        and_more(around)
    );
    lint.say(severity, Code::RouteAlias, &place, message).because(&reason).write(format!(
        "give both the same `allow` and `proof`, or let `{}` reach a part of the application that is its own: prefix = \"/public\"",
        row.path
    ));
}

fn other_spelling(lint: &mut Lint<'_>, table: &str, row: &Route, around: &[Around<'_>]) {
    let Some(first) = around.first() else { return };
    let guarded = &first.guarded;
    let message = format!(
        "`{}` may be another name for `{}` (line {}), and is open to more people, or on less proof",
        first.address, guarded.path, guarded.line
    );
    let (reason, path) = if first.address.ends_with(SUFFIX) {
        ("Rails, Express and others answer `/x.json` as they do `/x`", {
            let bare = guarded.path.split("/{*").next().unwrap_or_default();
            format!("{bare}.{{format}}")
        })
    } else {
        ("many applications do not mind a slash at the end", first.address.clone())
    };
    let reason = format!("{reason}, and `{}` lets it in{}", row.path, and_more(around));
    lint.say(Severity::Warning, Code::RouteSpelling, &format!("{table}.path"), message).because(&reason).write(
        format!("write a [[route]] for it too: path = \"{path}\" with the same `to`, `allow` and `proof`, or allow = \"nobody\" if there is no such page"),
    );
}

fn and_more(around: &[Around<'_>]) -> String {
    let others: Vec<String> =
        around.iter().skip(1).take(3).map(|way| format!("`{}`", way.guarded.path)).collect();
    let dots = if around.len() > 4 { ", ..." } else { "" };
    if others.is_empty() { String::new() } else { format!("; so too with {}{dots}", others.join(", ")) }
}

const SUFFIX: &str = ".json";

/// One way around a route.
struct Around<'a> {
    guarded: &'a Route,
    /// The client's way.
    address: String,
    /// What the application reads.
    read: String,
}

/// All ways around routes, by the route that they go through.
#[derive(Default)]
struct Ways<'a> {
    same_page: BTreeMap<usize, Vec<Around<'a>>>,
    other_spelling: BTreeMap<usize, Vec<Around<'a>>>,
}

impl<'a> Ways<'a> {
    fn find(policy: &'a Policy) -> Self {
        let mut kin: BTreeMap<&str, BTreeSet<Rewrite>> = BTreeMap::new();
        for (application, rewrite) in policy.routes.rows.iter().filter_map(|row| leads(policy, row)) {
            kin.entry(application).or_default().insert(rewrite);
        }
        let mut ways = Self::default();
        for guarded in &policy.routes.rows {
            let Some((application, rewrite)) = leads(policy, guarded) else { continue };
            let kin = kin.get(application).into_iter().flatten();
            for sample in samples(&guarded.path) {
                let mut read = String::new();
                rewrite.write(&sample.address, &mut read);
                for way in kin.clone() {
                    note(&mut ways.same_page, policy, guarded, way, &read);
                    for spelling in sample.spellings(&read) {
                        note(&mut ways.other_spelling, policy, guarded, way, &spelling);
                    }
                }
            }
        }
        for (other, around) in &mut ways.other_spelling {
            let told = ways.same_page.get(other).map_or(&[][..], Vec::as_slice);
            around.retain(|one| told.iter().all(|known| known.guarded.index != one.guarded.index));
        }
        ways
    }
}

/// The application that a route leads to, and how its paths become that application's.
fn leads<'a>(policy: &'a Policy, route: &Route) -> Option<(&'a str, Rewrite)> {
    let (index, rewrite) = Rewrite::of(route, &policy.upstreams)?;
    Some((policy.upstreams.get(index)?.authority.as_str(), rewrite))
}

/// Writes down whoever lets more people than `guarded` does reach what the application reads as `read`, in that
/// way of rewriting paths.
fn note<'a>(
    found: &mut BTreeMap<usize, Vec<Around<'a>>>,
    policy: &Policy,
    guarded: &'a Route,
    way: &Rewrite,
    read: &str,
) {
    let application = leads(policy, guarded).map(|(application, _)| application);
    for address in way.sources(read) {
        for method in guarded.methods.iter() {
            let Found::Row(other) = policy.routes.find(&address, method) else { continue };
            let is_kin =
                leads(policy, other).is_some_and(|(to, rewrite)| Some(to) == application && rewrite == *way);
            if other.index == guarded.index || !is_kin || !opens(policy, other, guarded, method) {
                continue;
            }
            let known = found.entry(other.index).or_default();
            if known.iter().all(|one| one.guarded.index != guarded.index) {
                known.push(Around { guarded, address: address.clone(), read: read.to_owned() });
            }
        }
    }
}

/// Whether `other` lets somebody in who may not use `guarded`, or without the proof that it asks for.
fn opens(policy: &Policy, other: &Route, guarded: &Route, method: &Method) -> bool {
    let who = |route: &Route| match *method {
        Method::GET | Method::HEAD | Method::OPTIONS => route.access.read,
        _ => route.access.write,
    };
    let Access { read, write } = guarded.access;
    let is_door = matches!(&guarded.target, Target::Upstream { strip: Some(_), .. });
    if is_door && who(guarded) == Who::Nobody && (read, write) != (Who::Nobody, Who::Nobody) {
        // A second door through which nobody may write, or read, leaves that to the first one.
        return false;
    }
    let proves_less = guarded.proof != Proof::Any && other.proof != guarded.proof;
    (proves_less && who(other) != Who::Nobody) || lets_in_more(who(other), who(guarded), &policy.roles)
}

fn lets_in_more(one: Who, other: Who, roles: &Roles) -> bool {
    match (one, other) {
        (Who::Nobody, _) | (_, Who::Public) | (Who::SignedIn | Who::Roles(_), Who::SignedIn) => false,
        (Who::Roles(one), Who::Roles(other)) => roles.names().iter().any(|name| {
            let has = roles.expand(name);
            has.meets(one) && !has.meets(other)
        }),
        (Who::Public | Who::SignedIn, _) | (Who::Roles(_), Who::Nobody) => true,
    }
}

/// An address that a route matches.
struct Sample {
    address: String,
    /// Whether its last segment is the policy's own word, and no parameter.
    literal: bool,
}

/// Addresses for a pattern: parameters are filled in, and what stands for all below is tried without it too.
fn samples(pattern: &str) -> Vec<Sample> {
    let filled = |pattern: &str| {
        let mut address = String::with_capacity(pattern.len());
        for (n, part) in pattern.split(['{', '}']).enumerate() {
            address.push_str(if n % 2 == 0 { part } else { SAMPLE });
        }
        let literal =
            pattern.rsplit('/').next().is_some_and(|last| !last.is_empty() && !last.contains(['{', '.']));
        Sample { address, literal }
    };
    match pattern.split_once("/{*") {
        Some(("", _)) => vec![filled(pattern)],
        Some((front, _)) => vec![filled(front), filled(pattern)],
        None => vec![filled(pattern)],
    }
}

impl Sample {
    /// How else an application may spell the page that it reads as `read`.
    fn spellings(&self, read: &str) -> impl Iterator<Item = String> {
        let slash = match read.strip_suffix('/') {
            Some("") => None,
            Some(bare) => Some(bare.to_owned()),
            None => Some(format!("{read}/")),
        };
        let suffix = (self.literal && !read.ends_with('/')).then(|| format!("{read}{SUFFIX}"));
        slash.into_iter().chain(suffix)
    }
}
