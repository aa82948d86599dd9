//! `[app]`: what is protected, and where people find it.

/// How much is at stake: production makes dangerous settings fatal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployment {
    /// On a developer's machine.
    Development,
    /// Under automatic tests.
    Testing,
    /// With real people's data.
    Production,
}

/// `[app]`, compiled.
#[derive(Clone, Debug)]
pub struct App {
    /// The application's name, as people see it on Palisade's own pages.
    pub name: String,
    /// How much is at stake.
    pub environment: Deployment,
    /// Where people find the application (EDGE-7).
    pub base_url: BaseUrl,
}

/// A public origin: scheme, host and port, no path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// `https://mtc.example.com`, without a trailing slash, default ports left out, lower case.
    pub origin: String,
    /// Whether the scheme is https.
    pub secure: bool,
    /// Host with port if it is not the scheme's own: what a Host header holds.
    pub authority: String,
}
