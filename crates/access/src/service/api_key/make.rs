//! Opaque tokens that are made, taken over from elsewhere, and rotated (ID-12, ID-15, ID-16).

use std::time::Duration;

use ipnet::IpNet;
use palisade_model::audit::Origin;
use palisade_model::id::{KeyId, UserId};
use palisade_model::{Action, AuditEvent, Denial, Refusal, Secret, Timestamp};
use palisade_store::{ApiToken, SessionKind, StoreError, Subject, TokenKind, User};

use crate::access::{Access, unchanged, unknowable, unrandom};
use crate::letter::Notice;
use crate::principal::{Principal, Via};
use crate::scope::Scopes;
use crate::service::api_key::done;
use crate::service::session::about;
use crate::token::opaque;

/// The longest name of a token, in characters.
const NAME_CHARS: usize = 64;

/// How long a key that is rotated may go on at the longest, where its owner says so.
const LONGEST_OVERLAP: Duration = Duration::from_secs(30 * 24 * 60 * 60);

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
