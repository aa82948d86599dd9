//! Which stages a request would meet, and why it would pass or not: the policy's own answer, without
//! sending anything.

mod show;

use http::Method;
use palisade_model::Denial;
use serde::Serialize;

use crate::Policy;
use crate::read::quantity::{duration_text, size_text};
use crate::section::authorize::{RoleSet, Who};
use crate::section::csrf::CsrfRule;
use crate::section::route::{Found, Methods, Proof, Route, Service, Target};

/// As whom a request is thought of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking<'a> {
    /// Nobody signed in.
    Anonymous,
    /// Somebody with these roles.
    As {
        /// Their name.
        name: &'a str,
        /// Their roles, as the store has them.
        roles: &'a [String],
    },
}

/// What a request would meet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The method.
    pub method: String,
    /// The path, as the route table reads it.
    pub path: String,
    /// As whom.
    pub asking: String,
    /// The row's path, if there is a row.
    pub route: Option<String>,
    /// The row's line in the policy; 0 for a row of Palisade's own.
    pub line: Option<usize>,
    /// What each stage does, in the order of the pipeline, up to the one that refuses.
    pub steps: Vec<Step>,
    /// Whether it would be let in.
    pub verdict: Verdict,
}

/// What one stage does with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The stage.
    pub stage: &'static str,
    /// What it asks for or does.
    pub does: String,
}

/// How it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is let in, as long as these hold.
    LetIn {
        /// What the request itself has to bring; none if nothing.
        provided: Vec<String>,
    },
    /// It is refused.
    Refused {
        /// The status that the client gets.
        status: u16,
        /// The denial's code.
        code: &'static str,
        /// Why: for the operator, never for the client.
        why: String,
    },
}

/// What a request of that method to that path (already normalised) would meet.
#[must_use]
pub fn explain(policy: &Policy, method: &Method, path: &str, asking: Asking<'_>) -> Explanation {
    let mut told = Told { policy, method, asking, steps: Vec::new(), provided: Vec::new() };
    let found = policy.routes.find(path, method);
    let verdict = match &found {
        _ if !Methods::ALL.has(method) => {
            told.refused("edge", Denial::MethodUnsupported, format!("no route can take {method}"))
        }
        Found::Row(row) => told.row(row, path),
        Found::OtherMethods(methods) => {
            let why = format!("the route takes {}, and not {method}", methods.allow());
            told.refused("edge", Denial::MethodNotAllowed, why)
        }
        Found::Nothing => told.nothing(path),
    };
    let row = if let Found::Row(row) = found { Some(row) } else { None };
    Explanation {
        method: method.to_string(),
        path: path.to_owned(),
        asking: told.name(),
        route: row.map(|row| row.path.clone()),
        line: row.map(|row| row.line),
        steps: told.steps,
        verdict,
    }
}

/// An explanation in the making.
struct Told<'a> {
    policy: &'a Policy,
    method: &'a Method,
    asking: Asking<'a>,
    steps: Vec<Step>,
    provided: Vec<String>,
}

impl Told<'_> {
    fn step(&mut self, stage: &'static str, does: impl Into<String>) {
        self.steps.push(Step { stage, does: does.into() });
    }

    fn refused(&mut self, stage: &'static str, denial: Denial, why: String) -> Verdict {
        self.step(stage, why.clone());
        Verdict::Refused { status: denial.facts().status, code: denial.facts().code, why }
    }

    fn name(&self) -> String {
        match self.asking {
            Asking::Anonymous => "nobody signed in".to_owned(),
            Asking::As { name, roles: [] } => format!("{name}, without roles"),
            Asking::As { name, roles } => format!("{name}, with the roles: {}", roles.join(", ")),
        }
    }

    fn reads(&self) -> bool {
        matches!(*self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }

    fn nothing(&mut self, path: &str) -> Verdict {
        let low = path.to_ascii_lowercase();
        let why = match self.policy.routes.find(&low, self.method) {
            _ if self.policy.routes.hides(path) => {
                "the route is hidden, and does not take this method".to_owned()
            }
            Found::Nothing => "no route has this path, and what no route names is refused".to_owned(),
            // See `Routes`: another spelling must not escape the row that was meant for it.
            _ if low != path => format!("`{low}` has a row of its own, and another spelling of it has none"),
            _ => "no route has this path".to_owned(),
        };
        self.refused("edge", Denial::RouteUnknown, why)
    }

    fn row(&mut self, row: &Route, path: &str) -> Verdict {
        let whence =
            if row.line == 0 { "a row of Palisade's own".to_owned() } else { format!("line {}", row.line) };
        self.step("edge", format!("row `{}` ({whence}), which takes {}", row.path, row.methods.allow()));
        self.shield(row);
        self.identify(row);
        self.csrf(row);
        if let Some(verdict) = self.authorize(row) {
            return verdict;
        }
        self.prove(row);
        self.service(row, path);
        if !self.reads() && self.policy.audit.record_changes && matches!(row.target, Target::Upstream { .. })
        {
            self.step("audit", "written to the trail before it is let through");
        }
        Verdict::LetIn { provided: std::mem::take(&mut self.provided) }
    }

    fn shield(&mut self, row: &Route) {
        let shield = &self.policy.shield;
        let limits: Vec<String> = row
            .limits
            .iter()
            .filter_map(|index| shield.limits.get(*index))
            .map(|limit| {
                let windows: Vec<String> = limit.windows.iter().map(|window| window.text()).collect();
                format!("`{}` ({} by {})", limit.name, windows.join(" and "), limit.by.text())
            })
            .collect();
        let mut does = match (limits.as_slice(), shield.limits_enabled) {
            ([], _) => "no limit counts it".to_owned(),
            (limits, true) => format!("counted by {}", limits.join(" and ")),
            (_, false) => "limits are switched off".to_owned(),
        };
        if shield.limits_enabled && !limits.is_empty() {
            self.provided.push("its limits have room".to_owned());
        }
        if !self.reads() {
            does.push_str(&format!("; a body of at most {}", size_text(row.body_bytes)));
        }
        match row.cors.as_ref().or(shield.cors.as_ref()).map(|cors| cors.origins.join(", ")) {
            Some(origins) if !origins.is_empty() => does.push_str(&format!("; pages of {origins} may ask")),
            _ => does.push_str("; pages of this site alone may ask"),
        }
        self.step("shield", does);
    }

    fn identify(&mut self, row: &Route) {
        let does = match self.asking {
            Asking::As { name, .. } => format!("{name}, by a session cookie or an access token"),
            Asking::Anonymous if self.who(row) == Who::Public => "nobody, and nobody has to be".to_owned(),
            Asking::Anonymous => "nobody".to_owned(),
        };
        self.step("identify", does);
    }

    fn csrf(&mut self, row: &Route) {
        if self.reads() {
            let does = if row.upgrade {
                "nothing for a page; a WebSocket must not come from a foreign one"
            } else {
                "nothing: the method changes nothing"
            };
            self.step("csrf", does);
            return;
        }
        let signed_in = matches!(self.asking, Asking::As { .. });
        let does = match (row.csrf, signed_in) {
            (CsrfRule::Off, _) => "nothing: the route is exempt",
            (CsrfRule::Token, true) => {
                "with a cookie, the session's token and an Origin of this site; with an access token, nothing"
            }
            (CsrfRule::Origin, true) => {
                "with a cookie, an Origin of this site; with an access token, nothing"
            }
            (CsrfRule::Origin, false) => "no foreign Origin",
            (CsrfRule::Token, false) => "no foreign Origin, if it has a cookie",
        };
        let open = if self.policy.csrf.enforced {
            ""
        } else {
            " (mode `open`: a fault is written down and let through)"
        };
        self.step("csrf", format!("{does}{open}"));
        if self.policy.csrf.enforced && row.csrf != CsrfRule::Off {
            self.provided.push(format!(
                "it shows {}",
                if signed_in && row.csrf == CsrfRule::Token {
                    "the CSRF token and an own Origin"
                } else {
                    "no foreign Origin"
                }
            ));
        }
    }

    fn who(&self, row: &Route) -> Who {
        if self.reads() { row.access.read } else { row.access.write }
    }

    /// The refusal, if it comes to one.
    fn authorize(&mut self, row: &Route) -> Option<Verdict> {
        let who = self.who(row);
        let act = if self.reads() { "reading" } else { "writing" };
        let roles = &self.policy.roles;
        let wanted = match who {
            Who::Public => format!("{act} is for everybody"),
            Who::SignedIn => format!("{act} is for whoever is signed in"),
            Who::Roles(set) => {
                format!("{act} is for {}", roles.names_of(set).collect::<Vec<_>>().join(" or "))
            }
            Who::Nobody => format!("{act} is for nobody"),
        };
        let (denial, why) = match (who, self.asking) {
            (Who::Public, _) | (Who::SignedIn, Asking::As { .. }) => {
                self.step("authorize", wanted);
                return None;
            }
            (Who::Roles(set), Asking::As { name, roles: given }) => match self.granting(set, given) {
                Some(role) => {
                    self.step("authorize", format!("{wanted}; {name} has it by the role {role}"));
                    return None;
                }
                None => (Denial::Forbidden, format!("{wanted}, and {name} has no such role")),
            },
            (Who::Nobody, Asking::As { .. }) => (Denial::Forbidden, wanted),
            (_, Asking::Anonymous) => (Denial::SignInRequired, format!("{wanted}, and nobody is signed in")),
        };
        let denial = if row.hide { Denial::Hidden } else { denial };
        Some(self.refused("authorize", denial, why))
    }

    fn prove(&mut self, row: &Route) {
        let fresh = duration_text(self.policy.identify.second_factor.fresh);
        let (does, provided) = match row.proof {
            Proof::Any => return,
            Proof::Recent => (
                format!("asks for proof of who it is within {fresh}, in a session; no token or key has it"),
                format!("the session proved who it is within {fresh}"),
            ),
            Proof::Strong => (
                "asks for a second factor in how they came in; no key has it".to_owned(),
                "a second factor was shown".to_owned(),
            ),
        };
        self.step("authorize", does);
        self.provided.push(provided);
    }

    /// The role that gives one of the set, itself or by what it includes.
    fn granting<'r>(&self, set: RoleSet, given: &'r [String]) -> Option<&'r String> {
        given.iter().find(|role| self.policy.roles.expand(role).meets(set))
    }

    fn service(&mut self, row: &Route, path: &str) {
        let does = match &row.target {
            Target::Service(Service::Identity) => "sign-in and account".to_owned(),
            Target::Service(Service::Health) => "health".to_owned(),
            Target::Service(Service::Keys) => "public keys".to_owned(),
            Target::Service(Service::Description) => "description of the API".to_owned(),
            Target::Service(Service::Assets) => "styles of Palisade's own pages".to_owned(),
            Target::Upstream { index, strip, prefix } => {
                let Some(upstream) = self.policy.upstreams.get(*index) else { return };
                let whole = |left: &&str| left.is_empty() || left.starts_with('/');
                let left =
                    strip.as_deref().and_then(|strip| path.strip_prefix(strip)).filter(whole).unwrap_or(path);
                let slash = if left.starts_with('/') { "" } else { "/" };
                let path =
                    format!("{}{}{slash}{left}", upstream.base_path, prefix.as_deref().unwrap_or_default());
                let timeout = duration_text(row.timeout);
                format!(
                    "upstream `{}` at {} gets {path}, and has {timeout} to answer",
                    upstream.name, upstream.authority
                )
            }
        };
        self.step("service", does);
    }
}
