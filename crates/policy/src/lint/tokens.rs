//! Opaque tokens that are weaker than they need to be (ID-12, ID-14; ASVS 14.2.1).

use super::Lint;
use crate::Code;
use crate::diagnostic::Severity::{Error, Warning};

/// The least length of a shared token in production, in bytes: `openssl rand -base64 24` makes that many.
const LEAST: usize = 32;

pub(super) fn check(lint: &mut Lint<'_>) {
    let tokens = &lint.policy.identify.admin_tokens;
    if let Some(shared) = &tokens.legacy {
        let path = "identify.admin_tokens.legacy";
        if lint.in_production() && shared.expose().len() < LEAST {
            let message = format!("the shared administrator token has fewer than {LEAST} characters");
            lint.say(Error, Code::SecretShort, path, message)
                .because("it can be guessed, and it is all that an administrator needs")
                .write("leave it out, and make tokens with 'palisade token create --kind admin'");
        }
        lint.say(Warning, Code::TokenShared, path, "one token for all administrators counts")
            .because("nobody knows who used it, and ending it ends it for everybody")
            .write("make one for each with 'palisade token create --kind admin', then leave legacy out");
    }
    let guests = &lint.policy.identify.guests;
    for (path, names) in [
        ("identify.admin_tokens.dangerous_query", &tokens.query),
        ("identify.guests.dangerous_query", &guests.query),
    ] {
        if !names.is_empty() {
            lint.say(Warning, Code::TokenInAddress, path, "tokens are taken from addresses")
                .because(
                    "addresses are kept in histories and in the logs of proxies in front (ASVS 14.2.1); \
                     the exchange for a cookie comes after that",
                )
                .write("leave it out, and let tokens come in a header or a form");
        }
    }
}
