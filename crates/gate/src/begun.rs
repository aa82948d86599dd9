//! A session that the gate itself began.

use http::HeaderValue;
use palisade_access::NewSession;

use crate::gate::Gate;

/// The session cookie, and that of the double submit where the policy has one. Their form is that of the identity
/// service's.
pub(crate) fn cookies(gate: &Gate, session: &NewSession) -> Vec<HeaderValue> {
    let (policy, access) = (gate.policy(), &gate.parts().access);
    let life = session.expires_at.since(gate.parts().world.now()).as_secs();
    let secure = if policy.identify.sessions.secure { "; Secure" } else { "" };
    let site = policy.identify.sessions.same_site.as_str();
    let line = |name: &str, value: &str, http_only: &str| {
        HeaderValue::try_from(format!(
            "{name}={value}; Path=/; Max-Age={life}{http_only}{secure}; SameSite={site}"
        ))
    };
    let own = line(&policy.identify.sessions.cookie, session.cookie.expose(), "; HttpOnly");
    let double_submit = access.csrf_cookie(&session.principal);
    let csrf = policy.csrf.cookie.as_deref().map(|name| line(name, &double_submit, ""));
    [Some(own), csrf].into_iter().flatten().filter_map(Result::ok).collect()
}

/// Response extension: its Referrer-Policy stays what it is, since the address held a token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quiet;
