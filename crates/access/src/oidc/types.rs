//! The library's types, with the few fields that it leaves to its users.

use std::collections::HashMap;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreClaimName, CoreClaimType, CoreClientAuthMethod,
    CoreErrorResponseType, CoreGenderClaim, CoreGrantType, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm, CoreResponseMode, CoreResponseType,
    CoreRevocableToken, CoreRevocationErrorResponse, CoreSubjectIdentifierType,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AdditionalProviderMetadata, Client, EmptyExtraTokenFields, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, IdToken, IdTokenClaims, IdTokenFields, ProviderMetadata,
    StandardErrorResponse, StandardTokenResponse, UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a discovery document says besides.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct MoreMetadata {
    /// Whether answers carry `iss` (RFC 9207 section 3).
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: Option<bool>,
    /// Where people sign out there (OpenID Connect RP-Initiated Logout 1.0, section 2.1): a URL, or whatever it sent.
    #[serde(default)]
    pub(super) end_session_endpoint: Option<Value>,
}

impl AdditionalProviderMetadata for MoreMetadata {}

/// What an ID token says besides.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct MoreClaims {
    /// At Google: the organisation that hosts the account.
    #[serde(default)]
    pub(super) hd: Option<String>,
    /// The provider's session (OpenID Connect Back-Channel Logout 1.0, section 2.1).
    #[serde(default)]
    pub(super) sid: Option<String>,
    /// All else, of any kind.
    #[serde(flatten)]
    pub(super) other: HashMap<String, Value>,
}

impl AdditionalClaims for MoreClaims {}

/// A discovery document, with the keys that it points to.
pub(super) type Metadata = ProviderMetadata<
    MoreMetadata,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// An ID token before it is believed.
pub(super) type Token =
    IdToken<MoreClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;

/// An ID token's claims, verified.
pub(super) type TokenClaims = IdTokenClaims<MoreClaims, CoreGenderClaim>;

/// What the user info endpoint says.
pub(super) type UserInfo = UserInfoClaims<MoreClaims, CoreGenderClaim>;

/// The answer of the token endpoint.
pub(super) type Tokens = StandardTokenResponse<
    IdTokenFields<
        MoreClaims,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;

/// This site as the provider's client.
pub(super) type Relying = Client<
    MoreClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;
