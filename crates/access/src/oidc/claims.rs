//! The flow itself: the way to the provider, and what is believed of those who come back from it.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use openidconnect::core::{
    CoreAuthenticationFlow, CoreIdTokenVerifier, CoreJwsSigningAlgorithm as Algorithm,
};
use openidconnect::{
    AccessToken, AccessTokenHash, AuthorizationCode, ClaimsVerificationError, ClientId, CsrfToken,
    IdTokenVerifier, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RequestTokenError,
    Scope, SignatureVerificationError, TokenResponse,
};
use palisade_model::{Denial, Refusal, Timestamp};
use palisade_policy::section::authorize::RoleSet;
use palisade_policy::section::identify::{GOOGLE_ISSUER, OutsideRoles};
use serde_json::Value;

use super::provider::{Provider, printable, said, unavailable};
use super::transaction::Transaction;
use super::types::{Metadata, Relying, Token, TokenClaims, Tokens, UserInfo};

/// The algorithms that count, where the provider says that it uses them: asymmetric ones, never `none`.
const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::RsaSsaPkcs1V15Sha256,
    Algorithm::EcdsaP256Sha256,
    Algorithm::EdDsa,
    Algorithm::RsaSsaPssSha256,
];

/// How far the provider's clock may be from ours.
const SKEW: Duration = Duration::from_secs(60);

/// An ID token is made while somebody waits for it.
const OLDEST: Duration = Duration::from_secs(10 * 60);

/// The longest subject (OpenID Connect Core 1.0, section 2).
const LONGEST_SUBJECT: usize = 255;

/// What the provider says of somebody, verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    /// Who there.
    pub(crate) subject: String,
    /// Their address, if it is one and the provider says that it has verified it.
    pub(crate) verified_email: Option<String>,
    /// Their address, whoever it belongs to: to be shown, never to be matched.
    pub(crate) shown_email: Option<String>,
    /// What they would like to be called.
    pub(crate) name: Option<String>,
    /// The provider's session.
    pub(crate) sid: Option<String>,
    /// The organisation that hosts the account (Google).
    pub(crate) hosted_domain: Option<String>,
    /// Whether the provider asked for more than one factor (RFC 8176).
    pub(crate) several_factors: bool,
    /// What their groups give here, where the policy lets groups give anything.
    pub(crate) roles: Option<RoleSet>,
    /// The ID token itself, where the provider will want to see it at sign-out.
    pub(crate) token: Option<String>,
}

/// The roles for the groups of a claim: a text or a list of texts, compared letter by letter. Whatever else it is
/// names no group.
fn roles_of(rule: &OutsideRoles, claim: Option<&Value>) -> RoleSet {
    let groups: HashSet<&str> = match claim {
        Some(Value::String(group)) => HashSet::from([group.as_str()]),
        Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).collect(),
        _ => HashSet::new(),
    };
    rule.given(|group| groups.contains(group))
}

/// The algorithms that count at this provider.
pub(super) fn allowed(metadata: &Metadata) -> impl Iterator<Item = Algorithm> {
    let said = metadata.id_token_signing_alg_values_supported();
    ALGORITHMS.into_iter().filter(move |algorithm| said.contains(algorithm))
}

/// Something in the answer is not as it must be.
pub(super) fn refused(why: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(Denial::ProviderRefused, why)
}

impl Provider {
    /// The address at the provider where a sign-in begins.
    ///
    /// # Errors
    /// [`Denial::ProviderUnavailable`].
    pub(crate) async fn way(&self, state: &str, of: &Transaction, now: Timestamp) -> Result<String, Refusal> {
        let metadata = self.metadata(now).await?;
        let (state, nonce) = (CsrfToken::new(state.to_owned()), Nonce::new(of.nonce.clone()));
        let challenge =
            PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(of.verifier.clone()));
        let scopes = self.settings.scopes.iter().filter(|scope| *scope != "openid").cloned().map(Scope::new);
        let relying = self.relying(&metadata)?;
        let (url, ..) = relying
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, move || state, move || nonce)
            .add_scopes(scopes)
            .set_pkce_challenge(challenge)
            .url();
        Ok(url.into())
    }

    /// Whether the answer is this provider's, by the `iss` beside the code (RFC 9207 section 2.4).
    ///
    /// # Errors
    /// [`Denial::ProviderRefused`].
    pub(crate) async fn check_issuer(&self, iss: Option<&str>, now: Timestamp) -> Result<(), Refusal> {
        match iss {
            Some(iss) if iss == self.settings.issuer.text => Ok(()),
            Some(_) => Err(refused("the answer names another issuer")),
            None => {
                let metadata = self.metadata(now).await?;
                match metadata.additional_metadata().authorization_response_iss_parameter_supported {
                    Some(true) => Err(refused("the answer names no issuer, though the provider always does")),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Exchanges the code, and verifies what comes for it.
    ///
    /// # Errors
    /// [`Denial::ProviderUnavailable`], and [`Denial::ProviderRefused`] for whatever is not as it must be.
    pub(crate) async fn redeem(
        &self,
        code: &str,
        transaction: &Transaction,
        now: Timestamp,
    ) -> Result<Claims, Refusal> {
        let metadata = self.metadata(now).await?;
        let relying = self.relying(&metadata)?;
        let tokens = self.exchange(&relying, code, &transaction.verifier).await?;
        let token = tokens.id_token().ok_or_else(|| refused("the provider sent no ID token"))?;
        let nonce = Nonce::new(transaction.nonce.clone());
        let claims = match self.verified(&metadata, token, tokens.access_token(), &nonce, now) {
            Err(Fault::UnknownKey) => match self.newer_keys(now).await {
                Some(newer) => self.verified(&newer, token, tokens.access_token(), &nonce, now),
                None => Err(Fault::UnknownKey),
            },
            other => other,
        };
        let claims = claims.map_err(|fault| refused(fault.why()))?;
        let mut told = self.told(&claims);
        told.token = self.settings.sign_out_there.then(|| token.to_string());
        // Many tell groups at that endpoint alone, too.
        let groups = self.settings.roles.as_ref().map(|rule| &rule.claim);
        let unsaid = groups.is_some_and(|claim| !claims.additional_claims().other.contains_key(claim));
        if (told.shown_email.is_none() || unsaid) && metadata.userinfo_endpoint().is_some() {
            self.ask_for_more(&relying, &claims, tokens.access_token(), &mut told).await?;
        }
        Ok(told)
    }

    async fn exchange(&self, relying: &Relying, code: &str, verifier: &str) -> Result<Tokens, Refusal> {
        let request = relying
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|_| unavailable("the provider has no token endpoint"))?
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()));
        let sender = self.sender();
        Box::pin(request.request_async(&sender)).await.map_err(|error| match error {
            RequestTokenError::ServerResponse(answer) => {
                refused(format!("the provider refused the code: {}", printable(answer.error().as_ref())))
            }
            RequestTokenError::Request(error) => unavailable(said(&error)),
            // What was sent may hold tokens: it is not repeated.
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                refused("the token endpoint's answer cannot be read")
            }
        })
    }

    fn verified(
        &self,
        metadata: &Metadata,
        token: &Token,
        access: &AccessToken,
        nonce: &Nonce,
        now: Timestamp,
    ) -> Result<TokenClaims, Fault> {
        let verifier = self.verifier(metadata, now);
        let claims = token.claims(&verifier, nonce).map_err(Fault::of)?;
        let party = claims.authorized_party().map(|party| party.as_str());
        if party.is_some_and(|party| party != self.settings.client_id) {
            return Err(Fault::Wrong("ID token: issued to another party (azp)".into()));
        }
        if let Some(expected) = claims.access_token_hash() {
            let (algorithm, key) = (token.signing_alg(), token.signing_key(&verifier));
            let (Ok(algorithm), Ok(key)) = (algorithm, key) else { return Err(Fault::UnknownKey) };
            let found = AccessTokenHash::from_token(access, algorithm, key);
            if found.ok().as_ref() != Some(expected) {
                return Err(Fault::Wrong("ID token: another access token's (at_hash)".into()));
            }
        }
        let subject = claims.subject().as_str();
        if subject.is_empty() || subject.len() > LONGEST_SUBJECT || subject.contains('\0') {
            return Err(Fault::Wrong("ID token: no subject, or one too long".into()));
        }
        Ok(claims.clone())
    }

    /// Without the client's secret: a signature by it would prove nothing that a stolen secret could not forge.
    fn verifier<'v>(&self, metadata: &Metadata, now: Timestamp) -> CoreIdTokenVerifier<'v> {
        let id = ClientId::new(self.settings.client_id.clone());
        let (latest, earliest) = (at(now.plus(SKEW)), at(back(now, OLDEST)));
        IdTokenVerifier::new_public_client(id, metadata.issuer().clone(), metadata.jwks().clone())
            .set_allowed_algs(allowed(metadata))
            .set_time_fn(move || at(back(now, SKEW)))
            .set_issue_time_verifier_fn(move |issued| {
                if issued > latest {
                    Err("it was issued in the future".to_owned())
                } else if issued < earliest {
                    Err("it was issued too long ago".to_owned())
                } else {
                    Ok(())
                }
            })
    }

    fn told(&self, claims: &TokenClaims) -> Claims {
        let email = claims.email().map(|email| email.as_str());
        let more = claims.additional_claims();
        let methods = claims.auth_method_refs();
        Claims {
            subject: claims.subject().as_str().to_owned(),
            verified_email: self.believed(email, claims.email_verified()),
            shown_email: email.map(str::to_owned),
            name: claims.preferred_username().map(|name| name.as_str().to_owned()),
            sid: more.sid.clone().filter(|sid| !sid.is_empty() && sid.len() <= LONGEST_SUBJECT),
            hosted_domain: more.hd.as_ref().map(|domain| domain.to_lowercase()),
            several_factors: methods.is_some_and(|all| all.iter().any(|method| method.as_str() == "mfa")),
            roles: self.settings.roles.as_ref().map(|rule| roles_of(rule, more.other.get(&rule.claim))),
            token: None,
        }
    }

    /// Many providers tell an address at this endpoint alone (OpenID Connect Core 1.0, section 5.4).
    async fn ask_for_more(
        &self,
        relying: &Relying,
        claims: &TokenClaims,
        access: &AccessToken,
        told: &mut Claims,
    ) -> Result<(), Refusal> {
        let request = relying
            .user_info(access.clone(), Some(claims.subject().clone()))
            .map_err(|_| unavailable("the provider has no user info endpoint"))?;
        let sender = self.sender();
        let info: UserInfo = Box::pin(request.request_async(&sender))
            .await
            .map_err(|_| refused("the user info cannot be read, or is another subject's"))?;
        if told.shown_email.is_none() {
            let email = info.email().map(|email| email.as_str());
            told.verified_email = self.believed(email, info.email_verified());
            told.shown_email = email.map(str::to_owned);
        }
        if let Some(rule) = &self.settings.roles {
            let (token, info) = (&claims.additional_claims().other, &info.additional_claims().other);
            told.roles = Some(roles_of(rule, token.get(&rule.claim).or_else(|| info.get(&rule.claim))));
        }
        let name = info.preferred_username().map(|name| name.as_str().to_owned());
        told.name = told.name.take().or(name);
        Ok(())
    }

    fn believed(&self, email: Option<&str>, verified: Option<bool>) -> Option<String> {
        email.filter(|_| self.settings.trust_email && verified == Some(true)).map(str::to_owned)
    }

    /// Whether somebody of that account may come at all.
    pub(crate) fn welcomes(&self, claims: &Claims) -> bool {
        let domains = &self.settings.domains;
        if domains.is_empty() {
            return true;
        }
        let of = |email: &String| email.rsplit_once('@').map(|(_, domain)| domain.to_lowercase());
        let by_address = claims.verified_email.as_ref().and_then(of).is_some_and(|d| domains.contains(&d));
        // A consumer account can have an address of the domain, and keep it when its owner has left.
        let hosted = claims.hosted_domain.as_ref().is_some_and(|domain| domains.contains(domain));
        by_address && (self.settings.issuer.text != GOOGLE_ISSUER || hosted)
    }
}

/// Why an ID token is not believed.
enum Fault {
    UnknownKey,
    Wrong(String),
}

impl Fault {
    #[expect(clippy::needless_pass_by_value, reason = "what map_err hands over")]
    fn of(error: ClaimsVerificationError) -> Self {
        if let ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) =
            error
        {
            return Self::UnknownKey;
        }
        Self::Wrong(format!("ID token: {}", said(&error)))
    }

    fn why(self) -> String {
        match self {
            Self::UnknownKey => "ID token: signed by a key that is not the provider's".to_owned(),
            Self::Wrong(why) => why,
        }
    }
}

fn at(time: Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time.as_micros()).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn back(time: Timestamp, span: Duration) -> Timestamp {
    Timestamp::from_micros(
        time.as_micros().saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
    )
}
