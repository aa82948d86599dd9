//! Opaque tokens: API keys, administrators' and user tokens (ID-12, ID-14, ID-16). Breakglass stands in
//! `breakglass.rs`.

mod bearer;
pub(crate) mod breakglass;
pub(crate) mod guest;

use std::time::Duration;

use ipnet::IpNet;
use palisade_model::audit::Origin;
use palisade_model::id::{KeyId, UserId};
use palisade_model::{Action, AuditEvent, ClientAddress, Denial, Refusal, Secret, Timestamp, digest};
use palisade_store::{ApiToken, SessionKind, StoreError, Subject, TokenKind, User};
use uuid::Uuid;

use crate::access::{Access, unchanged, unknowable, unrandom};
use crate::letter::Notice;
use crate::principal::{Principal, Via};
use crate::scope::Scopes;
use crate::service::admin::oversee::oversees;
use crate::service::session::about;
use crate::token::opaque::{self, Form};
use crate::token::opaque_cache::Known;

/// The longest name of a token, in characters.
const NAME_CHARS: usize = 64;

/// How long a key that is rotated may go on at the longest, where its owner says so.
const LONGEST_OVERLAP: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Tokens of another form have so many characters: shorter ones are no secret, longer ones are none of ours.
const FOREIGN: std::ops::RangeInclusive<usize> = 8..=256;

/// A token to be made by an administrator.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What it is for. Breakglass tokens are not made here.
    pub kind: TokenKind,
    /// Whose.
    pub user: UserId,
    /// What to call it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Scopes,
    /// From where; empty for anywhere.
    pub networks: Vec<IpNet>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A key that somebody wishes for themselves.
#[derive(Clone, Debug)]
pub struct KeyWish {
    /// What to call it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Scopes,
    /// From where; empty for anywhere.
    pub networks: Vec<IpNet>,
    /// How long it shall live.
    pub life: Duration,
}

/// A token that has just been made.
#[derive(Debug)]
pub struct MadeKey {
    /// The token; shown this once.
    pub token: Secret,
    /// What is kept of it.
    pub kept: ApiToken,
}

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

    /// Makes a key for oneself: with a session of one's own, not with another key.
    ///
    /// # Errors
    /// [`Denial::KeysClosed`]; [`Denial::Forbidden`] for whoever has no ordinary session, [`Denial::ProofNeeded`]
    /// where the last proof is too long ago; [`Denial::InvalidInput`]
    /// with the fields `name`, `expires`; the store's failures.
    pub async fn make_own_api_key(
        &self,
        principal: &Principal,
        wish: KeyWish,
        origin: &Origin,
    ) -> Result<MadeKey, Refusal> {
        let policy = &self.policy().identify.api_keys;
        self.may_make(principal)?;
        if wish.life > policy.longest || wish.life.is_zero() {
            return Err(Refusal::field("expires", "Choose a shorter life for the key."));
        }
        let new = NewKey {
            kind: TokenKind::Key,
            user: principal.user(),
            name: wish.name,
            scopes: wish.scopes,
            networks: wish.networks,
            expires_at: Some(self.now().plus(wish.life)),
        };
        let row = |id: &KeyId| about(Action::ApiKeyMade, "api_key", id, principal, origin);
        let made = self.keep(new, policy.max_per_user, row).await?;
        self.tell_of(&made, origin).await;
        Ok(made)
    }

    /// Makes a token for a user. `by` is the administrator, `None` on the command line.
    ///
    /// # Errors
    /// [`Denial::InvalidInput`] with the fields `name`, `user`, the latter also for an administrator's token of somebody
    /// who is none; the store's failures.
    pub async fn make_api_key(
        &self,
        new: NewKey,
        by: Option<UserId>,
        origin: &Origin,
    ) -> Result<MadeKey, Refusal> {
        if new.kind == TokenKind::Admin {
            let user = self.store().user(new.user).await.map_err(unknowable)?;
            let roles = &self.policy().roles;
            let administers = |user: &User| {
                roles.expand_all(user.roles.iter().map(String::as_str)).meets(roles.administrators())
            };
            if !user.as_ref().is_some_and(administers) {
                return Err(Refusal::field(
                    "user",
                    "An administrators' token is for somebody with that role.",
                ));
            }
        }
        let row = |id: &KeyId| done(Action::ApiKeyMade, *id, by, origin);
        self.keep(new, None, row).await
    }

    /// Takes over a token that another system made, and of which only its SHA-256 is known (ID-15). Whether it was
    /// new here.
    ///
    /// # Errors
    /// [`Denial::InvalidInput`] with the fields `name`, `user`; the store's failures.
    pub async fn import_api_key(
        &self,
        digest: [u8; 32],
        new: NewKey,
        enabled: bool,
        origin: &Origin,
    ) -> Result<Option<KeyId>, Refusal> {
        let mut token = self.drafted(&new, digest)?;
        token.enabled = enabled;
        let row = done(Action::ApiKeyImported, token.id, None, origin).change("kind", (), token.kind.name());
        match self.store().create_api_token(&token, None, vec![row]).await {
            Ok(()) => Ok(Some(token.id)),
            Err(StoreError::Taken { .. }) => Ok(None),
            Err(error) => Err(unkept(error)),
        }
    }

    async fn keep(
        &self,
        new: NewKey,
        most: Option<usize>,
        row: impl FnOnce(&KeyId) -> AuditEvent,
    ) -> Result<MadeKey, Refusal> {
        if new.kind == TokenKind::Breakglass {
            return Err(Refusal::field("kind", "A breakglass token is issued, with a reason."));
        }
        let token = opaque::make(new.kind, &*self.0.world.entropy).map_err(unrandom)?;
        let kept = self.drafted(&new, opaque::digest(token.expose()))?;
        let row = row(&kept.id)
            .change("kind", (), kept.kind.name())
            .change("user", (), kept.user.to_string())
            .change("scopes", (), kept.scopes.as_str())
            .change("expires_at", (), kept.expires_at.map(|at| at.to_string()));
        self.store().create_api_token(&kept, most, vec![row]).await.map_err(unkept)?;
        Ok(MadeKey { token, kept })
    }

    fn drafted(&self, new: &NewKey, digest: [u8; 32]) -> Result<ApiToken, Refusal> {
        let name = new.name.trim();
        let well_formed =
            (1..=NAME_CHARS).contains(&name.chars().count()) && !name.chars().any(char::is_control);
        if !well_formed {
            return Err(Refusal::field("name", "Give it a name of at most 64 characters."));
        }
        let networks: Vec<String> = new.networks.iter().map(|net| net.trunc().to_string()).collect();
        Ok(ApiToken {
            id: KeyId::generate(self.now(), &*self.0.world.entropy).map_err(unrandom)?,
            digest,
            kind: new.kind,
            name: name.to_owned(),
            user: new.user,
            scopes: new.scopes.to_string(),
            networks: networks.join(" "),
            reason: None,
            enabled: true,
            created_at: self.now(),
            expires_at: new.expires_at,
            last_used: None,
            used_at: None,
            replaced_by: None,
        })
    }

    /// One's own tokens, the newest first.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn own_api_keys(&self, principal: &Principal) -> Result<Vec<ApiToken>, Refusal> {
        self.store().api_tokens_of(principal.user()).await.map_err(unknowable)
    }

    /// Ends a token for good. With `owner`, only one of theirs: `false` when they have none of that id.
    ///
    /// # Errors
    /// The store's failures; then nothing has ended.
    pub async fn revoke_api_key(
        &self,
        id: KeyId,
        owner: Option<UserId>,
        by: Option<UserId>,
        origin: &Origin,
    ) -> Result<bool, Refusal> {
        let row = done(Action::ApiKeyRevoked, id, by, origin);
        let ended = self.store().revoke_api_token(id, owner, vec![row]).await.map_err(unchanged)?;
        self.revoke(&[Subject::Key(id)]);
        Ok(ended)
    }

    /// Lets a token count, or no more. `false` when there is none of that id.
    ///
    /// # Errors
    /// The store's failures; then nothing has changed.
    pub async fn set_api_key_enabled(
        &self,
        id: KeyId,
        enabled: bool,
        by: Option<UserId>,
        origin: &Origin,
    ) -> Result<bool, Refusal> {
        let action = if enabled { Action::ApiKeyEnabled } else { Action::ApiKeyDisabled };
        let row = done(action, id, by, origin);
        let set =
            self.store().set_api_token_enabled(id, None, enabled, vec![row]).await.map_err(unchanged)?;
        self.revoke(&[Subject::Key(id)]);
        Ok(set)
    }

    /// Ends all tokens of a user for good; how many.
    ///
    /// # Errors
    /// The store's failures; then nothing has ended.
    pub async fn revoke_api_keys_of(
        &self,
        user: UserId,
        by: Option<UserId>,
        origin: &Origin,
    ) -> Result<u64, Refusal> {
        let mut row = AuditEvent::new(Action::ApiKeyRevoked, "user", user.to_string()).from(origin);
        row.user = by;
        let ended = self.store().revoke_api_tokens_of(user, vec![row]).await.map_err(unchanged)?;
        self.revoke_user(user);
        Ok(ended)
    }

    /// Makes a successor with the same name, scopes, networks and length of life; the token itself goes on for
    /// `overlap`. With `owner`, only one of theirs. `None` when there is none that counts.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn rotate_api_key(
        &self,
        id: KeyId,
        owner: Option<UserId>,
        overlap: Duration,
        by: Option<UserId>,
        origin: &Origin,
    ) -> Result<Option<MadeKey>, Refusal> {
        let old = self.store().api_token(id).await.map_err(unknowable)?;
        let turns =
            |old: &ApiToken| owner.is_none_or(|owner| owner == old.user) && old.kind != TokenKind::Breakglass;
        let Some(old) = old.filter(turns) else { return Ok(None) };
        let now = self.now();
        let token = opaque::make(old.kind, &*self.0.world.entropy).map_err(unrandom)?;
        let successor = ApiToken {
            id: KeyId::generate(now, &*self.0.world.entropy).map_err(unrandom)?,
            digest: opaque::digest(token.expose()),
            created_at: now,
            expires_at: old.expires_at.map(|at| now.plus(at.since(old.created_at))),
            last_used: None,
            ..old.clone()
        };
        let until = now.plus(overlap);
        let row = done(Action::ApiKeyRotated, id, by, origin)
            .change("successor", (), successor.id.to_string())
            .change("expires_at", old.expires_at.map(|at| at.to_string()), until.to_string());
        let rotated =
            self.store().rotate_api_token(id, &successor, until, vec![row]).await.map_err(unkept)?;
        self.revoke(&[Subject::Key(id)]);
        Ok(rotated.then_some(MadeKey { token, kept: successor }))
    }

    /// A successor of a key of one's own: a new credential, and asked for as one.
    ///
    /// # Errors
    /// [`Denial::Forbidden`], [`Denial::ProofNeeded`] as with [`Access::make_own_api_key`]; [`Denial::InvalidInput`]
    /// with the field `overlap`; the store's failures.
    pub async fn rotate_own_api_key(
        &self,
        principal: &Principal,
        id: KeyId,
        overlap: Duration,
        origin: &Origin,
    ) -> Result<Option<MadeKey>, Refusal> {
        self.may_make(principal)?;
        if overlap > LONGEST_OVERLAP {
            return Err(Refusal::field("overlap", "Choose a shorter time."));
        }
        let user = principal.user();
        let made = self.rotate_api_key(id, Some(user), overlap, Some(user), origin).await?;
        if let Some(made) = &made {
            self.tell_of(made, origin).await;
        }
        Ok(made)
    }

    /// Tells its owner of a key that was made in their session: somebody else may have been in it.
    async fn tell_of(&self, made: &MadeKey, origin: &Origin) {
        match self.store().user(made.kept.user).await {
            Ok(Some(user)) => {
                self.notify(&user, Notice::KeyMade { name: made.kept.name.clone() }, origin).await;
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "a notice of a key could not be addressed"),
        }
    }

    /// Whether somebody may make a credential for themselves: in an ordinary session with a recent proof.
    fn may_make(&self, principal: &Principal) -> Result<(), Refusal> {
        let ordinary =
            matches!(principal.via(), Via::Session(_)) && principal.kind() == SessionKind::Ordinary;
        if !ordinary {
            return Err(Refusal::new(Denial::Forbidden, "a key is made in a session of its owner"));
        }
        self.fresh(principal)?;
        if !self.policy().identify.api_keys.open {
            return Err(Refusal::new(Denial::KeysClosed, "the policy lets nobody make keys"));
        }
        Ok(())
    }

    /// The tokens of users whom `by` oversees, in order of their making, behind `after`; 100 at most.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn overseen_api_keys(
        &self,
        by: &Principal,
        after: Option<KeyId>,
    ) -> Result<Vec<ApiToken>, Refusal> {
        self.store().api_tokens(by.tenant(), after, 100).await.map_err(unknowable)
    }

    /// Lets a token of a user whom `by` oversees count, or no more. `false` when there is none of that id.
    ///
    /// # Errors
    /// The store's failures; then nothing has changed.
    pub async fn set_overseen_api_key_enabled(
        &self,
        by: &Principal,
        id: KeyId,
        enabled: bool,
        origin: &Origin,
    ) -> Result<bool, Refusal> {
        let Some(token) = self.store().api_token(id).await.map_err(unknowable)? else { return Ok(false) };
        if !self.oversees_owner(by, &token).await? {
            return Ok(false);
        }
        self.set_api_key_enabled(id, enabled, Some(by.user()), origin).await
    }

    async fn oversees_owner(&self, by: &Principal, token: &ApiToken) -> Result<bool, Refusal> {
        let owner = self.store().user(token.user).await.map_err(unknowable)?;
        Ok(owner.is_some_and(|owner| oversees(by, &owner)))
    }

    /// Everybody's tokens in order of their making, behind `after`; at most `limit`, and never more than 1,000.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn api_keys(&self, after: Option<KeyId>, limit: u32) -> Result<Vec<ApiToken>, Refusal> {
        self.store().api_tokens(None, after, limit).await.map_err(unknowable)
    }
}

/// An entry of the trail about what was done to a token.
pub(crate) fn done(action: Action, id: KeyId, by: Option<UserId>, origin: &Origin) -> AuditEvent {
    let mut row = AuditEvent::new(action, "api_key", id.to_string()).from(origin);
    row.user = by;
    row
}

fn unkept(error: StoreError) -> Refusal {
    match error {
        StoreError::Gone => Refusal::field("user", "There is no such user, or they are disabled."),
        StoreError::Taken { what: "count" } => {
            Refusal::new(Denial::KeysClosed, "the user has as many keys as the policy allows")
        }
        other => unchanged(other),
    }
}
