//! `[csrf]`: forged cross-site requests.

use http::HeaderName;

/// `[csrf]`, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Csrf {
    /// `false` is the seed's `SECURITY_MODE=open` (CSRF-5); never in production.
    pub enforced: bool,
    /// The status of a refusal: 400 or 403.
    pub status: u16,
    /// The form field.
    pub field: String,
    /// The request headers, any of which may carry the token.
    pub headers: Vec<HeaderName>,
    /// The readable cookie of the signed double submit, if scripts need it (CSRF-2).
    pub cookie: Option<String>,
    /// Whether the field is written into the upstream's forms (CSRF-3).
    pub inject: bool,
}

/// What a route asks of a state-changing request that a cookie authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsrfRule {
    /// The token and an own Origin.
    Token,
    /// An own Origin alone.
    Origin,
    /// Nothing: for routes that take no cookies.
    Off,
}
