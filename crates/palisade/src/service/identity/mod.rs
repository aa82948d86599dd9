//! Sign-in, sign-up, sign-out and the account, as pages for people and as JSON for programs.
//!
//! Every handler takes [`Allowed`](palisade_gate::Allowed): mounted without the gate it fails closed. What is refused is refused with one of
//! the closed list, either through [`refused`] or, where a person can correct a form, as the form again.

mod account;
mod admin;
mod cookies;
mod entrance;
mod intake;
mod next;
mod reply;

use std::sync::Arc;

use axum::Router;
use palisade_access::{Access, Permit, Principal};
use palisade_gate::{Exchange, refused};
use palisade_model::{Denial, Refusal, World};
use palisade_policy::Policy;
use palisade_policy::section::identify::Passwords;
use palisade_store::SessionKind;

use self::account::readable;
use super::assets::Assets;
use crate::pages::{Frame, Inside, Place};

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
struct Desk {
    policy: Arc<Policy>,
    access: Access,
    assets: Arc<Assets>,
    world: World,
    /// The password rules in words, for the forms that set one.
    rules: Arc<str>,
}

/// The routes of the service. They have to stand behind the gate.
pub fn router(policy: Arc<Policy>, access: Access, assets: Arc<Assets>, world: World) -> Router {
    let rules = rules(&policy.identify.passwords).into();
    let desk = Desk { policy, access, assets, world, rules };
    Router::new().merge(entrance::routes()).merge(account::routes()).merge(admin::routes()).with_state(desk)
}

impl Desk {
    /// Whether the request came to a path that goes away, where fields have former names too (EDGE-8).
    fn is_former(&self, exchange: &Exchange) -> bool {
        self.policy.routes.rows.get(exchange.route).is_some_and(|row| row.legacy.is_some())
    }

    fn frame<'a>(&'a self, nonce: &'a str) -> Frame<'a> {
        Frame::new(&self.policy.app.name, nonce, self.assets.stylesheet())
            .with_home(&self.policy.identify.home)
            .with_logo(self.assets.logo())
    }

    /// The frame of a page that somebody sees in their session.
    fn frame_of<'a>(&'a self, nonce: &'a str, principal: &Principal) -> Frame<'a> {
        let boxed = principal.kind() == SessionKind::Breakglass;
        self.frame(nonce).boxed(boxed.then(|| principal.ends_at().map(readable).unwrap_or_default()))
    }

    /// The frame of a page of somebody's account.
    fn inside<'a>(
        &'a self,
        nonce: &'a str,
        principal: &'a Principal,
        csrf_token: &'a str,
        place: Place,
    ) -> Frame<'a> {
        let run_out = principal.password_expires_at().filter(|at| *at <= self.world.now());
        self.frame_of(nonce, principal)
            .with_notice(run_out.map(|_| "Your password has run out. Change it to go on."))
            .inside(Inside {
                place,
                name: principal.name(),
                held: principal.factor_missing(),
                csrf_field: &self.policy.csrf.field,
                csrf_token,
            })
    }
}

/// A handler's no.
struct No(Refusal);

impl<T: Into<Refusal>> From<T> for No {
    fn from(refusal: T) -> Self {
        Self(refusal.into())
    }
}

impl axum::response::IntoResponse for No {
    fn into_response(self) -> axum::response::Response {
        refused(self.0)
    }
}

type Answer = Result<axum::response::Response, No>;

/// Whoever the gate has let in as somebody.
fn somebody(permit: &Permit) -> Result<&Principal, Denial> {
    permit.principal().ok_or(Denial::SignInRequired)
}

/// Whether they have a way in of their own, and did not come with a token.
fn lasting(principal: &Principal) -> bool {
    principal.kind() == SessionKind::Ordinary
}

/// The password rules as one hint.
fn rules(rules: &Passwords) -> String {
    let asked: Vec<&str> = [
        (rules.upper, "an upper-case letter"),
        (rules.lower, "a lower-case letter"),
        (rules.digit, "a digit"),
        (rules.special, "a special character"),
    ]
    .into_iter()
    .filter_map(|(on, words)| on.then_some(words))
    .collect();
    let mut text = format!("At least {} characters", rules.min_length);
    if let Some((last, others)) = asked.split_last() {
        let list =
            if others.is_empty() { (*last).to_owned() } else { format!("{} and {last}", others.join(", ")) };
        text.push_str(", with ");
        text.push_str(&list);
    }
    text.push_str(". Nothing that is easy to guess, and not your name or e-mail.");
    text
}
