//! What follows a provider: roles at each sign-in by it, and the sign-out there (ID-6).

use std::time::Duration;

use palisade_model::audit::Origin;
use palisade_model::{Action, Denial, Refusal, Timestamp};
use palisade_store::{Source, StoreError, User};

use crate::access::{Access, entry, unchanged, unknowable};
use crate::oidc::{Claims, Provider};
use crate::principal::{Principal, Via};

/// How often roles are looked at again that somebody changes at the same moment.
const TRIES: usize = 3;

/// Whoever signs out does not wait longer for a provider to say where to.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long somebody may take to sign out there.
const AWAY: Duration = Duration::from_secs(10 * 60);

/// Where a provider sends people back to who have signed out there: to be registered with it.
const BACK: &str = "/auth/signed-out";

/// What somebody has after a sign-in, of what they had, what the provider gave before and what it gives now; and which
/// of it is the provider's. A role that somebody was given here is theirs, whatever the provider says.
fn followed(had: &[String], before: &[String], now: &[String]) -> (Vec<String>, Vec<String>) {
    let gone = |role: &&String| before.contains(role) && !now.contains(role);
    let mut roles: Vec<String> = had.iter().filter(|role| !gone(role)).cloned().collect();
    let mut given: Vec<String> = before.iter().filter(|role| now.contains(role)).cloned().collect();
    for role in now {
        if !roles.contains(role) {
            roles.push(role.clone());
            if !given.contains(role) {
                given.push(role.clone());
            }
        }
    }
    (roles, given)
}

impl Access {
    /// Gives what the provider's groups give, and takes away what they gave before. The user as they are now.
    pub(super) async fn follow(
        &self,
        provider: &Provider,
        claims: &Claims,
        user: User,
        origin: &Origin,
    ) -> Result<User, Refusal> {
        let Some(told) = claims.roles.filter(|_| user.enabled) else { return Ok(user) };
        let now: Vec<String> = self.policy().roles.names_of(told).map(str::to_owned).collect();
        let from = (provider.settings.issuer.text.as_str(), claims.subject.as_str());
        let mut user = user;
        for _ in 0..TRIES {
            let before = self.store().roles_by(from.0, from.1, user.id).await.map_err(unchanged)?;
            let (roles, given) = followed(&user.roles, &before, &now);
            if roles == user.roles && given == before {
                return Ok(user);
            }
            let row = entry(Action::UserChanged, "user", &user.id, &user, origin)
                .change("roles", user.roles.clone(), roles.clone())
                .change("provider", serde_json::Value::Null, provider.settings.name.clone());
            let rows = if roles == user.roles { Vec::new() } else { vec![row] };
            match self.store().follow_roles(&user, &roles, from, &given, rows).await {
                Ok(()) => {
                    self.revoke_user(user.id);
                    user.roles = roles;
                    return Ok(user);
                }
                Err(StoreError::Taken { .. }) => {
                    let again = self.store().user(user.id).await.map_err(unknowable)?;
                    user = again.ok_or(Denial::CredentialInvalid)?;
                }
                Err(error) => return Err(unchanged(error)),
            }
        }
        Err(Refusal::new(Denial::Internal, "somebody else changes the same roles"))
    }

    /// What the provider wants to see at sign-out, sealed for the store.
    pub(super) fn hint(&self, issuer: &str, claims: &Claims) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(token) = &claims.token else { return Ok(None) };
        let sealed = self.0.providers.sealer.seal_for(
            &whose(issuer, &claims.subject),
            token.as_bytes(),
            &self.0.world,
        );
        sealed.map(Some).map_err(|error| Refusal::new(Denial::Internal, error.to_string()))
    }

    /// Signs out here, whatever becomes of the rest. Then the address at the provider at which the sign-in began, where
    /// the policy wants people to sign out there too and the provider offers it.
    ///
    /// # Errors
    /// As [`Access::sign_out`].
    pub async fn sign_out_and_on(
        &self,
        principal: &Principal,
        origin: &Origin,
    ) -> Result<Option<String>, Refusal> {
        let began = match principal.via() {
            Via::Session(id) => self.store().began_by(id).await.ok().flatten(),
            Via::Token(_) | Via::Key(_) => None,
        };
        self.sign_out(principal, origin).await?;
        let Some(began) = began else { return Ok(None) };
        Ok(tokio::time::timeout(PATIENCE, self.way_out(&began)).await.ok().flatten())
    }

    async fn way_out(&self, began: &Source) -> Option<String> {
        let provider = self.0.providers.of_issuer(&began.issuer)?;
        if !provider.settings.sign_out_there {
            return None;
        }
        let sealer = &self.0.providers.sealer;
        let whose = whose(&began.issuer, &began.subject);
        let hint = began.hint.as_deref().and_then(|sealed| sealer.open_for(&whose, sealed));
        let hint = hint.as_ref().and_then(|hint| std::str::from_utf8(hint).ok());
        let back = format!("{}{BACK}", self.policy().app.base_url.origin);
        let now = self.now();
        provider.way_out(hint, &back, &sealer.state(now.plus(AWAY))?, now).await
    }

    /// Whether that is a state with which this site sent somebody away to sign out.
    #[must_use]
    pub fn sent_away(&self, state: &str) -> bool {
        self.0.providers.sealer.sent(state, Timestamp::from_micros(self.now().as_micros()))
    }
}

fn whose(issuer: &str, subject: &str) -> String {
    format!("{issuer}\n{subject}")
}

#[cfg(test)]
mod tests {
    use super::followed;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    // proves: ID-6
    #[test]
    fn what_the_provider_gave_follows_it_and_what_was_given_here_stays() {
        for (had, before, now, roles, given) in [
            ("user", "", "", "user", ""),
            ("user", "", "admin", "user admin", "admin"),
            ("user admin", "admin", "admin", "user admin", "admin"),
            ("user admin", "admin", "", "user", ""),
            ("user admin", "", "admin", "user admin", ""),
            ("user admin", "", "", "user admin", ""),
            ("user", "admin", "admin", "user admin", "admin"),
            ("user admin", "admin", "auditor", "user auditor", "auditor"),
        ] {
            let (had, before, now) = (names(had), names(before), names(now));
            assert_eq!(
                followed(&had, &before, &now),
                (names(roles), names(given)),
                "{had:?} {before:?} {now:?}"
            );
        }
    }
}
