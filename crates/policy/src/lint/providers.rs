//! Sign-in at other sites (ID-6, ID-7).

use super::Lint;
use crate::Code;
use crate::diagnostic::Severity::{Error, Warning};
use crate::section::app::Deployment;
use crate::section::authorize::RoleSet;
use crate::section::identify::{GOOGLE_ISSUER, Provider};

pub(super) fn check(lint: &mut Lint<'_>) {
    let policy = lint.policy;
    for provider in &policy.identify.providers {
        test_user(lint, provider);
        domains(lint, provider);
        secret(lint, provider);
        plain(lint, provider);
        anybody(lint, provider);
        superusers(lint, provider);
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

/// They are compared with what stands behind the `@` of an address.
fn domains(lint: &mut Lint<'_>, provider: &Provider) {
    let Some(domain) = provider.domains.iter().find(|domain| domain.contains('@')) else { return };
    let path = format!("identify.oidc.{}.domains", provider.name);
    let bare = domain.rsplit('@').next().unwrap_or_default();
    let message = format!("`{domain}` is no domain: nobody's address ends in two @");
    lint.say(Error, Code::Contradiction, &path, message)
        .because("everybody from there would be refused")
        .write(format!("write domains = [\"{bare}\"]"));
}

/// Google gives every web client a secret, and takes no sign-in without it.
fn secret(lint: &mut Lint<'_>, provider: &Provider) {
    let path = format!("identify.oidc.{}.client_secret", provider.name);
    let at_google = provider.issuer.text == GOOGLE_ISSUER && provider.test_user.is_none();
    if !at_google || provider.client_secret.is_some() || lint.places.is_said(&path) {
        return;
    }
    lint.say(Error, Code::SecretMissing, &path, "Google lets nobody sign in without the client's secret")
        .write("set GOOGLE_CLIENT_SECRET in the environment, or write client_secret = \"file:/run/secrets/google\"");
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

/// Whoever looks after groups there makes administrators here.
fn superusers(lint: &mut Lint<'_>, provider: &Provider) {
    let roles = &lint.policy.roles;
    let Some(rule) = &provider.roles else { return };
    let highest =
        |given: RoleSet| roles.names_of(given).any(|name| roles.expand(name).meets(roles.administrators()));
    for (group, _) in rule.map.iter().filter(|(_, given)| highest(*given)) {
        let path = format!("identify.oidc.{}.roles.map", provider.name);
        let message = format!("the group `{group}` of {} makes administrators here", provider.label);
        lint.say(Warning, Code::OutsideAdministrators, &path, message)
            .because("whoever may add people to that group there can give themselves everything here")
            .write("give a lesser role by groups, and the highest by hand; or ask it for a second factor: required_for = [\"admin\"] in [identify.second_factor]");
    }
}
