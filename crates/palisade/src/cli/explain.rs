//! `palisade explain`: which stages a request would meet, and whether it would pass (POL-6).
//!
//! The policy explains itself; what it cannot know is added here: how the edge reads the path, and how the user that
//! is asked for stands today.

use axum::http::Method;
use palisade_gate::wire;
use palisade_model::{Denial, World};
use palisade_policy::Policy;
use palisade_policy::explain::{Asking, Explanation, Step, Verdict, explain};
use palisade_policy::section::authorize::Who;
use palisade_policy::section::route::{Found, Service, Target};
use palisade_store::User;

use super::args::{Format, Question};
use super::context::{self, Context, store_failure};
use super::failure::{Failure, Outcome};
use super::terminal::{Terminal, line, visible};

/// Prints the answer. A request that would be refused is a finding.
pub(super) fn run(context: &Context, question: &Question, terminal: &Terminal) -> Result<Outcome, Failure> {
    let (policy, world) = context.any_policy(terminal.colour_errors)?;
    let method: Method = question
        .method
        .to_ascii_uppercase()
        .parse()
        .map_err(|_| Failure::usage("the method is not one").remedy("write it as GET or POST"))?;
    let path = question.path.split(['?', '#']).next().unwrap_or_default();
    let explanation = match &question.user {
        Some(login) => of_user(&policy, &world, &method, path, &find(&policy, &world, login)?),
        None => {
            known(&policy, &question.roles)?;
            let asking = match question.roles.as_slice() {
                [] => Asking::Anonymous,
                roles => Asking::As { name: "somebody", roles },
            };
            of_path(&policy, &method, path, asking)
        }
    };
    match question.format {
        Format::Text => line(&explanation),
        Format::Json => line(format_args!("{:#}", explanation.to_json())),
    }
    let refused = matches!(explanation.verdict, Verdict::Refused { .. });
    Ok(if refused { Outcome::Findings } else { Outcome::Good })
}

fn known(policy: &Policy, roles: &[String]) -> Result<(), Failure> {
    match roles.iter().find(|role| policy.roles.index(role).is_none()) {
        None => Ok(()),
        Some(unknown) => Err(Failure::usage(format_args!("the policy has no role '{}'", visible(unknown)))
            .remedy(format_args!("it has: {}", policy.roles.names().join(", ")))),
    }
}

fn find(policy: &Policy, world: &World, login: &str) -> Result<User, Failure> {
    context::block_on(async {
        let store = context::open_store(policy, world, false).await?;
        let user = store.user_by_login(login).await.map_err(store_failure)?;
        store.close().await;
        user.ok_or_else(|| {
            Failure::usage(format_args!("there is no user '{}'", visible(login)))
                .remedy("'palisade user list' shows all of them; --roles asks without a user")
        })
    })
}

/// What the policy says of the path, if the edge lets it through at all.
fn of_path(policy: &Policy, method: &Method, path: &str, asking: Asking<'_>) -> Explanation {
    let mut explanation = explain(policy, method, path, asking);
    if let Err(violation) = wire::path::judge(path) {
        explanation.path = visible(path);
        (explanation.route, explanation.line) = (None, None);
        explanation.steps.clear();
        refuse(&mut explanation, "edge", violation.denial, violation.why);
    }
    explanation
}

/// The same for a user as they stand today.
fn of_user(policy: &Policy, world: &World, method: &Method, path: &str, user: &User) -> Explanation {
    let name = visible(&user.name);
    if !user.enabled {
        let mut explanation = of_path(policy, method, path, Asking::Anonymous);
        explanation.asking = format!("{name}, who is disabled and therefore nobody");
        return explanation;
    }
    let mut explanation = of_path(policy, method, path, Asking::As { name: &name, roles: &user.roles });
    let age = policy.identify.passwords.max_age.zip(user.password_at);
    let run_out = age.is_some_and(|(age, set)| set.plus(age) <= world.now());
    if run_out && matches!(explanation.verdict, Verdict::LetIn { .. }) && !stays_open(policy, method, path) {
        explanation.steps.retain(|step| !matches!(step.stage, "service" | "audit"));
        let why = "the user's password is older than the policy allows";
        refuse(&mut explanation, "authorize", Denial::PasswordExpired, why);
    }
    explanation
}

/// Whether somebody whose password has run out still gets in: to change it, and where everybody does.
fn stays_open(policy: &Policy, method: &Method, path: &str) -> bool {
    let Found::Row(row) = policy.routes.find(path, method) else { return false };
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
    let who = if reads { row.access.read } else { row.access.write };
    who == Who::Public || row.target == Target::Service(Service::Identity)
}

fn refuse(explanation: &mut Explanation, stage: &'static str, denial: Denial, why: &str) {
    explanation.steps.push(Step { stage, does: why.to_owned() });
    let facts = denial.facts();
    explanation.verdict = Verdict::Refused { status: facts.status, code: facts.code, why: why.to_owned() };
}
