//! What an access token says (RFC 9068).

use palisade_model::id::{FamilyId, UserId};
use palisade_model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};

/// `typ` of an access token (RFC 9068 section 2.1): no other JWT of ours passes for one.
pub(crate) const TYP: &str = "at+jwt";

/// How far clocks of nodes may differ, in seconds. Applied to `nbf` and `iat`; `exp` is exact.
const LEEWAY: i64 = 5;

/// The claims, as they travel. A repeated or missing claim does not parse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) aud: String,
    /// The user's id.
    pub(crate) sub: String,
    /// Seconds since 1970, like the two after it.
    pub(crate) exp: i64,
    pub(crate) nbf: i64,
    pub(crate) iat: i64,
    pub(crate) jti: String,
    /// The family: what sign-out revokes.
    pub(crate) sid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    #[serde(default)]
    pub(crate) roles: Vec<String>,
}

/// Whom verified claims name. Tenant and roles are not in it: they are read from the live user record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) user: UserId,
    pub(crate) family: FamilyId,
    pub(crate) expires_at: Timestamp,
}

/// For whom a token is to be made.
pub(crate) struct Holder<'a> {
    pub(crate) user: UserId,
    pub(crate) family: FamilyId,
    pub(crate) tenant: Option<&'a TenantId>,
    pub(crate) roles: &'a [String],
}

impl Claims {
    /// Judges everything but the signature. The error is for the log.
    pub(crate) fn judge(&self, issuer: &str, audience: &str, now: Timestamp) -> Result<Named, &'static str> {
        let now = now.as_secs();
        let latest = now.saturating_add(LEEWAY);
        let checks = [
            (self.iss == issuer, "token of another issuer"),
            (self.aud == audience, "token for another audience"),
            (self.exp > now, "token has expired"),
            (self.nbf <= latest, "token is not valid yet"),
            (self.iat <= latest, "token was issued in the future"),
            (self.exp > self.iat, "token expires before it was issued"),
            (!self.jti.is_empty(), "token has no id"),
        ];
        if let Some((_, why)) = checks.into_iter().find(|(holds, _)| !holds) {
            return Err(why);
        }
        let user = UserId::parse(&self.sub).ok_or("token names nobody")?;
        let family = FamilyId::parse(&self.sid).ok_or("token names no family")?;
        Ok(Named { user, family, expires_at: Timestamp::from_secs(self.exp) })
    }
}
