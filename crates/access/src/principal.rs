//! Who is asking.

use std::fmt;
use std::sync::Arc;

use palisade_model::id::{FamilyId, KeyId, SessionId, UserId};
use palisade_model::{TenantId, Timestamp, Token, digest};
use palisade_policy::Policy;
use palisade_policy::section::authorize::RoleSet;
use palisade_store::{ApiToken, Session, SessionKind, Subject, TokenKind, User};

use crate::scope::Scopes;

/// By which credential somebody is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// A session cookie.
    Session(SessionId),
    /// An access token of this family.
    Token(FamilyId),
    /// An opaque token: an API key, an administrator's or a user token.
    Key(KeyId),
}

/// Somebody whose credential was verified. Only this crate makes one.
///
/// Cheap to clone. It says what was true when it was made: it belongs to one request and is not kept.
#[derive(Clone)]
pub struct Principal(Arc<Facts>);

struct Facts {
    user: UserId,
    name: String,
    email: Option<String>,
    email_confirmed: bool,
    tenant: Option<TenantId>,
    roles: RoleSet,
    role_names: Vec<String>,
    via: Via,
    binding: [u8; 32],
    /// What CSRF tokens were bound to until this very moment, and the cookie that takes the former one's place.
    former: Option<([u8; 32], Option<Token>)>,
    password_expires_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    kind: SessionKind,
    proven_at: Option<Timestamp>,
    strong: bool,
    factor_missing: bool,
    token: Option<TokenKind>,
    scopes: Option<Scopes>,
    bounded: bool,
}

impl Facts {
    /// From a live user record. `binding` is what CSRF tokens are bound to.
    fn new(user: &User, via: Via, binding: [u8; 32], policy: &Policy) -> Self {
        let roles = policy.roles.expand_all(user.roles.iter().map(String::as_str));
        let password_expires_at =
            policy.identify.passwords.max_age.zip(user.password_at).map(|(age, set)| set.plus(age));
        let mut facts = Self {
            user: user.id,
            name: user.name.clone(),
            email: user.email.clone(),
            email_confirmed: user.email_verified_at.is_some(),
            tenant: user.tenant.clone(),
            roles: RoleSet::EMPTY,
            role_names: Vec::new(),
            via,
            binding,
            former: None,
            password_expires_at,
            ends_at: None,
            kind: SessionKind::Ordinary,
            proven_at: None,
            strong: false,
            factor_missing: false,
            token: None,
            scopes: None,
            bounded: false,
        };
        facts.give(roles, policy);
        facts
    }

    /// Whether these roles or this tenant need a second factor that was not shown (ID-17). A boxed session has none to
    /// show; one that a user token began is no way round.
    fn judge_factor(&mut self, policy: &Policy) {
        let boxed = self.kind == SessionKind::Breakglass;
        let rule = &policy.identify.second_factor;
        self.factor_missing = !boxed && !self.strong && rule.required(self.roles, self.tenant.as_ref());
    }

    fn give(&mut self, roles: RoleSet, policy: &Policy) {
        self.roles = roles;
        self.role_names = policy.roles.names_of(roles).map(str::to_owned).collect();
    }
}

impl Principal {
    pub(crate) fn of_session(user: &User, session: &Session, policy: &Policy) -> Self {
        let mut facts = Facts::new(user, Via::Session(session.id), session.digest, policy);
        facts.ends_at = Some(session.expires_at);
        facts.kind = session.kind;
        facts.proven_at = Some(session.proven_at);
        facts.strong = session.strong;
        // Its user has no role of its own: outside of this session it can do nothing.
        if session.kind == SessionKind::Breakglass {
            let role = policy.roles.administrator();
            facts.give(role.map_or(RoleSet::EMPTY, |name| policy.roles.expand(name)), policy);
        }
        facts.judge_factor(policy);
        Self(Arc::new(facts))
    }

    /// The same, as it came with a cookie that its session has no more. Of this request alone, never cached.
    pub(crate) fn under_former(self, binding: [u8; 32], cookie: Option<Token>) -> Self {
        match Arc::try_unwrap(self.0) {
            Ok(facts) => Self(Arc::new(Facts { former: Some((binding, cookie)), ..facts })),
            Err(shared) => Self(shared),
        }
    }

    pub(crate) fn of_token(user: &User, family: FamilyId, strong: bool, policy: &Policy) -> Self {
        let binding = digest::sha256(&[b"family", family.0.as_bytes()]);
        let mut facts = Facts::new(user, Via::Token(family), binding, policy);
        facts.strong = strong;
        facts.judge_factor(policy);
        Self(Arc::new(facts))
    }

    /// By an opaque token. It has an end of its own, so the age of its user's password does not matter. Nobody can
    /// show a second factor through it: where the user's roles need one, they have to hold one (`holds`).
    pub(crate) fn of_key(
        user: &User,
        token: &ApiToken,
        scopes: Scopes,
        holds: bool,
        policy: &Policy,
    ) -> Self {
        let mut facts = Facts::new(user, Via::Key(token.id), token.digest, policy);
        facts.strong = holds;
        facts.judge_factor(policy);
        facts.strong = false;
        facts.password_expires_at = None;
        facts.ends_at = token.expires_at;
        facts.token = Some(token.kind);
        facts.bounded = scopes != Scopes::everything() || !token.networks.is_empty();
        facts.scopes = Some(scopes);
        if token.kind == TokenKind::User {
            facts.kind = SessionKind::Guest;
        }
        Self(Arc::new(facts))
    }

    /// The same, with a credential that ends by itself then.
    pub(crate) fn until(mut self, at: Timestamp) -> Self {
        if let Some(facts) = Arc::get_mut(&mut self.0) {
            facts.ends_at = Some(at);
        }
        self
    }

    /// The account.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.0.user
    }

    /// The sign-in name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The e-mail address, as they gave it.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        self.0.email.as_deref()
    }

    /// The e-mail address if it is surely theirs: the only one that others may be told (ID-4).
    #[must_use]
    pub fn confirmed_email(&self) -> Option<&str> {
        self.email().filter(|_| self.0.email_confirmed)
    }

    /// The tenant, from the user's record and never from the request (ACC-3).
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantId> {
        self.0.tenant.as_ref()
    }

    /// The roles, with all that they include.
    #[must_use]
    pub fn roles(&self) -> RoleSet {
        self.0.roles
    }

    /// Whether both may do the same, in the same tenant.
    pub(crate) fn same_rights(&self, other: &Self) -> bool {
        self.0.roles == other.0.roles && self.0.tenant == other.0.tenant
    }

    /// The names of [`roles`](Self::roles), in the order of the policy.
    #[must_use]
    pub fn role_names(&self) -> &[String] {
        &self.0.role_names
    }

    /// By which credential.
    #[must_use]
    pub fn via(&self) -> Via {
        self.0.via
    }

    /// When the password has to be changed; `None` where the policy sets no age (ID-2).
    #[must_use]
    pub fn password_expires_at(&self) -> Option<Timestamp> {
        self.0.password_expires_at
    }

    /// When the credential ends by itself, if that is known.
    #[must_use]
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.0.ends_at
    }

    /// What the session was begun with; [`SessionKind::Ordinary`] where there is none.
    #[must_use]
    pub fn kind(&self) -> SessionKind {
        self.0.kind
    }

    /// When they last proved who they are in this session (ID-17); `None` where there is no session.
    #[must_use]
    pub fn proven_at(&self) -> Option<Timestamp> {
        self.0.proven_at
    }

    /// Whether a second factor was part of that proof (ID-17).
    #[must_use]
    pub fn strong(&self) -> bool {
        self.0.strong
    }

    /// Whether their roles need a second factor, and they have shown none: they may set one up and nothing else (ID-17).
    #[must_use]
    pub fn factor_missing(&self) -> bool {
        self.0.factor_missing
    }

    /// The kind of the opaque token that they showed; `None` for another credential.
    #[must_use]
    pub fn token(&self) -> Option<TokenKind> {
        self.0.token
    }

    /// Whether their token may do less than they may, or may not do it from everywhere.
    pub(crate) fn is_bounded(&self) -> bool {
        self.0.bounded
    }

    /// Whether the credential may be used for this request at all: an opaque token has scopes (ID-16).
    #[must_use]
    pub fn reaches(&self, method: &http::Method, path: &str) -> bool {
        self.0.scopes.as_ref().is_none_or(|scopes| scopes.allow(method, path))
    }

    /// The cookie that the browser has to be given, because the rights of its user have changed (ID-8).
    #[must_use]
    pub fn renewed(&self) -> Option<&Token> {
        self.0.former.as_ref()?.1.as_ref()
    }

    /// What CSRF tokens of pages are bound to that were made a moment ago.
    pub(crate) fn former_binding(&self) -> Option<&[u8; 32]> {
        self.0.former.as_ref().map(|(binding, _)| binding)
    }

    /// What a CSRF token is bound to: it dies with the session.
    pub(crate) fn binding(&self) -> &[u8; 32] {
        &self.0.binding
    }

    /// Whose revocation ends this principal.
    pub(crate) fn subjects(&self) -> [Subject; 2] {
        let credential = match self.0.via {
            Via::Session(id) => Subject::Session(id),
            Via::Token(family) => Subject::Family(family),
            Via::Key(key) => Subject::Key(key),
        };
        [Subject::User(self.0.user), credential]
    }
}

/// Ids only: names and addresses are personal.
impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal").field("user", &self.0.user).field("via", &self.0.via).finish()
    }
}

#[cfg(test)]
impl Principal {
    /// Somebody, for tests of what takes a principal.
    pub(crate) fn for_tests(world: &palisade_model::World) -> Self {
        let (now, entropy) = (world.now(), &*world.entropy);
        Self(Arc::new(Facts {
            user: UserId::generate(now, entropy).unwrap(),
            name: "alice".into(),
            email: None,
            email_confirmed: false,
            tenant: None,
            roles: RoleSet::EMPTY,
            role_names: Vec::new(),
            via: Via::Session(SessionId::generate(now, entropy).unwrap()),
            binding: [7; 32],
            former: None,
            password_expires_at: None,
            ends_at: None,
            kind: SessionKind::Ordinary,
            proven_at: None,
            strong: false,
            factor_missing: false,
            token: None,
            scopes: None,
            bounded: false,
        }))
    }
}
