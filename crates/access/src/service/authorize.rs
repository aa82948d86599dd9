//! A principal and a route to a permit (ACC-1, ACC-2).

use http::Method;
use palisade_model::{Denial, Refusal, Timestamp};
use palisade_policy::section::authorize::Who;
use palisade_policy::section::route::{Route, Service, Target};

use crate::access::Access;
use crate::principal::Principal;

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
    /// Whether `principal` (`None`: nobody is signed in) may do `method` on `route`. Deny by default.
    ///
    /// The tenant headers of a request are judged by the gate, against [`Principal::tenant`] (ACC-3).
    ///
    /// # Errors
    /// [`Denial::SignInRequired`] (401), [`Denial::Forbidden`] (403), [`Denial::FactorRequired`] and [`Denial::PasswordExpired`] (403), or
    /// [`Denial::Hidden`] (404) instead of each of them where the route hides that it exists.
    pub fn authorize(
        &self,
        route: &Route,
        method: &Method,
        principal: Option<&Principal>,
    ) -> Result<Permit, Refusal> {
        judge(route, method, principal, self.now()).map_err(|refusal| hide(route, refusal))?;
        // Somebody who is not wholly signed in is nobody yet, on routes that are open to everybody too.
        let whole = principal.filter(|principal| !principal.factor_missing() || route.enrols);
        Ok(Permit { principal: whole.cloned() })
    }
}

fn judge(
    route: &Route,
    method: &Method,
    principal: Option<&Principal>,
    now: Timestamp,
) -> Result<(), Refusal> {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let who = if reads { route.access.read } else { route.access.write };
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
            "the role needs a second factor, and none was shown",
        ));
    }
    let expired = principal.password_expires_at().is_some_and(|at| at <= now);
    if expired && route.target != Target::Service(Service::Identity) {
        return Err(Refusal::new(Denial::PasswordExpired, "the password is older than the policy allows"));
    }
    Ok(())
}

/// A hidden route answers everybody who may not use it as if it were not there.
fn hide(route: &Route, refusal: Refusal) -> Refusal {
    if route.hide { Refusal::new(Denial::Hidden, refusal.why) } else { refusal }
}
