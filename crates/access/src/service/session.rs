//! Sessions: begun at sign-in, listed and ended by their owners (ID-8).

use std::time::Duration;

use palisade_model::audit::Origin;
use palisade_model::id::{SessionId, UserId};
use palisade_model::{Action, AuditEvent, Denial, Refusal, Secret, Timestamp, Token};
use palisade_store::{Session, SessionKind, Source, StoreError, Subject, TokenKind, User};

use crate::access::{Access, entry, unchanged, unknowable, unrandom};
use crate::principal::{Principal, Via};

/// A session that has just begun.
#[derive(Debug)]
pub struct NewSession {
    /// For the cookie; shown this once.
    pub cookie: Token,
    /// Whose it is.
    pub principal: Principal,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// For the cookie by which the device is known from now on (LIMIT-8).
    pub device: Secret,
}

/// How well somebody has proven who they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proof {
    /// When.
    pub(crate) at: Timestamp,
    /// Whether a second factor was part of it (ID-17).
    pub(crate) strong: bool,
}

impl Proof {
    /// Nothing that a sensitive action could rest on.
    pub(crate) const NONE: Self = Self { at: Timestamp::from_micros(0), strong: false };

    /// Nothing either; but an administrator's token is made on the server, and stands for the second factor.
    pub(crate) const fn by_token(kind: TokenKind) -> Self {
        Self { strong: matches!(kind, TokenKind::Admin), ..Self::NONE }
    }
}

/// The session that a browser had before it gets another, and the row of its end.
pub(crate) fn left(former: Option<&Principal>, origin: &Origin) -> Option<(SessionId, UserId, AuditEvent)> {
    let former = former?;
    let Via::Session(id) = former.via() else { return None };
    Some((id, former.user(), about(Action::SessionRevoked, "session", &id, former, origin)))
}

impl Access {
    /// Ends the session that a browser had before it got another.
    pub(crate) async fn leave(&self, former: Option<&Principal>, origin: &Origin) -> Result<(), Refusal> {
        if let Some((id, user, row)) = left(former, origin) {
            self.end(id, user, row).await?;
        }
        Ok(())
    }

    /// A session that is not kept yet, and its cookie.
    pub(crate) fn draft(
        &self,
        user: UserId,
        kind: SessionKind,
        proof: Proof,
        life: Duration,
        origin: &Origin,
    ) -> Result<(Token, Session), Refusal> {
        let (now, entropy) = (self.now(), &*self.0.world.entropy);
        let cookie = Token::generate(entropy).map_err(unrandom)?;
        let session = Session {
            id: SessionId::generate(now, entropy).map_err(unrandom)?,
            digest: cookie.digest(),
            user,
            created_at: now,
            last_seen: now,
            expires_at: now.plus(life),
            kind,
            proven_at: proof.at,
            strong: proof.strong,
            address: origin.address.map(|address| address.to_string()),
            agent: origin.agent.clone(),
        };
        Ok((cookie, session))
    }

    /// A session that is kept, for its browser.
    pub(crate) fn handed(
        &self,
        user: &User,
        session: &Session,
        cookie: Token,
        origin: &Origin,
    ) -> Result<NewSession, Refusal> {
        let principal = Principal::of_session(user, session, self.policy());
        let device = self.welcome(user, origin)?;
        Ok(NewSession { cookie, principal, expires_at: session.expires_at, device })
    }

    /// A session for a user whose proof was just given. Without a second factor there is none for whoever has one:
    /// the store itself sees to it.
    pub(crate) async fn begin(
        &self,
        user: &User,
        proof: Proof,
        origin: &Origin,
    ) -> Result<NewSession, Refusal> {
        self.begin_from(user, proof, None, origin).await
    }

    /// The same by an account elsewhere: the session ends when that is unlinked or signed out.
    pub(crate) async fn begin_from(
        &self,
        user: &User,
        proof: Proof,
        source: Option<Source>,
        origin: &Origin,
    ) -> Result<NewSession, Refusal> {
        let policy = &self.policy().identify.sessions;
        let (cookie, session) = self.draft(user.id, SessionKind::Ordinary, proof, policy.absolute, origin)?;
        let id = session.id;
        let row = entry(Action::SignedIn, "session", &id, user, origin);
        let (store, most) = (self.store(), policy.max_per_user);
        let ended = match store.create_session_from(&session, source.as_ref(), most, vec![row]).await {
            Ok(ended) => ended,
            Err(StoreError::Gone) => return Err(self.failed(Some(user), origin).await),
            Err(error) => return Err(unchanged(error)),
        };
        if !ended.is_empty() {
            self.revoke_user(user.id);
        }
        if !self.still_holds(user).await? {
            self.end(id, user.id, entry(Action::SessionRevoked, "session", &id, user, origin)).await?;
            return Err(self.failed(Some(user), origin).await);
        }
        self.handed(user, &session, cookie, origin)
    }

    /// The cookie by which the device is known from now on.
    fn welcome(&self, user: &User, origin: &Origin) -> Result<Secret, Refusal> {
        let entropy = &*self.0.world.entropy;
        self.0.lockouts.devices.welcome(origin.device.as_ref(), user, self.now(), entropy).map_err(unrandom)
    }

    /// Ends the credential that the request came with: the session, or the token's whole family. It is
    /// refused from the next request on.
    ///
    /// # Errors
    /// The store's failures; then nothing has ended.
    pub async fn sign_out(&self, principal: &Principal, origin: &Origin) -> Result<(), Refusal> {
        match principal.via() {
            Via::Session(id) => {
                let row = about(Action::SignedOut, "session", &id, principal, origin);
                self.end(id, principal.user(), row).await?;
            }
            Via::Token(family) => {
                let row = about(Action::TokenRevoked, "family", &family, principal, origin);
                self.store().revoke_family(family, vec![row]).await.map_err(unchanged)?;
                self.revoke(&[Subject::Family(family)]);
            }
            // A key is ended where it is looked after, not by whatever program used it.
            Via::Key(_) => return Err(Refusal::new(Denial::Forbidden, "a key does not sign out")),
        }
        Ok(())
    }

    /// The principal's own live sessions.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn sessions(&self, principal: &Principal) -> Result<Vec<Session>, Refusal> {
        self.live_sessions(principal.user()).await
    }

    /// A user's live sessions.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn live_sessions(&self, user: UserId) -> Result<Vec<Session>, Refusal> {
        let now = self.now();
        let mut sessions = self.store().sessions_of(user).await.map_err(unknowable)?;
        sessions.retain(|session| self.0.sessions.lives(session, now));
        Ok(sessions)
    }

    /// Ends one of the principal's own sessions. `false` when they have none of that id.
    ///
    /// # Errors
    /// The store's failures; then nothing has ended.
    pub async fn end_session(
        &self,
        principal: &Principal,
        session: SessionId,
        origin: &Origin,
    ) -> Result<bool, Refusal> {
        let row = about(Action::SessionRevoked, "session", &session, principal, origin);
        self.end(session, principal.user(), row).await
    }

    /// Ends all of the principal's sessions but the one that asks. Gives their number.
    ///
    /// # Errors
    /// The store's failures; then nothing has ended.
    pub async fn end_other_sessions(&self, principal: &Principal, origin: &Origin) -> Result<u64, Refusal> {
        let except = match principal.via() {
            Via::Session(id) => Some(id),
            Via::Token(_) | Via::Key(_) => None,
        };
        let user = principal.user();
        let row = about(Action::SessionRevoked, "user", &user, principal, origin);
        let ended = self.store().end_sessions_of(user, except, vec![row]).await.map_err(unchanged)?;
        self.revoke_user(user);
        Ok(ended)
    }

    async fn end(&self, session: SessionId, user: UserId, row: AuditEvent) -> Result<bool, Refusal> {
        let ended = self.store().end_session(session, user, vec![row]).await.map_err(unchanged)?;
        self.revoke(&[Subject::Session(session)]);
        Ok(ended)
    }
}

/// An entry of the trail about something that `principal` did.
pub(crate) fn about(
    action: Action,
    entity_type: &'static str,
    entity_id: &impl ToString,
    principal: &Principal,
    origin: &Origin,
) -> AuditEvent {
    let mut row =
        AuditEvent::new(action, entity_type, entity_id.to_string()).by(principal.user()).from(origin);
    row.email = Some(principal.email().unwrap_or(principal.name()).to_owned());
    row.tenant = principal.tenant().cloned();
    row
}
