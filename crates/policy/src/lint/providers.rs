//! Sign-in at other sites (ID-6, ID-7).

use super::Lint;
use crate::Code;
use crate::diagnostic::Severity::{Error, Warning};
use crate::section::app::Deployment;
use crate::section::identify::{GOOGLE_ISSUER, Provider};

pub(super) fn check(lint: &mut Lint<'_>) {
    let policy = lint.policy;
    for provider in &policy.identify.providers {
        test_user(lint, provider);
        plain(lint, provider);
        anybody(lint, provider);
    }
}

fn test_user(lint: &mut Lint<'_>, provider: &Provider) {
    if provider.test_user.is_none() || lint.policy.app.environment == Deployment::Testing {
        return;
    }
    let path = format!("identify.oidc.{}.dangerous_test_user", provider.name);
    lint.say(Error, Code::TestUser, &path, "whoever presses the button is signed in, without any proof")
        .because("a fixed user is for automatic tests alone")
        .write("take the line out, or write environment = \"testing\" in [app]");
}

fn plain(lint: &mut Lint<'_>, provider: &Provider) {
    if provider.issuer.secure || (provider.issuer.loopback && !lint.in_production()) {
        return;
    }
    let path = format!("identify.oidc.{}.issuer", provider.name);
    lint.say(Error, Code::PlainProvider, &path, "the provider is spoken to without TLS")
        .because("whoever is on the way could sign in as anybody")
        .write("write an issuer that begins with https://; http is for this machine, outside production");
}

/// Anybody in the world has, or can get, an account at Google.
fn anybody(lint: &mut Lint<'_>, provider: &Provider) {
    let open = provider.sign_up && provider.domains.is_empty() && provider.issuer.text == GOOGLE_ISSUER;
    if !open || lint.policy.identify.sign_up || !lint.in_production() {
        return;
    }
    let path = format!("identify.oidc.{}.sign_up", provider.name);
    lint.say(Warning, Code::SignUpWide, &path, "whoever has a Google account gets an account here")
        .because("registration is closed otherwise, so this may be more than was meant")
        .write("write domains = [\"example.com\"], or sign_up = false");
}
