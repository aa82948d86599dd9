//! A credential to a principal: the hot path.

use std::time::Duration;

use palisade_model::audit::Origin;
use palisade_model::{Action, Denial, Refusal, RequestId, Timestamp, Token, digest};
use palisade_store::{FoundSession, Renewal, Session, Subject, User};

use crate::access::{Access, entry, unchanged, unknowable, unrandom};
use crate::principal::{Principal, Via};

/// So long the former id of a rotated session is still good: for requests that were under way. It gets no new cookie.
const GRACE: Duration = Duration::from_secs(10);

impl Access {
    /// Whose session this cookie is. `None` for a cookie that is no session, or not any more.
    ///
    /// A cached session costs one hash, one look-up and a few atomic loads; it touches no store.
    ///
    /// # Errors
    /// [`Denial::IdentityUnavailable`] when the store has to be asked and does not answer: whether the
    /// session was revoked cannot be known, so it is refused.
    pub async fn session(&self, cookie: &str) -> Result<Option<Principal>, Refusal> {
        let Some(digest) = Token::digest_of(cookie) else { return Ok(None) };
        let (now, parts) = (self.now(), &*self.0);
        if parts.live.trusted(now)
            && let Some(principal) = parts.sessions.hit(&digest, now, &parts.live)
        {
            return Ok(Some(principal));
        }
        // Boxed, like all that few requests need: what every request carries along stays small.
        Box::pin(self.session_in_store(&digest, now)).await
    }

    async fn session_in_store(
        &self,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Principal>, Refusal> {
        // Twice, if another request rotates the session meanwhile.
        for _ in 0..2 {
            let reading = self.0.live.reading();
            let found = self.store().session_by_either(digest).await.map_err(unknowable)?;
            let Some(FoundSession { session, user, stale }) = found else { return Ok(None) };
            if !user.enabled || !self.0.sessions.lives(&session, now) {
                return Ok(None);
            }
            let principal = Principal::of_session(&user, &session, self.policy());
            if session.digest != *digest {
                return Ok(Some(principal.under_former(*digest, None)));
            }
            if !stale {
                self.0.sessions.remember(&session, principal.clone(), reading, now);
                return Ok(Some(principal));
            }
            if let Some(principal) = self.rotate(session, &user, now).await? {
                return Ok(Some(principal));
            }
        }
        Err(Refusal::new(Denial::IdentityUnavailable, "a session was rotated again and again"))
    }

    /// Gives a session another id, because its user's rights have changed (ID-8). `None` when another request did so.
    async fn rotate(
        &self,
        mut session: Session,
        user: &User,
        now: Timestamp,
    ) -> Result<Option<Principal>, Refusal> {
        let cookie = Token::generate(&*self.0.world.entropy).map_err(unrandom)?;
        let renewal = Renewal { session: session.id, was: session.digest, becomes: cookie.digest() };
        let row = entry(Action::SessionRotated, "session", &session.id, user, &Origin::default());
        let rotated = self.store().rotate_session(renewal, now.plus(GRACE), vec![row]).await;
        if !rotated.map_err(unchanged)? {
            return Ok(None);
        }
        self.revoke(&[Subject::Session(session.id)]);
        session.digest = renewal.becomes;
        let principal = Principal::of_session(user, &session, self.policy());
        Ok(Some(principal.under_former(renewal.was, Some(cookie))))
    }

    /// Whom an access token names (RFC 6750, RFC 9068). Tenant and roles are those of the live user
    /// record, so that a change of them takes effect at once.
    ///
    /// # Errors
    /// [`Denial::CredentialInvalid`] when it is forged, expired, revoked or not for us;
    /// [`Denial::IdentityUnavailable`] when that cannot be known.
    pub async fn bearer(&self, token: &str) -> Result<Principal, Refusal> {
        let digest = digest::sha256(&[token.as_bytes()]);
        let (now, parts) = (self.now(), &*self.0);
        if parts.live.trusted(now) {
            if let Some(principal) = parts.verified.hit(&digest, now, &parts.live) {
                return Ok(principal);
            }
        } else {
            // What is not heard of may have retired a key.
            Box::pin(self.reload_keys()).await.map_err(unknowable)?;
        }
        let invalid = |why: &'static str| Refusal::new(Denial::CredentialInvalid, why);
        let named = self.keyring().verify(token, now).map_err(invalid)?;
        let reading = parts.live.reading();
        let found = Box::pin(self.store().family_live(named.family)).await.map_err(unknowable)?;
        let (user, strong) = found.ok_or_else(|| invalid("token was revoked"))?;
        if user.id != named.user || !user.enabled {
            return Err(invalid("token of another or a disabled user"));
        }
        let principal = Principal::of_token(&user, named.family, strong, self.policy());
        let principal = principal.until(named.expires_at);
        parts.verified.remember(digest, principal.clone(), reading, named.expires_at);
        Ok(principal)
    }

    /// Whether the credential behind `principal` still holds, and with the same roles and tenant: for connections that outlive
    /// their request, as a WebSocket does. Asks the store, and is no use of the session. What cannot be known does not
    /// hold.
    pub async fn lives(&self, principal: &Principal) -> bool {
        let same = |user: &User| {
            let roles = self.policy().roles.expand_all(user.roles.iter().map(String::as_str));
            let same = roles == principal.roles() && user.tenant.as_ref() == principal.tenant();
            user.enabled && user.id == principal.user() && same
        };
        match principal.via() {
            Via::Session(_) => {
                let found = self.store().session(principal.binding()).await;
                found.ok().flatten().is_some_and(|(session, user)| {
                    // Some sessions give other roles than the user has.
                    let again = Principal::of_session(&user, &session, self.policy());
                    let same = user.id == principal.user() && again.same_rights(principal);
                    user.enabled && same && self.0.sessions.lives(&session, self.now())
                })
            }
            Via::Token(family) => {
                let found = self.store().family_live(family).await;
                found.ok().flatten().is_some_and(|(user, _)| same(&user))
            }
            Via::Key(_) => self.key_lives(principal).await,
        }
    }

    /// A CSRF token for a form or a meta tag, other text on each call (CSRF-2).
    ///
    /// # Errors
    /// [`Denial::Internal`] when there is no randomness.
    pub fn csrf_token(&self, principal: &Principal) -> Result<String, Refusal> {
        self.0.csrf.field(principal, &self.0.world).map_err(unrandom)
    }

    /// The value of the readable cookie of the signed double submit (CSRF-2).
    #[must_use]
    pub fn csrf_cookie(&self, principal: &Principal) -> String {
        self.0.csrf.cookie(principal)
    }

    /// Whether `presented` is a CSRF token of this principal's session, in either form, in constant time.
    #[must_use]
    pub fn csrf_accepts(&self, principal: &Principal, presented: &str) -> bool {
        self.0.csrf.accepts(principal, presented)
    }

    /// The signed word to the upstream about who is asking (ACC-6): a JWT of a minute's life, bound to this
    /// method, path (with its query, as the upstream gets it) and request. `None` when it cannot be signed.
    #[must_use]
    pub fn assertion(
        &self,
        principal: &Principal,
        method: &str,
        path: &str,
        request: &RequestId,
    ) -> Option<String> {
        self.keyring().assertion(principal, method, path, request, self.now())
    }
}
