//! Visitors with a user token and no password (ID-14).

use palisade_model::audit::Origin;
use palisade_model::{Action, ClientAddress, Denial, Refusal};
use palisade_store::{GUEST, SessionKind, TokenKind};

use crate::access::{Access, entry, unchanged, unknowable};
use crate::scope::Scopes;
use crate::service::api_key::make::{MadeKey, NewKey};
use crate::service::session::{NewSession, Proof};
use crate::token::opaque;

impl Access {
    /// A user without a name or a password, and the token that is all they have. Shown this once.
    ///
    /// # Errors
    /// [`Denial::SignUpClosed`] where the policy gives none; the store's failures.
    pub async fn register_guest(&self, origin: &Origin) -> Result<MadeKey, Refusal> {
        let policy = &self.policy().identify.guests;
        if !policy.open {
            return Err(Refusal::new(Denial::SignUpClosed, "the policy gives no user tokens"));
        }
        let user = self.bearer_user(self.bearer_name(GUEST)?, self.guest_roles())?;
        let row = entry(Action::UserCreated, "user", &user.id, &user, origin);
        self.store().create_user(&user, vec![row]).await.map_err(unchanged)?;
        let new = NewKey {
            kind: TokenKind::User,
            user: user.id,
            name: "user token".to_owned(),
            scopes: Scopes::everything(),
            networks: Vec::new(),
            expires_at: Some(self.now().plus(policy.life)),
        };
        self.make_api_key(new, Some(user.id), origin).await
    }

    /// A session for whoever shows an administrator's or a user token, so that its text can leave the address bar
    /// (ID-12, ID-14). It lives as long as other sessions do, and ends with the token. Nothing was proven in it that a
    /// sensitive action could rest on.
    ///
    /// # Errors
    /// As [`Access::api_key_of_kind`]; [`Denial::CredentialInvalid`] for a token that has scopes or networks, which a
    /// session has not; the shared token from the environment is not kept and cannot be exchanged either; the store's
    /// failures.
    pub async fn exchange_token(
        &self,
        token: &str,
        kind: TokenKind,
        client: ClientAddress,
        origin: &Origin,
    ) -> Result<NewSession, Refusal> {
        let shown = self.api_key_of_kind(token, kind, client).await?;
        let invalid = || Refusal::new(Denial::CredentialInvalid, "the token cannot become a session");
        if shown.is_bounded() {
            return Err(invalid());
        }
        let user = self.store().user(shown.user()).await.map_err(unknowable)?.ok_or_else(invalid)?;
        let life = self.policy().identify.sessions.absolute;
        let life = shown.ends_at().map_or(life, |at| at.since(self.now()).min(life));
        let proof = Proof::by_token(kind);
        let (cookie, session) = self.draft(user.id, SessionKind::Guest, proof, life, origin)?;
        let row = entry(Action::SignedIn, "session", &session.id, &user, origin).change("with", (), "token");
        let digest = opaque::digest(token);
        let most = self.policy().identify.sessions.max_per_user;
        if !self.store().begin_by_token(&digest, &session, most, vec![row]).await.map_err(unchanged)? {
            return Err(invalid());
        }
        if most.is_some() {
            self.revoke_user(user.id);
        }
        self.handed(&user, &session, cookie, origin)
    }
}
