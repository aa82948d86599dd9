//! The rows of Palisade's own services, in front of the policy's.

use std::time::Duration;

use http::{HeaderValue, Method};

use super::{Legacy, Methods, Proof, Route, Service, Target};
use crate::section::authorize::{Access, Who};
use crate::section::csrf::CsrfRule;

/// Which of the standing limits count.
#[derive(Clone, Copy)]
enum Counted {
    /// Neither: probes and assets have to work when nothing else does.
    Nothing,
    /// The default.
    Default,
    /// The default and the one for sign-in.
    SignIn,
}

/// Who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Everybody.
    Public,
    /// Whoever is signed in.
    SignedIn,
    /// Whoever has the policy's role of administrators.
    Administrator,
}

struct Own(&'static [&'static str], &'static str, Service, Caller, CsrfRule, Counted);

const GET: &[&str] = &["GET"];
const POST: &[&str] = &["POST"];
const DELETE: &[&str] = &["DELETE"];

use Caller::{Administrator, Public, SignedIn};
use Counted::{Default as Usual, Nothing, SignIn};
use CsrfRule::{Origin, Token};
use Service::{Assets, Description, Health, Identity, Keys};

/// Sign-in and its like check the origin of everybody, so that nobody is signed in as somebody else
/// from a foreign page; what a session authenticates takes the token as well. Whatever tries a password or
/// tells whether a name is taken counts as an attempt to sign in.
const ROWS: &[Own] = &[
    Own(GET, "/auth/login", Identity, Public, Origin, Usual),
    Own(POST, "/auth/login", Identity, Public, Origin, SignIn),
    Own(GET, "/auth/register", Identity, Public, Origin, Usual),
    Own(POST, "/auth/register", Identity, Public, Origin, SignIn),
    Own(POST, "/auth/passkey", Identity, Public, Origin, SignIn),
    Own(GET, "/auth/second", Identity, Public, Origin, Usual),
    Own(POST, "/auth/second", Identity, Public, Origin, SignIn),
    Own(GET, "/auth/confirm", Identity, SignedIn, Token, Usual),
    Own(POST, "/auth/confirm", Identity, SignedIn, Token, SignIn),
    Own(POST, "/auth/logout", Identity, SignedIn, Token, Usual),
    Own(GET, "/auth/signed-out", Identity, Public, Origin, Usual),
    Own(&["GET", "POST"], "/auth/link/{token}", Identity, Public, Origin, Usual),
    Own(GET, "/auth/oidc/{name}", Identity, Public, Origin, Usual),
    Own(GET, "/auth/callback/{name}", Identity, Public, Origin, Usual),
    // A provider's server: its signature is the credential, and no cookie counts.
    Own(POST, "/auth/oidc/{name}/backchannel-logout", Identity, Public, CsrfRule::Off, Usual),
    Own(POST, "/account/visit/end", Identity, SignedIn, Token, Usual),
    Own(GET, "/api/v1/auth/identities", Identity, SignedIn, Token, Usual),
    Own(POST, "/api/v1/auth/identities/link", Identity, SignedIn, Token, Usual),
    Own(POST, "/api/v1/auth/identities/unlink", Identity, SignedIn, Token, Usual),
    Own(POST, "/account/identities/link", Identity, SignedIn, Token, Usual),
    Own(POST, "/account/identities/unlink", Identity, SignedIn, Token, Usual),
    Own(GET, "/auth/forgot-password", Identity, Public, Origin, Usual),
    Own(POST, "/auth/forgot-password", Identity, Public, Origin, SignIn),
    Own(GET, "/auth/reset-password/{token}", Identity, Public, Origin, Usual),
    Own(POST, "/auth/reset-password/{token}", Identity, Public, Origin, SignIn),
    Own(GET, "/auth/confirm/{token}", Identity, Public, Origin, Usual),
    Own(POST, "/auth/confirm/{token}", Identity, Public, Origin, SignIn),
    Own(POST, "/account/email", Identity, SignedIn, Token, SignIn),
    Own(GET, "/account/email/{token}", Identity, SignedIn, Token, Usual),
    Own(POST, "/account/email/{token}", Identity, SignedIn, Token, Usual),
    Own(POST, "/api/v1/auth/forgot-password", Identity, Public, Origin, SignIn),
    Own(POST, "/api/v1/auth/reset-password", Identity, Public, Origin, SignIn),
    Own(POST, "/auth/api_login", Identity, Public, Origin, SignIn),
    Own(POST, "/auth/api_signup", Identity, Public, Origin, SignIn),
    Own(POST, "/auth/api_forgot_password", Identity, Public, Origin, SignIn),
    Own(POST, "/api/login", Identity, Public, Origin, SignIn),
    Own(POST, "/api/signup", Identity, Public, Origin, SignIn),
    Own(POST, "/api/forgot_password", Identity, Public, Origin, SignIn),
    Own(GET, "/account", Identity, SignedIn, Token, Usual),
    Own(GET, "/account/security", Identity, SignedIn, Token, Usual),
    Own(GET, "/account/sessions", Identity, SignedIn, Token, Usual),
    Own(GET, "/account/factors", Identity, SignedIn, Token, Usual),
    Own(POST, "/account/factors/app", Identity, SignedIn, Token, Usual),
    Own(POST, "/account/factors/app/confirm", Identity, SignedIn, Token, Usual),
    Own(POST, "/account/factors/app/remove", Identity, SignedIn, Token, Usual),
    Own(POST, "/account/factors/passkey", Identity, SignedIn, Token, Usual),
    Own(POST, "/account/factors/passkey/challenge", Identity, SignedIn, Token, Usual),
    Own(POST, "/account/factors/passkey/remove", Identity, SignedIn, Token, Usual),
    Own(POST, "/account/factors/codes", Identity, SignedIn, Token, Usual),
    Own(POST, "/account/password", Identity, SignedIn, Token, SignIn),
    Own(POST, "/account/sessions/end", Identity, SignedIn, Token, Usual),
    Own(POST, "/api/v1/auth/login", Identity, Public, Origin, SignIn),
    Own(POST, "/api/v1/auth/register", Identity, Public, Origin, SignIn),
    Own(POST, "/api/v1/auth/second", Identity, Public, Origin, SignIn),
    Own(POST, "/api/v1/auth/second/challenge", Identity, Public, Origin, Usual),
    Own(POST, "/api/v1/auth/passkey", Identity, Public, Origin, SignIn),
    Own(POST, "/api/v1/auth/passkey/challenge", Identity, Public, Origin, Usual),
    Own(POST, "/api/v1/auth/confirm", Identity, SignedIn, Token, SignIn),
    Own(POST, "/api/v1/auth/confirm/challenge", Identity, SignedIn, Token, Usual),
    Own(POST, "/api/v1/auth/refresh", Identity, Public, Origin, Usual),
    Own(POST, "/api/v1/auth/logout", Identity, SignedIn, Token, Usual),
    Own(GET, "/api/v1/auth/me", Identity, SignedIn, Token, Usual),
    Own(GET, "/api/v1/auth/csrf", Identity, SignedIn, Token, Usual),
    Own(GET, "/api/v1/auth/sessions", Identity, SignedIn, Token, Usual),
    Own(DELETE, "/api/v1/auth/sessions", Identity, SignedIn, Token, Usual),
    Own(DELETE, "/api/v1/auth/sessions/{id}", Identity, SignedIn, Token, Usual),
    Own(&["GET", "POST"], "/account/keys", Identity, SignedIn, Token, Usual),
    Own(POST, "/account/keys/end", Identity, SignedIn, Token, Usual),
    Own(&["GET", "POST"], "/api/v1/auth/keys", Identity, SignedIn, Token, Usual),
    Own(DELETE, "/api/v1/auth/keys/{id}", Identity, SignedIn, Token, Usual),
    Own(POST, "/api/v1/auth/keys/{id}/rotate", Identity, SignedIn, Token, Usual),
    Own(GET, "/auth/breakglass", Identity, Public, Origin, Usual),
    Own(POST, "/auth/breakglass", Identity, Public, Origin, SignIn),
    Own(GET, REGISTER, Identity, Public, Origin, Usual),
    Own(POST, REGISTER, Identity, Public, Origin, SignIn),
    Own(GET, "/api/v1/admin/keys", Identity, Administrator, Token, Usual),
    Own(POST, "/api/v1/admin/keys/{id}/disable", Identity, Administrator, Token, Usual),
    Own(POST, "/api/v1/admin/keys/{id}/enable", Identity, Administrator, Token, Usual),
    Own(GET, "/api/v1/admin/users", Identity, Administrator, Token, Usual),
    Own(&["GET", "DELETE"], "/api/v1/admin/users/{id}/sessions", Identity, Administrator, Token, Usual),
    Own(DELETE, "/api/v1/admin/users/{id}/factors", Identity, Administrator, Token, Usual),
    Own(DELETE, "/api/v1/admin/users/{id}/sessions/{sid}", Identity, Administrator, Token, Usual),
    Own(POST, "/api/v1/admin/unlock", Identity, Administrator, Token, Usual),
    Own(GET, "/healthz", Health, Public, Token, Nothing),
    Own(GET, "/readyz", Health, Public, Token, Nothing),
    Own(GET, "/health", Health, Public, Token, Nothing),
    Own(GET, "/api/health", Health, Public, Token, Nothing),
    Own(GET, "/api/v1/health", Health, Public, Token, Nothing),
    Own(GET, "/.well-known/jwks.json", Keys, Public, Token, Usual),
    Own(GET, "/api/v1/openapi.json", Description, Public, Token, Usual),
    Own(GET, "/.palisade/assets/{file}", Assets, Public, Token, Nothing),
];

/// What is open to whoever still has to set up a second factor (ID-17): the way in, the way out, and no more.
const ENROLS: &[&str] = &[
    "/auth/login",
    "/auth/logout",
    "/auth/passkey",
    "/auth/second",
    "/auth/confirm",
    "/account/factors",
    "/account/factors/app",
    "/account/factors/app/confirm",
    "/account/factors/passkey",
    "/account/factors/passkey/challenge",
    "/api/v1/auth/logout",
    "/api/v1/auth/me",
    "/api/v1/auth/csrf",
    "/api/v1/auth/confirm",
    "/api/v1/auth/confirm/challenge",
    "/api/v1/auth/second",
    "/api/v1/auth/passkey",
];

/// Old paths of the seeds, and where they lead now (EDGE-8).
const FORMER: &[(&str, &str)] = &[
    ("/auth/api_login", "</api/v1/auth/login>; rel=\"successor-version\""),
    ("/auth/api_signup", "</api/v1/auth/register>; rel=\"successor-version\""),
    ("/auth/api_forgot_password", "</api/v1/auth/forgot-password>; rel=\"successor-version\""),
    ("/api/login", "</api/v1/auth/login>; rel=\"successor-version\""),
    ("/api/signup", "</api/v1/auth/register>; rel=\"successor-version\""),
    ("/api/forgot_password", "</api/v1/auth/forgot-password>; rel=\"successor-version\""),
];

/// What is announced of an old path: deprecated since 22 November 2026, gone after the end of 2027.
fn announced(path: &str) -> Option<Legacy> {
    let (_, link) = FORMER.iter().find(|(former, _)| *former == path)?;
    Some(Legacy {
        deprecation: HeaderValue::from_static("@1795305600"),
        sunset: Some(HeaderValue::from_static("Fri, 31 Dec 2027 00:00:00 GMT")),
        link: Some(HeaderValue::from_static(link)),
    })
}

/// Where a visitor gets a user token, if the policy gives any (ID-14). Elsewhere the path is the application's.
const REGISTER: &str = "/register";

/// Forms of Palisade's own are short: what handlers read (16 KiB), so that one that reads nothing takes no more.
const BODY_BYTES: u64 = 16 * 1024;

/// What a row asks of whom, for the description of the API.
pub(crate) struct Terms {
    pub(crate) methods: &'static [&'static str],
    pub(crate) path: &'static str,
    pub(crate) who: Caller,
    pub(crate) csrf: CsrfRule,
    /// Whether a limit counts it.
    pub(crate) limited: bool,
}

/// The terms of every row.
pub(crate) fn terms() -> impl Iterator<Item = Terms> {
    ROWS.iter().map(|Own(methods, path, _, who, csrf, counted)| Terms {
        methods,
        path,
        who: *who,
        csrf: *csrf,
        limited: !matches!(counted, Nothing),
    })
}

/// What the rows depend on.
pub(crate) struct Ground {
    /// The index of the default limit.
    pub(crate) default: usize,
    /// The index of the limit for sign-in.
    pub(crate) sign_in: usize,
    /// The index of the limit for administrators.
    pub(crate) admin: usize,
    /// Who administers.
    pub(crate) administrators: Who,
    /// Whether visitors get user tokens.
    pub(crate) guests: bool,
    /// Whether the API's description is served: in development and testing only (EDGE-9).
    pub(crate) described: bool,
}

/// Every row of Palisade's own.
pub(crate) fn rows(ground: &Ground) -> Vec<Route> {
    let who = |caller| match caller {
        Caller::Public => Who::Public,
        Caller::SignedIn => Who::SignedIn,
        Caller::Administrator => ground.administrators,
    };
    ROWS.iter()
        .filter(|Own(_, _, service, ..)| ground.described || *service != Description)
        .filter(|Own(_, path, ..)| ground.guests || *path != REGISTER)
        .enumerate()
        .map(|(index, Own(methods, path, service, caller, csrf, counted))| Route {
            index,
            path: (*path).to_owned(),
            methods: methods
                .iter()
                .filter_map(|name| Method::from_bytes(name.as_bytes()).ok())
                .fold(Methods::NONE, |methods, method| methods.with(&method)),
            target: Target::Service(*service),
            csrf: *csrf,
            access: Access { read: who(*caller), write: who(*caller) },
            limits: match counted {
                Nothing => Vec::new(),
                Usual if *caller == Caller::Administrator => vec![ground.admin, ground.default],
                Usual => vec![ground.default],
                SignIn => vec![ground.sign_in, ground.default],
            },
            body_bytes: BODY_BYTES,
            timeout: Duration::from_secs(30),
            cors: None,
            hide: false,
            proof: Proof::Any,
            enrols: ENROLS.contains(path),
            upgrade: false,
            legacy: announced(path),
            line: 0,
        })
        .collect()
}
