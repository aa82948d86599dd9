//! Sign-in at other sites: there and back (ID-6, ID-7).

use palisade_model::audit::Origin;
use palisade_model::{Action, Denial, Refusal, Secret, Token};
use palisade_store::{Identity, StoreError, User};

use crate::access::{Access, entry, unchanged, unknowable, unrandom};
use crate::letter::Notice;
use crate::name;
use crate::oidc::{Claims, LIFE, Provider, Transaction, printable};
use crate::principal::Principal;
use crate::service::sign_in::enter::{Entered, First};

/// How often another name is tried for a newcomer whose own is taken.
const NAMES: usize = 5;

/// The subject of the fixed user (ID-7).
const TEST_SUBJECT: &str = "palisade-test-user";

/// The way to a provider.
#[derive(Debug)]
pub struct Departure {
    /// The address there.
    pub location: String,
    /// What the browser keeps meanwhile: sealed, for [`Access::arrive`].
    pub cookie: String,
    /// How long it keeps it.
    pub life: std::time::Duration,
}

/// What comes back from a provider. All of it is hearsay until [`Access::arrive`] has looked at it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrival<'a> {
    /// The provider whose callback it is.
    pub provider: &'a str,
    /// What the browser kept.
    pub cookie: Option<&'a str>,
    /// `state`
    pub state: Option<&'a str>,
    /// `code`
    pub code: Option<&'a str>,
    /// `iss` (RFC 9207)
    pub iss: Option<&'a str>,
    /// `error` (RFC 6749 section 4.1.2.1)
    pub error: Option<&'a str>,
}

/// What came of it.
#[derive(Debug)]
pub enum Arrived {
    /// Somebody is in, or asked for a second factor; then the path to go on to.
    Entered(Entered, Option<String>),
    /// The account there is linked to whoever wanted it.
    Linked,
}

impl Access {
    /// The way to a provider, for somebody who wants to sign in by it, or, with `linking`, to link an account there to
    /// their own. `next` is a path of this site, which the caller has checked.
    ///
    /// # Errors
    /// [`Denial::RouteUnknown`] for a provider that is not in the policy; [`Denial::ProviderUnavailable`];
    /// [`Denial::ProofNeeded`] and [`Denial::SignInRequired`] where a link is wanted.
    pub async fn depart(
        &self,
        provider: &str,
        next: Option<String>,
        asking: Option<&Principal>,
        linking: bool,
        origin: &Origin,
    ) -> Result<Departure, Refusal> {
        let provider = self.provider(provider)?;
        if linking {
            self.fresh(asking.ok_or(Denial::SignInRequired)?)?;
        }
        let draw = || Token::generate(&*self.0.world.entropy).map_err(unrandom);
        let (state, nonce, verifier) = (draw()?, draw()?, draw()?);
        let transaction = Transaction {
            provider: provider.settings.name.clone(),
            nonce: nonce.expose().to_owned(),
            verifier: verifier.expose().to_owned(),
            next,
            former: asking
                .filter(|principal| principal.proven_at().is_some())
                .map(|principal| *principal.binding()),
            device: origin.device.as_ref().filter(|shown| self.0.lockouts.devices.reads(shown)).map(as_text),
            linking,
            expires_at: self.now().plus(LIFE).as_micros(),
        };
        let state = state.expose();
        let location = match &provider.settings.test_user {
            Some(_) => format!("{}?code=test&state={state}", provider.callback()),
            None => provider.way(state, &transaction, self.now()).await?,
        };
        let cookie = self.0.providers.sealer.seal(state, &transaction, &self.0.world);
        let cookie = cookie.map_err(|error| Refusal::new(Denial::Internal, error.to_string()))?;
        Ok(Departure { location, cookie, life: LIFE })
    }

    /// Lets in whoever comes back from a provider, makes their account if it is their first time, or links it.
    ///
    /// # Errors
    /// [`Denial::ProviderRefused`] for whatever is not this browser's, not this provider's, or not as it must be;
    /// [`Denial::ProviderAccount`], [`Denial::SignUpClosed`], [`Denial::LinkNeeded`] and [`Denial::IdentityTaken`] for
    /// who may not come; [`Denial::ProviderUnavailable`]; the store's failures.
    pub async fn arrive(&self, arrival: Arrival<'_>, origin: &Origin) -> Result<Arrived, Refusal> {
        let provider = self.provider(arrival.provider)?;
        let transaction = self.transaction(provider, &arrival).await?;
        let claims = self.claims(provider, &arrival, &transaction).await?;
        if !provider.welcomes(&claims) {
            return Err(Refusal::new(Denial::ProviderAccount, "the account is not of a listed domain"));
        }
        let former = self.former(&transaction).await?;
        let device = origin.device.clone().or_else(|| transaction.device.clone().map(Secret::new));
        let origin = &Origin { device, ..origin.clone() };
        if transaction.linking {
            let asking = former.ok_or_else(|| refused("the session that wanted the link is over"))?;
            self.link(provider, &claims, &asking, origin).await?;
            return Ok(Arrived::Linked);
        }
        let issuer = &provider.settings.issuer.text;
        let known = self.store().user_by_identity(issuer, &claims.subject).await.map_err(unknowable)?;
        let user = match known {
            Some(user) => user,
            None => self.newcomer(provider, &claims, origin).await?,
        };
        let user = self.follow(provider, &claims, user, origin).await?;
        let first = First::Provider {
            hint: self.hint(issuer, &claims)?,
            issuer: issuer.clone(),
            subject: claims.subject,
            sid: claims.sid,
            strong: claims.several_factors && provider.settings.trust_second_factor,
        };
        let entered = self.enter(&user, first, origin, former.as_ref()).await?;
        Ok(Arrived::Entered(entered, transaction.next))
    }

    /// Ends the sessions that a provider's logout token names (OpenID Connect Back-Channel Logout 1.0). How many.
    ///
    /// # Errors
    /// [`Denial::RouteUnknown`], [`Denial::ProviderRefused`], [`Denial::ProviderUnavailable`]; the store's failures.
    pub async fn provider_logout(
        &self,
        provider: &str,
        token: &str,
        origin: &Origin,
    ) -> Result<usize, Refusal> {
        let provider = self.provider(provider)?;
        let issuer = &provider.settings.issuer.text;
        let now = self.now();
        let logout = provider.logout(token, now).await?;
        let once = (digest_of(&["logout token", issuer, &logout.id]), logout.until);
        let row = palisade_model::AuditEvent::new(Action::SessionRevoked, "session", "").from(origin);
        let row = row.change("provider", serde_json::Value::Null, provider.settings.name.clone());
        let (subject, sid) = (logout.subject.as_deref(), logout.sid.as_deref());
        let ended = self.store().end_sessions_from(issuer, subject, sid, now, once, row).await;
        let ended = ended.map_err(unchanged)?.ok_or_else(|| refused("logout token: used before"))?;
        let subjects: Vec<_> = ended.iter().copied().map(palisade_store::Subject::Session).collect();
        self.revoke(&subjects);
        Ok(ended.len())
    }

    pub(crate) fn provider(&self, name: &str) -> Result<&Provider, Refusal> {
        self.0.providers.named(name).ok_or_else(|| Denial::RouteUnknown.into())
    }

    /// The transaction to which an answer belongs. It is used up, whatever comes of it.
    async fn transaction(&self, provider: &Provider, arrival: &Arrival<'_>) -> Result<Transaction, Refusal> {
        let state = arrival.state.ok_or_else(|| refused("the answer has no state"))?;
        let cookie = arrival.cookie.ok_or_else(|| refused("the browser has begun no sign-in"))?;
        let transaction = self.0.providers.sealer.open(state, cookie, self.now());
        let transaction =
            transaction.ok_or_else(|| refused("the state is not this browser's, or too old"))?;
        if transaction.provider != provider.settings.name {
            return Err(refused("the sign-in was begun at another provider"));
        }
        let once = digest_of(&["state", state]);
        if !self.store().spend(&once, self.now().plus(LIFE)).await.map_err(unchanged)? {
            return Err(refused("the answer was used before"));
        }
        Ok(transaction)
    }

    async fn claims(
        &self,
        provider: &Provider,
        arrival: &Arrival<'_>,
        transaction: &Transaction,
    ) -> Result<Claims, Refusal> {
        if let Some(email) = &provider.settings.test_user {
            return Ok(test_claims(email));
        }
        let now = self.now();
        provider.check_issuer(arrival.iss, now).await?;
        if arrival.error == Some("access_denied") {
            return Err(Refusal::new(Denial::ProviderCancelled, "the provider answered: access_denied"));
        }
        if let Some(error) = arrival.error {
            return Err(refused(format!("the provider answered: {}", printable(error))));
        }
        let code = arrival.code.ok_or_else(|| refused("the answer has no code"))?;
        provider.redeem(code, transaction, now).await
    }

    /// Whose session the browser had when it left, if that still lives.
    async fn former(&self, transaction: &Transaction) -> Result<Option<Principal>, Refusal> {
        let Some(digest) = &transaction.former else { return Ok(None) };
        let found = self.store().session(digest).await.map_err(unknowable)?;
        let lives =
            found.filter(|(session, user)| user.enabled && self.0.sessions.lives(session, self.now()));
        Ok(lives.map(|(session, user)| Principal::of_session(&user, &session, self.policy())))
    }

    /// An account for somebody who comes for the first time. One that has their address already is never theirs by
    /// that alone: whoever made it may have known the address only.
    async fn newcomer(&self, provider: &Provider, claims: &Claims, origin: &Origin) -> Result<User, Refusal> {
        let email = claims.verified_email.as_deref().and_then(name::parse_email);
        if let Some(email) = &email
            && let Some(holder) = self.store().user_by_login(email).await.map_err(unknowable)?
        {
            return self.reclaim(provider, claims, holder, origin).await;
        }
        if !provider.settings.sign_up {
            return Err(Denial::SignUpClosed.into());
        }
        let wish = name_of(claims, email.as_deref());
        let now = self.now();
        let mut user = User {
            id: self.new_user_id().map_err(unrandom)?,
            name: wish.clone(),
            email_verified_at: email.as_ref().map(|_| now),
            email,
            tenant: None,
            roles: self.policy().roles.names_of(provider.settings.default_roles).map(str::to_owned).collect(),
            password: None,
            password_at: None,
            enabled: true,
            created_at: now,
        };
        let identity = self.identity(provider, claims, &user);
        for _ in 0..NAMES {
            let rows = vec![
                entry(Action::UserCreated, "user", &user.id, &user, origin),
                linked(&identity, &user, origin),
            ];
            match self.store().create_user_from(&user, &identity, rows).await {
                Ok(()) => return Ok(user),
                Err(StoreError::Taken { what: "name" }) => {
                    let token = Token::generate(&*self.0.world.entropy).map_err(unrandom)?;
                    let tail: String =
                        token.expose().chars().filter(char::is_ascii_alphanumeric).take(6).collect();
                    user.name = format!("{wish}-{}", tail.to_lowercase());
                }
                // Between the look and the making.
                Err(StoreError::Taken { .. }) => {
                    return Err(Refusal::new(Denial::LinkNeeded, "an account has the address already"));
                }
                Err(error) => return Err(unchanged(error)),
            }
        }
        Err(Refusal::new(Denial::Internal, "no name is free"))
    }

    /// The address's owner, as the provider vouches, gets an account that somebody registered with it and that nobody
    /// confirmed; whatever let that somebody in is gone. Only one that gives no more than registering does: any other
    /// has a history that an address alone does not answer for.
    async fn reclaim(
        &self,
        provider: &Provider,
        claims: &Claims,
        holder: User,
        origin: &Origin,
    ) -> Result<User, Refusal> {
        let taken = || Refusal::new(Denial::LinkNeeded, "an account has the address already");
        let open = self.is_plain(&holder) && holder.enabled && provider.settings.sign_up;
        if !open || holder.email_verified_at.is_some() {
            return Err(taken());
        }
        // An address must not get round a second factor (ID-17), unless it may be a stranger's.
        let factors = self.store().factors(holder.id).await.map_err(unknowable)?;
        if factors.any() && !self.is_anybodys(&holder) {
            return Err(taken());
        }
        self.take_over(provider, claims, holder, origin).await
    }

    /// Hands an account whose address nobody had confirmed to whoever comes by that account elsewhere: password,
    /// sessions, tokens, second factors and accounts elsewhere of whoever made it are gone.
    async fn take_over(
        &self,
        provider: &Provider,
        claims: &Claims,
        holder: User,
        origin: &Origin,
    ) -> Result<User, Refusal> {
        let now = self.now();
        let identity = self.identity(provider, claims, &holder);
        let row = entry(Action::UserChanged, "user", &holder.id, &holder, origin);
        let rows = vec![row.change("taken_over", false, true), linked(&identity, &holder, origin)];
        match self.store().take_over(&holder, &identity, now, rows).await {
            Ok(()) => {}
            Err(StoreError::Taken { .. }) => return Err(anothers()),
            Err(error) => return Err(unchanged(error)),
        }
        self.revoke_user(holder.id);
        self.notify(&holder, linked_notice(provider), origin).await;
        Ok(User { password: None, password_at: None, email_verified_at: Some(now), ..holder })
    }

    async fn link(
        &self,
        provider: &Provider,
        claims: &Claims,
        asking: &Principal,
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let user = self.store().user(asking.user()).await.map_err(unknowable)?;
        self.attach(provider, claims, &user.ok_or(Denial::CredentialInvalid)?, origin).await
    }

    async fn attach(
        &self,
        provider: &Provider,
        claims: &Claims,
        user: &User,
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let identity = self.identity(provider, claims, user);
        let row = linked(&identity, user, origin);
        match self.store().link_identity(&identity, vec![row]).await {
            Ok(()) => {
                self.notify(user, linked_notice(provider), origin).await;
                Ok(())
            }
            Err(StoreError::Taken { .. }) => {
                let owner = self.store().user_by_identity(&identity.issuer, &identity.subject).await;
                match owner.map_err(unknowable)? {
                    Some(owner) if owner.id == user.id => Ok(()),
                    _ => Err(anothers()),
                }
            }
            Err(error) => Err(unchanged(error)),
        }
    }

    fn identity(&self, provider: &Provider, claims: &Claims, user: &User) -> Identity {
        Identity {
            issuer: provider.settings.issuer.text.clone(),
            subject: claims.subject.clone(),
            user: user.id,
            provider: provider.settings.name.clone(),
            email: claims.shown_email.as_deref().and_then(name::parse_email),
            linked_at: self.now(),
            last_used: None,
        }
    }
}

fn as_text(secret: &Secret) -> String {
    secret.expose().to_owned()
}

fn refused(why: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(Denial::ProviderRefused, why)
}

fn anothers() -> Refusal {
    Refusal::new(Denial::IdentityTaken, "the account elsewhere is another user's")
}

fn linked_notice(provider: &Provider) -> Notice {
    Notice::IdentityLinked { provider: provider.settings.label.clone() }
}

/// Parts of any length, without one reading as another's.
fn digest_of(parts: &[&str]) -> [u8; 32] {
    let digests: Vec<[u8; 32]> =
        parts.iter().map(|part| palisade_model::digest::sha256(&[part.as_bytes()])).collect();
    let digests: Vec<&[u8]> = digests.iter().map(<[u8; 32]>::as_slice).collect();
    palisade_model::digest::sha256(&digests)
}

/// The subject is personal: it stands with the changes.
fn linked(identity: &Identity, user: &User, origin: &Origin) -> palisade_model::AuditEvent {
    entry(Action::IdentityLinked, "identity", &identity.provider, user, origin).change(
        "subject",
        serde_json::Value::Null,
        identity.subject.clone(),
    )
}

/// A sign-in name: of their address, or what the provider calls them. It need not be free.
fn name_of(claims: &Claims, email: Option<&str>) -> String {
    let local = email.and_then(|email| email.split('@').next());
    let mut wishes = [local, claims.name.as_deref()].into_iter().flatten().filter_map(|wish| {
        let fits: String =
            wish.chars().filter(|c| c.is_alphanumeric() || ".-_+".contains(*c)).take(40).collect();
        name::parse_name(fits.trim_start_matches(|c: char| !c.is_alphanumeric()))
            .filter(|name| name::reads_plainly(name))
    });
    wishes.next().unwrap_or_else(|| "user".to_owned())
}

/// Who everybody is in automatic tests (ID-7).
fn test_claims(email: &str) -> Claims {
    Claims {
        subject: TEST_SUBJECT.to_owned(),
        verified_email: Some(email.to_owned()),
        shown_email: Some(email.to_owned()),
        name: None,
        sid: None,
        hosted_domain: email.rsplit_once('@').map(|(_, domain)| domain.to_lowercase()),
        several_factors: false,
        roles: None,
        token: None,
    }
}
