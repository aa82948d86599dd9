//! The rows of Palisade's own services, in front of the policy's.

use std::time::Duration;

use http::Method;

use super::{Methods, Route, Service, Target};
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

struct Own(&'static [&'static str], &'static str, Service, Who, CsrfRule, Counted);

const GET: &[&str] = &["GET"];
const POST: &[&str] = &["POST"];
const DELETE: &[&str] = &["DELETE"];

use Counted::{Default as Usual, Nothing, SignIn};
use CsrfRule::{Origin, Token};
use Service::{Assets, Health, Identity, Keys};
use Who::{Public, SignedIn};

/// Sign-in and its like check the origin of everybody, so that nobody is signed in as somebody else
/// from a foreign page; what a session authenticates takes the token as well. Whatever tries a password or
/// tells whether a name is taken counts as an attempt to sign in.
const ROWS: &[Own] = &[
    Own(GET, "/auth/login", Identity, Public, Origin, Usual),
    Own(POST, "/auth/login", Identity, Public, Origin, SignIn),
    Own(GET, "/auth/register", Identity, Public, Origin, Usual),
    Own(POST, "/auth/register", Identity, Public, Origin, SignIn),
    Own(POST, "/auth/logout", Identity, SignedIn, Token, Usual),
    Own(&["GET", "POST"], "/auth/link/{token}", Identity, Public, Origin, Usual),
    Own(GET, "/account", Identity, SignedIn, Token, Usual),
    Own(POST, "/account/password", Identity, SignedIn, Token, SignIn),
    Own(POST, "/account/sessions/end", Identity, SignedIn, Token, Usual),
    Own(POST, "/api/v1/auth/login", Identity, Public, Origin, SignIn),
    Own(POST, "/api/v1/auth/register", Identity, Public, Origin, SignIn),
    Own(POST, "/api/v1/auth/refresh", Identity, Public, Origin, Usual),
    Own(POST, "/api/v1/auth/logout", Identity, SignedIn, Token, Usual),
    Own(GET, "/api/v1/auth/me", Identity, SignedIn, Token, Usual),
    Own(GET, "/api/v1/auth/csrf", Identity, SignedIn, Token, Usual),
    Own(GET, "/api/v1/auth/sessions", Identity, SignedIn, Token, Usual),
    Own(DELETE, "/api/v1/auth/sessions", Identity, SignedIn, Token, Usual),
    Own(DELETE, "/api/v1/auth/sessions/{id}", Identity, SignedIn, Token, Usual),
    Own(GET, "/healthz", Health, Public, Token, Nothing),
    Own(GET, "/readyz", Health, Public, Token, Nothing),
    Own(GET, "/health", Health, Public, Token, Nothing),
    Own(GET, "/api/health", Health, Public, Token, Nothing),
    Own(GET, "/api/v1/health", Health, Public, Token, Nothing),
    Own(GET, "/.well-known/jwks.json", Keys, Public, Token, Usual),
    Own(GET, "/.palisade/assets/{file}", Assets, Public, Token, Nothing),
];

/// Forms of Palisade's own are short.
const BODY_BYTES: u64 = 64 * 1024;

/// Every row of Palisade's own, counted by the limits of those indexes.
pub(crate) fn rows(default: usize, sign_in: usize) -> Vec<Route> {
    ROWS.iter()
        .enumerate()
        .map(|(index, Own(methods, path, service, who, csrf, counted))| Route {
            index,
            path: (*path).to_owned(),
            methods: methods
                .iter()
                .filter_map(|name| Method::from_bytes(name.as_bytes()).ok())
                .fold(Methods::NONE, |methods, method| methods.with(&method)),
            target: Target::Service(*service),
            csrf: *csrf,
            access: Access { read: *who, write: *who },
            limits: match counted {
                Nothing => Vec::new(),
                Usual => vec![default],
                SignIn => vec![sign_in, default],
            },
            body_bytes: BODY_BYTES,
            timeout: Duration::from_secs(30),
            cors: None,
            hide: false,
            upgrade: false,
            legacy: None,
            line: 0,
        })
        .collect()
}
