//! Opaque tokens that are shown: whom they name (ID-12, ID-14, ID-16).

use ipnet::IpNet;
use palisade_model::id::KeyId;
use palisade_model::{ClientAddress, Denial, Refusal, digest};
use palisade_store::{ApiToken, TokenKind, User};
use uuid::Uuid;

use crate::access::{Access, unknowable};
use crate::principal::Principal;
use crate::scope::Scopes;
use crate::token::opaque::{self, Form};
use crate::token::opaque_cache::Known;

/// Tokens of another form have so many characters: shorter ones are no secret, longer ones are none of ours.
const FOREIGN: std::ops::RangeInclusive<usize> = 8..=256;

impl Access {
    /// The kind of a token of ours, by its form alone; `None` for any other text.
    #[must_use]
    pub fn token_kind(text: &str) -> Option<TokenKind> {
        match opaque::judge(text) {
            Form::Ours(kind, _) => Some(kind),
            Form::Broken | Form::Foreign => None,
        }
    }

    /// Whether a text begins like a token of ours, broken or not.
    #[must_use]
    pub fn looks_like_a_token(text: &str) -> bool {
        opaque::is_marked(text)
    }

    /// Whom an opaque token names. Roles and tenant are those of the live user record, and `client` has to be in
    /// the token's networks. A breakglass token names nobody: it is redeemed, by [`Access::redeem_breakglass`].
    ///
    /// A cached token costs one hash, one look-up and a few atomic loads. One whose checksum is wrong costs less.
    ///
    /// # Errors
    /// [`Denial::CredentialInvalid`] when it is unknown, over, revoked, or shown from elsewhere;
    /// [`Denial::IdentityUnavailable`] when that cannot be known.
    pub async fn api_key(&self, token: &str, client: ClientAddress) -> Result<Principal, Refusal> {
        let invalid = |why: &'static str| Refusal::new(Denial::CredentialInvalid, why);
        match opaque::judge(token) {
            Form::Ours(TokenKind::Breakglass, _) => Err(invalid("a breakglass token was shown as another")),
            Form::Ours(_, digest) => self.known_key(digest, client).await,
            Form::Broken => Err(invalid("token is malformed")),
            Form::Foreign => Err(invalid("no token of ours")),
        }
    }

    /// The same for a token of whatever form that was shown as one of `kind`: of ours, imported, or the shared one
    /// from the environment, as far as the policy takes each.
    ///
    /// # Errors
    /// As [`Access::api_key`].
    pub async fn api_key_of_kind(
        &self,
        token: &str,
        kind: TokenKind,
        client: ClientAddress,
    ) -> Result<Principal, Refusal> {
        let digest = match opaque::judge(token) {
            Form::Ours(found, digest) if found == kind => digest,
            Form::Foreign if self.takes_foreign(kind) && FOREIGN.contains(&token.len()) => {
                opaque::digest(token)
            }
            _ => return Err(Refusal::new(Denial::CredentialInvalid, "no token of that kind")),
        };
        let principal = self.known_key(digest, client).await?;
        if principal.token() != Some(kind) {
            return Err(Refusal::new(Denial::CredentialInvalid, "a token of another kind"));
        }
        Ok(principal)
    }

    /// Whether tokens of another form than ours count as this kind.
    #[must_use]
    pub fn takes_foreign(&self, kind: TokenKind) -> bool {
        let policy = &self.policy().identify;
        match kind {
            TokenKind::Admin => policy.admin_tokens.imported || policy.admin_tokens.legacy.is_some(),
            TokenKind::User => policy.guests.imported,
            TokenKind::Key | TokenKind::Breakglass => false,
        }
    }

    /// Whether a token is remembered as a good one: then showing it is no guess.
    #[must_use]
    pub fn remembers(&self, token: &str, client: ClientAddress) -> bool {
        let (now, parts) = (self.now(), &*self.0);
        parts.live.trusted(now)
            && matches!(
                parts.opaque.hit(&opaque::digest(token), Some(client), now, &parts.live),
                Some(Some(_))
            )
    }

    async fn known_key(&self, digest: [u8; 32], client: ClientAddress) -> Result<Principal, Refusal> {
        let elsewhere = || Refusal::new(Denial::CredentialInvalid, "token shown from outside its networks");
        let (now, parts) = (self.now(), &*self.0);
        if parts.live.trusted(now)
            && let Some(known) = parts.opaque.hit(&digest, Some(client), now, &parts.live)
        {
            return known.ok_or_else(elsewhere);
        }
        let reading = parts.live.reading();
        let known = Box::pin(self.key_in_store(&digest)).await?;
        let known =
            known.ok_or_else(|| Refusal::new(Denial::CredentialInvalid, "token is unknown or over"))?;
        let admitted = known.admits(Some(client));
        let principal = known.principal.clone();
        parts.opaque.remember(digest, known, reading);
        if !admitted {
            return Err(elsewhere());
        }
        parts.opaque.used(digest, now);
        Ok(principal)
    }

    async fn key_in_store(&self, digest: &[u8; 32]) -> Result<Option<Known>, Refusal> {
        let found = match self.legacy(digest).await? {
            Some(legacy) => Some(legacy),
            None => self.store().live_api_token(digest).await.map_err(unknowable)?,
        };
        let Some((token, user)) = found else { return Ok(None) };
        let corrupt = || Refusal::new(Denial::Internal, "a kept token cannot be read");
        let scopes = Scopes::parse(&token.scopes).map_err(|_| corrupt())?;
        // An administrator's token is made on the server, for programs: it needs nobody's telephone.
        let policy = self.policy();
        let roles = policy.roles.expand_all(user.roles.iter().map(String::as_str));
        let rule = &policy.identify.second_factor;
        let spared = token.kind == TokenKind::Admin || !rule.required(roles, user.tenant.as_ref());
        let holds = spared || self.store().factors(user.id).await.map_err(unknowable)?.any();
        let networks = token.networks.split_whitespace().map(str::parse).collect::<Result<Vec<IpNet>, _>>();
        Ok(Some(Known {
            principal: Principal::of_key(&user, &token, scopes, holds, self.policy()),
            networks: networks.map_err(|_| corrupt())?,
            expires_at: token.expires_at,
        }))
    }

    /// The shared token from the environment, as if it were kept (ID-12).
    async fn legacy(&self, shown: &[u8; 32]) -> Result<Option<(ApiToken, User)>, Refusal> {
        let policy = &self.policy().identify.admin_tokens;
        let Some(legacy) = &policy.legacy else { return Ok(None) };
        if !digest::equal(&opaque::digest(legacy.expose()), shown) {
            return Ok(None);
        }
        let user = self.store().user_by_login(&policy.legacy_user).await.map_err(unknowable)?;
        Ok(user.filter(|user| user.enabled).map(|user| {
            let token = ApiToken {
                id: KeyId(Uuid::from_u128(0)),
                digest: *shown,
                kind: TokenKind::Admin,
                name: "ADMIN_TOKEN".to_owned(),
                user: user.id,
                scopes: Scopes::everything().to_string(),
                networks: String::new(),
                reason: None,
                enabled: true,
                created_at: user.created_at,
                expires_at: None,
                last_used: None,
                used_at: None,
                replaced_by: None,
            };
            (token, user)
        }))
    }

    /// Whether the token behind `principal` still counts, and with the same rights.
    pub(crate) async fn key_lives(&self, principal: &Principal) -> bool {
        let known = self.key_in_store(principal.binding()).await.ok().flatten();
        known.is_some_and(|known| known.principal.same_rights(principal))
    }
}
