//! Secrets have to be there, and to be secrets.

use palisade_model::Secret;

use super::Lint;
use crate::Code;
use crate::diagnostic::Severity::{Error, Warning};
use crate::section::identify::Algorithm;

/// A key for HMAC with SHA-256 has as many bytes as its digest (RFC 7518 section 3.2).
const LEAST: usize = 32;

const MAKE: &str =
    "make one, `openssl rand -base64 48`, and hand it over by an environment variable or a file";

pub(super) fn check(lint: &mut Lint<'_>) {
    let identify = &lint.policy.identify;
    match &identify.secret_key {
        Some(key) => strong(lint, key, "identify.secret_key"),
        None if lint.in_production() && !lint.places.is_said("identify.secret_key") => {
            lint.say(Error, Code::SecretMissing, "identify.secret_key", "there is no secret key")
                .because("in production the root of all keys has to be yours, so that it survives the machine")
                .write("set SECRET_KEY in the environment, or write secret_key = \"file:/run/secrets/secret_key\" in [identify]");
        }
        None => {}
    }
    for former in &identify.previous_secret_keys {
        strong(lint, former, "identify.previous_secret_keys");
    }
    for former in &identify.tokens.previous_secrets {
        strong(lint, former, "identify.tokens.previous_secrets");
    }
    let hs256 = identify.tokens.algorithm == Algorithm::Hs256;
    match &identify.tokens.secret {
        Some(secret) if hs256 => strong(lint, secret, "identify.tokens.secret"),
        Some(_) => {
            lint.say(
                Warning,
                Code::Unused,
                "identify.tokens.secret",
                "the secret for HS256 is not used by this algorithm",
            )
            .write("leave it out, or write algorithm = \"HS256\"");
        }
        None if hs256 && !lint.places.is_said("identify.tokens.secret") => {
            lint.say(Error, Code::SecretMissing, "identify.tokens.algorithm", "HS256 has no secret to sign with")
                .write("set JWT_SECRET_KEY in the environment, or write algorithm = \"EdDSA\", whose key is made and kept");
        }
        None => {}
    }
    if let (Some(key), Some(secret)) = (&identify.secret_key, &identify.tokens.secret)
        && key == secret
    {
        lint.say(
            Warning,
            Code::Contradiction,
            "identify.tokens.secret",
            "one secret is used for two purposes",
        )
        .because("whoever learns it in one place has it in the other")
        .write("give `identify.secret_key` and `identify.tokens.secret` a secret each");
    }
}

fn strong(lint: &mut Lint<'_>, secret: &Secret, path: &str) {
    let bytes = secret.expose().as_bytes();
    let mut seen = [false; 256];
    for byte in bytes {
        if let Some(slot) = seen.get_mut(usize::from(*byte)) {
            *slot = true;
        }
    }
    let different = seen.iter().filter(|seen| **seen).count();
    if bytes.len() < LEAST {
        let message = format!("{path} has fewer than {LEAST} bytes");
        lint.say(Error, Code::SecretShort, path, message)
            .because("a short key can be guessed from one token")
            .write(MAKE);
    } else if different < 8 {
        let message = format!("{path} repeats a few characters and is not random");
        lint.say(Error, Code::SecretShort, path, message)
            .because("it can be guessed from one token")
            .write(MAKE);
    }
}
