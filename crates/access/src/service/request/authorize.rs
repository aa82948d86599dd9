//! A principal and a route to a permit (ACC-1, ACC-2).

use http::Method;
use palisade_model::{Denial, Refusal, Timestamp};
use palisade_policy::section::authorize::Who;
use palisade_policy::section::route::{Proof, Route, Service, Target};
use palisade_store::SessionKind;

use crate::access::Access;
use crate::principal::{Principal, Via};

/// That a request was allowed. Service handlers take one, and only [`Access::authorize`] makes one: a
/// handler cannot be reached by forgetting to ask.
///
/// ```
/// fn handler(permit: &palisade_access::Permit) -> bool {
///     permit.principal().is_some()
/// }
/// ```
///
/// Nobody else can make one:
///
/// ```compile_fail,E0423
/// let permit = palisade_access::Permit(None);
/// ```
///
/// ```compile_fail,E0451
/// let permit = palisade_access::Permit { principal: None };
/// ```
///
/// ```compile_fail,E0277
/// fn any<T: Default>() -> T { T::default() }
/// let permit: palisade_access::Permit = any();
/// ```
#[derive(Clone, Debug)]
pub struct Permit {
    principal: Option<Principal>,
}

impl Permit {
    /// Who was allowed; `None` for a visitor of a public route.
    #[must_use]
    pub fn principal(&self) -> Option<&Principal> {
        self.principal.as_ref()
    }
}

impl Access {
    /// Whether `principal` (`None`: nobody is signed in) may do `method` on `path`, which led to `route`.
    /// Deny by default.
    ///
    /// The tenant headers of a request are judged by the gate, against [`Principal::tenant`] (ACC-3).
    ///
    /// # Errors
    /// [`Denial::SignInRequired`] (401), [`Denial::Forbidden`], [`Denial::OutOfScope`], [`Denial::Boxed`],
    /// [`Denial::FactorRequired`] and [`Denial::PasswordExpired`] (403), or
    /// [`Denial::Hidden`] (404) instead of each of them where the route hides that it exists. Whoever may use it and has
    /// to prove more gets [`Denial::ProofNeeded`] (401) or [`Denial::FactorRequired`].
    pub fn authorize(
        &self,
        route: &Route,
        method: &Method,
        path: &str,
        principal: Option<&Principal>,
    ) -> Result<Permit, Refusal> {
        judge(route, method, path, principal, self.now()).map_err(|refusal| hide(route, refusal))?;
        if let (Some(principal), Proof::Recent | Proof::Strong) = (principal, route.proof) {
            self.prove_more(route.proof, principal)?;
        }
        // Somebody who is not wholly signed in is nobody yet, on routes that are open to everybody too.
        let whole = principal.filter(|principal| {
            (!principal.factor_missing() || route.enrols) && !is_expired(route, principal, self.now())
        });
        Ok(Permit { principal: whole.cloned() })
    }

    /// What a route asks for of somebody who may use it (ID-17). To hide it from them would only keep them from proving it.
    fn prove_more(&self, proof: Proof, principal: &Principal) -> Result<(), Refusal> {
        if principal.kind() != SessionKind::Ordinary {
            return Err(Refusal::new(Denial::Forbidden, "a session that a token began holds no proof"));
        }
        match proof {
            Proof::Recent => self.fresh(principal),
            Proof::Strong if !principal.strong() => Err(match principal.via() {
                // Whoever has a second factor has no session without it: this one's owner has none yet.
                Via::Session(_) => Refusal::new(Denial::FactorRequired, "the route asks for a second factor"),
                Via::Token(_) | Via::Key(_) => {
                    Refusal::new(Denial::ProofNeeded, "no second factor was shown for the token")
                }
            }),
            Proof::Any | Proof::Strong => Ok(()),
        }
    }
}

fn judge(
    route: &Route,
    method: &Method,
    path: &str,
    principal: Option<&Principal>,
    now: Timestamp,
) -> Result<(), Refusal> {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let who = if reads { route.access.read } else { route.access.write };
    if let Some(principal) = principal {
        restrain(route, method, path, reads, principal)?;
    }
    if who == Who::Public {
        return Ok(());
    }
    let Some(principal) = principal else {
        return Err(Refusal::new(Denial::SignInRequired, "nobody is signed in"));
    };
    let allowed = match who {
        Who::Public | Who::SignedIn => true,
        Who::Roles(roles) => principal.roles().meets(roles),
        Who::Nobody => false,
    };
    if !allowed {
        return Err(Refusal::new(Denial::Forbidden, "none of the principal's roles is allowed"));
    }
    if principal.factor_missing() && !route.enrols {
        return Err(Refusal::new(
            Denial::FactorRequired,
            "the role or the tenant needs a second factor, and none was shown",
        ));
    }
    if is_expired(route, principal, now) {
        return Err(Refusal::new(Denial::PasswordExpired, "the password is older than the policy allows"));
    }
    Ok(())
}

/// Whether the password is too old for anything but Palisade's own pages, where it is changed.
fn is_expired(route: &Route, principal: &Principal, now: Timestamp) -> bool {
    route.target != Target::Service(Service::Identity)
        && principal.password_expires_at().is_some_and(|at| at <= now)
}

/// What a credential may not do, whatever its bearer may: beyond a token's scopes (ID-16), and in a breakglass
/// session all that would outlive it (ID-13).
fn restrain(
    route: &Route,
    method: &Method,
    path: &str,
    reads: bool,
    principal: &Principal,
) -> Result<(), Refusal> {
    if !principal.reaches(method, path) {
        return Err(Refusal::new(Denial::OutOfScope, "beyond the token's scopes"));
    }
    let own = route.target == Target::Service(Service::Identity);
    if own && !reads && principal.kind() == SessionKind::Breakglass && !takes_away(method, &route.path) {
        return Err(Refusal::new(Denial::Boxed, "a breakglass session leaves nothing behind"));
    }
    Ok(())
}

/// Whether a route of Palisade's own only ends what is there: one's own session, others' sessions, keys.
fn takes_away(method: &Method, path: &str) -> bool {
    let ending = ["/sessions", "/sessions/{id}", "/sessions/{sid}", "/keys/{id}"];
    path == "/auth/logout"
        || path == "/api/v1/auth/logout"
        || path == "/api/v1/admin/unlock"
        || path == "/api/v1/admin/keys/{id}/disable"
        || (*method == Method::DELETE && ending.iter().any(|end| path.ends_with(end)))
}

/// A hidden route answers everybody who may not use it as if it were not there.
fn hide(route: &Route, refusal: Refusal) -> Refusal {
    if route.hide { Refusal::new(Denial::Hidden, refusal.why) } else { refusal }
}
