//! What the audit trail records of one action (AUD-1).

use std::fmt;

use serde_json::{Map, Value};

use crate::id::UserId;
use crate::{ClientAddress, RequestId, Secret, TenantId};

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What was done. The list is closed, so that reports can rely on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action { $($(#[$doc])* $name,)* }

        impl Action {
            /// Every action.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name in the trail.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

actions! {
    /// The server started for the first time on this store.
    TrailOpened = "trail.opened";
    /// A user was made.
    UserCreated = "user.created";
    /// Another program's users were taken over: how many (ID-3).
    UsersImported = "user.imported";
    /// A user's roles, tenant, name or e-mail changed.
    UserChanged = "user.changed";
    /// A visitor was removed whose tokens were long over (ID-14).
    UserRemoved = "user.removed";
    /// A user may sign in no more.
    UserDisabled = "user.disabled";
    /// A user may sign in again.
    UserEnabled = "user.enabled";
    /// A user's password was set.
    PasswordChanged = "user.password_changed";
    /// A password's hash was made anew in the policy's way, at its user's sign-in (ID-3).
    HashRenewed = "user.hash_renewed";
    /// Somebody asked for a link to set a password (ID-4).
    ResetRequested = "user.reset_requested";
    /// Somebody registered with an address that has to be confirmed (ID-4).
    SignUpRequested = "user.sign_up_requested";
    /// A user asked for a link to an address to be (ID-4).
    EmailRequested = "user.email_requested";
    /// A one-time link was made for a user.
    LinkIssued = "link.issued";
    /// A one-time link was used.
    LinkUsed = "link.used";
    /// A session began.
    SignedIn = "session.signed_in";
    /// A sign-in was refused.
    SignInFailed = "session.sign_in_failed";
    /// A first proof was given, and a second factor asked for (ID-17).
    SecondFactorAsked = "session.second_factor_asked";
    /// A second factor was wrong, or was shown too late (ID-17).
    SecondFactorFailed = "session.second_factor_failed";
    /// Somebody who was signed in proved again who they are (ID-17).
    Confirmed = "session.confirmed";
    /// A second factor was set up (ID-17).
    FactorAdded = "factor.added";
    /// A second factor was removed (ID-17).
    FactorRemoved = "factor.removed";
    /// All of a user's second factors were removed by an administrator (ID-17).
    FactorsReset = "factor.reset";
    /// Recovery codes were made, and the former ones are void (ID-17).
    RecoveryCodesMade = "factor.codes_made";
    /// A recovery code took the place of a second factor (ID-17).
    RecoveryCodeUsed = "factor.code_used";
    /// A passkey's counter went back: there may be a copy of it (ID-17).
    PasskeyCopied = "factor.passkey_copied";
    /// Failed attempts locked an address, an account or a device out (LIMIT-3).
    LockoutBegan = "lockout.began";
    /// Lockouts were lifted by an administrator.
    LockoutLifted = "lockout.lifted";
    /// A session was ended by its owner.
    SignedOut = "session.signed_out";
    /// A session or all of a user's were ended for them.
    SessionRevoked = "session.revoked";
    /// An account at another site was linked to a user (ID-6).
    IdentityLinked = "identity.linked";
    /// A linked account at another site was taken off a user.
    IdentityUnlinked = "identity.unlinked";
    /// A session got another id because its user's rights had changed.
    SessionRotated = "session.rotated";
    /// Access and refresh tokens were issued.
    TokenIssued = "token.issued";
    /// A refresh token was exchanged for its successor.
    TokenRefreshed = "token.refreshed";
    /// A refresh token was used twice, and its whole family was revoked (ID-10).
    TokenReused = "token.reused";
    /// Tokens were revoked.
    TokenRevoked = "token.revoked";
    /// Every session and token of a user, a tenant or everybody was ended.
    AccessRevoked = "access.revoked";
    /// A signing key was made because there was none.
    KeyMade = "key.made";
    /// A signing key was made that takes the place of the former ones.
    KeyRotated = "key.rotated";
    /// A signing key was ended before its time.
    KeyRetired = "key.retired";
    /// An API key, an administrator's or a user token was made.
    ApiKeyMade = "api_key.made";
    /// A token of another system was taken over.
    ApiKeyImported = "api_key.imported";
    /// A token got a successor.
    ApiKeyRotated = "api_key.rotated";
    /// A token counts no more, until it is enabled again.
    ApiKeyDisabled = "api_key.disabled";
    /// A token counts again.
    ApiKeyEnabled = "api_key.enabled";
    /// A token was ended for good.
    ApiKeyRevoked = "api_key.revoked";
    /// A breakglass token was made on the host.
    BreakglassIssued = "breakglass.issued";
    /// A breakglass token was used up, and its session began.
    BreakglassUsed = "breakglass.used";
    /// A breakglass session is over, and its report is made.
    BreakglassClosed = "breakglass.closed";
    /// A state-changing request was let through to an upstream.
    RequestChanged = "request.changed";
    /// A request was refused.
    RequestRefused = "request.refused";
    /// A request was cut off before its answer was whole.
    RequestAbandoned = "request.abandoned";
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One entry for the trail, before it has its place in the chain.
///
/// What can name a person ([`email`](Self::email), [`address`](Self::address),
/// [`agent`](Self::agent) and [`changes`](Self::changes)) is kept apart from the rest and enters the chain as a
/// salted digest only, so that it can be erased without breaking the chain (AUD-2).
#[derive(Clone, Debug)]
pub struct AuditEvent {
    /// What was done.
    pub action: Action,
    /// Who did it; `None` for the server itself or somebody unknown.
    pub user: Option<UserId>,
    /// Their e-mail or sign-in name at the time. Personal.
    pub email: Option<String>,
    /// In which tenant.
    pub tenant: Option<TenantId>,
    /// To what kind of thing, as `user` or `session`.
    pub entity_type: &'static str,
    /// To which thing.
    pub entity_id: String,
    /// From where. Personal.
    pub address: Option<ClientAddress>,
    /// With which user agent. Personal.
    pub agent: Option<String>,
    /// In which request.
    pub request_id: Option<RequestId>,
    /// `{field: {"old": .., "new": ..}}`. Personal. Never holds a secret.
    pub changes: Map<String, Value>,
}

impl AuditEvent {
    /// An entry about `entity_id`, with nothing else said yet.
    pub fn new(action: Action, entity_type: &'static str, entity_id: impl Into<String>) -> Self {
        Self {
            action,
            user: None,
            email: None,
            tenant: None,
            entity_type,
            entity_id: entity_id.into(),
            address: None,
            agent: None,
            request_id: None,
            changes: Map::new(),
        }
    }

    /// The same by `user`.
    #[must_use]
    pub fn by(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// The same with one changed field.
    #[must_use]
    pub fn change(mut self, field: &str, old: impl Into<Value>, new: impl Into<Value>) -> Self {
        self.changes.insert(field.to_owned(), serde_json::json!({"old": old.into(), "new": new.into()}));
        self
    }

    /// The same as seen from a request.
    #[must_use]
    pub fn from(mut self, origin: &Origin) -> Self {
        self.address = origin.address;
        self.agent.clone_from(&origin.agent);
        self.request_id.clone_from(&origin.request_id);
        self
    }
}

/// Where an action came from: what every entry of one request shares.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The client's address.
    pub address: Option<ClientAddress>,
    /// The client's User-Agent, cut to 256 characters.
    pub agent: Option<String>,
    /// The request.
    pub request_id: Option<RequestId>,
    /// What the device that it came from shows of having signed in before (LIMIT-8). Not for entries.
    pub device: Option<Secret>,
}
