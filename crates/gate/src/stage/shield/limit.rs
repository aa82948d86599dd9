//! Rate limits (LIMIT-1, LIMIT-2, LIMIT-5).
//!
//! Limits by address count before anything is known of the sender, so that guessing credentials is limited too;
//! the others count once it is known who asks. A limit that has nothing to count by (a limit by user,
//! and nobody is signed in) counts by address.

use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use palisade_access::{Principal, Via};
use palisade_model::{Denial, Refusal};
use palisade_policy::section::route::Route;
use palisade_policy::section::shield::{Limit, LimitBy};
use palisade_store::limiter::Check;

use crate::course::Course;
use crate::gate::Gate;
use crate::limits::Quota;
use crate::peek::{self, Field};
use crate::stage::authorize;

/// The name of the limit for attempts to sign in.
const SIGN_IN: &str = "login";

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Counts the request against the route's limits by address.
///
/// # Errors
/// `RateLimited` when a window is full; then nothing was counted.
pub(crate) fn by_address(gate: &Gate, course: &mut Course, route: &Route) -> Result<(), Refusal> {
    if !counts(gate, course) {
        return Ok(());
    }
    let keys: Vec<_> = of_route(gate, course, route)
        .filter(|(_, limit)| limit.by == LimitBy::Address)
        .map(|(index, limit)| Mark::address(gate, course, index, limit))
        .collect();
    hit(gate, course, &keys)?;
    course.counted = keys.iter().any(|mark| Some(mark.limit) == gate.limits().default);
    Ok(())
}

/// Counts a request for what is not there, or seems not to be, against the default limit by address: whoever looks for
/// what there might be is slowed down like everybody else. What is hidden counts no more and no less than what is not
/// there, and shows as little (ACC-2).
///
/// The refusal as it was, or `RateLimited` in its place.
pub(crate) fn nowhere(gate: &Gate, course: &mut Course, refusal: Refusal) -> Refusal {
    let unrouted = matches!(refusal.denial, Denial::RouteUnknown | Denial::MethodNotAllowed);
    if !(refusal.denial == Denial::Hidden || unrouted && course.route.is_none()) {
        return refusal;
    }
    course.nowhere = true;
    let default = gate.limits().default.filter(|_| !course.counted && counts(gate, course));
    let limit = default.and_then(|index| Some((index, gate.policy().shield.limits.get(index)?)));
    let Some((index, limit)) = limit else { return refusal };
    let mark = Mark::address(gate, course, index, limit);
    hit(gate, course, &[mark]).err().unwrap_or(refusal)
}

/// Counts it against the limits by user, tenant, credential and field.
///
/// # Errors
/// `RateLimited`, or what is wrong with a body whose field is needed.
pub(crate) async fn by_principal(
    gate: &Gate,
    course: &mut Course,
    route: &Route,
    request: &mut Request<Body>,
) -> Result<(), Refusal> {
    if !counts(gate, course) {
        return Ok(());
    }
    let (mut keys, mut by_default) = (Vec::new(), false);
    for (index, limit) in of_route(gate, course, route) {
        let principal = course.principal.as_ref();
        let key = match &limit.by {
            LimitBy::Address => continue,
            LimitBy::User => principal.map(|who| gate.limits().key(limit, b"user", who.user().0.as_bytes())),
            LimitBy::Tenant => principal
                .and_then(Principal::tenant)
                .map(|tenant| gate.limits().key(limit, b"tenant", tenant.as_str().as_bytes())),
            LimitBy::Token => principal.map(|who| match who.via() {
                Via::Session(id) => gate.limits().key(limit, b"session", id.0.as_bytes()),
                Via::Token(id) => gate.limits().key(limit, b"family", id.0.as_bytes()),
                Via::Key(id) => gate.limits().key(limit, b"key", id.0.as_bytes()),
            }),
            LimitBy::Field(name) => Box::pin(field(request, name))
                .await?
                .map(|value| gate.limits().key(limit, b"field", value.trim().to_lowercase().as_bytes())),
        };
        by_default |= key.is_none() && Some(index) == gate.limits().default;
        keys.push(match key {
            Some(key) => Mark { limit: index, key, windows: gate.limits().windows(index) },
            None => Mark::address(gate, course, index, limit),
        });
    }
    hit(gate, course, &keys)?;
    course.counted |= by_default;
    Ok(())
}

/// Counts a credential that may be guessed like an attempt to sign in, by address (LIMIT-3); without `counted` it only
/// looks whether there is room for one.
///
/// # Errors
/// `RateLimited` when there is none.
pub(crate) fn guess(gate: &Gate, course: &Course, counted: bool) -> Result<(), Refusal> {
    let limits = &gate.policy().shield.limits;
    let sign_in = limits.iter().enumerate().find(|(_, limit)| limit.name == SIGN_IN);
    let Some((index, limit)) = sign_in.filter(|_| counts(gate, course)) else { return Ok(()) };
    let address = gate.limits().address_key(limit, course.client);
    let key = gate.limits().key(limit, b"guess", &address);
    let check = [Check { key, windows: gate.limits().windows_of(index, course.client) }];
    let (limiter, now) = (&gate.parts().limiter, gate.parts().world.now());
    let verdict = if counted { limiter.hit(now, &check) } else { limiter.look(now, &check) };
    if verdict.allowed {
        return Ok(());
    }
    let refusal = Refusal::new(Denial::RateLimited, "too many credentials that do not count");
    Err(refusal.retry_after(verdict.tightest.reset))
}

/// Whether requests from there are counted at all. A network is only exempt where the sender is known to be in it.
fn counts(gate: &Gate, course: &Course) -> bool {
    let shield = &gate.policy().shield;
    let ip = course.client.ip();
    shield.limits_enabled && !(course.client.is_known() && shield.exempt.iter().any(|net| net.contains(&ip)))
}

fn of_route<'g>(
    gate: &'g Gate,
    course: &Course,
    route: &'g Route,
) -> impl Iterator<Item = (usize, &'g Limit)> + use<'g> {
    let limits = &gate.policy().shield.limits;
    let who = authorize::who(route, &course.method);
    let counted = move |index: &&usize| gate.limits().counts(**index, who);
    route.limits.iter().filter(counted).filter_map(|index| limits.get(*index).map(|limit| (*index, limit)))
}

/// One counter that a request is counted by.
struct Mark<'g> {
    limit: usize,
    key: [u8; 16],
    windows: &'g [(u32, Duration)],
}

impl<'g> Mark<'g> {
    fn address(gate: &'g Gate, course: &Course, index: usize, limit: &Limit) -> Self {
        let (key, windows) =
            (gate.limits().address_key(limit, course.client), gate.limits().windows_of(index, course.client));
        Self { limit: index, key, windows }
    }
}

fn hit(gate: &Gate, course: &mut Course, keys: &[Mark<'_>]) -> Result<(), Refusal> {
    if keys.is_empty() {
        return Ok(());
    }
    let limits = gate.limits();
    let checks: Vec<Check<'_>> =
        keys.iter().map(|mark| Check { key: mark.key, windows: mark.windows }).collect();
    let now = gate.parts().world.now();
    let verdict = gate.parts().limiter.hit(now, &checks);
    let tightest = verdict.tightest;
    let counted = keys.get(tightest.which);
    let name =
        counted.and_then(|mark| limits.name(mark.limit, tightest.window)).unwrap_or_else(|| "limit".into());
    let quota =
        Quota { limit: tightest.limit, remaining: tightest.remaining, reset: tightest.reset, at: now, name };
    if verdict.allowed {
        if course.quota.as_ref().is_none_or(|known| quota.remaining < known.remaining) {
            course.quota = Some(quota);
        }
        return Ok(());
    }
    let why = format!("over the limit {}", quota.name);
    course.quota = Some(quota);
    Err(Refusal::new(Denial::RateLimited, why).retry_after(tightest.reset))
}

/// Writes what is left onto an answer: as Flask-Limiter and its like have it, and as the IETF does
/// (draft-ietf-httpapi-ratelimit-headers-10).
pub(crate) fn write(gate: &Gate, course: &Course, route: &Route, headers: &mut HeaderMap) {
    let Some(quota) = &course.quota else { return };
    let reset = quota.reset.as_secs() + u64::from(quota.reset.subsec_nanos() > 0);
    let reset_at = quota.at.plus(quota.reset + Duration::from_micros(999_999)).as_secs();
    headers.insert(LIMIT, quota.limit.into());
    headers.insert(REMAINING, quota.remaining.into());
    headers.insert(RESET, reset_at.into());
    if let Ok(left) = HeaderValue::try_from(format!("\"{}\";r={};t={reset}", quota.name, quota.remaining)) {
        headers.insert(RATELIMIT, left);
    }
    if let Some(Some(policy)) = gate.limits().announced.get(route.index) {
        headers.insert(RATELIMIT_POLICY, policy.clone());
    }
}

/// The field's value. A body in which the service might find another value than is found here is refused: it
/// would be a way past the limit.
async fn field(request: &mut Request<Body>, name: &str) -> Result<Option<String>, Refusal> {
    let (found, whole) = peek::form_field(std::mem::take(request), name, peek::LIMIT).await;
    *request = whole;
    match found {
        Field::One(value) => Ok(Some(value)),
        Field::Missing => Ok(None),
        Field::Unclear => Err(Refusal::new(Denial::Ambiguous, "the field that a limit counts by is unclear")),
    }
}
