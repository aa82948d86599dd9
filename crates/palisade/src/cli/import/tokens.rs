//! `palisade import tokens`: Semptify's `security/admin_tokens.json` and `security/users.json` (ID-15).
//!
//! Either file is an object of token to facts, or a list of facts. A token stands in it as SHA-256 in hex (the key, or
//! `hash` among the facts) or as its text. Kept is the digest alone.

use data_encoding::HEXLOWER_PERMISSIVE;
use palisade_access::Inherited;
use palisade_model::digest::sha256;
use palisade_model::{FieldFault, Timestamp};
use serde_json::Value;

use super::entry::Place;
use super::report::Report;
use super::{json, text};
use crate::cli::args::{ImportTokens, TokenFile};
use crate::cli::context::{self, Context, find, refusal_failure};
use crate::cli::failure::{Failure, Outcome};
use crate::cli::terminal::Terminal;

/// Texts of tokens have so many characters.
const LENGTH: std::ops::RangeInclusive<usize> = 8..=256;

/// Reads the file, takes over what can be, and reports.
pub(in crate::cli) fn run(
    context: &Context,
    asked: &ImportTokens,
    terminal: &Terminal,
) -> Result<Outcome, Failure> {
    let (policy, world) = context.policy(terminal.colour_errors)?;
    let tokens = read(&text::read(&asked.file)?)?;
    let mut report = Report { unwritten: asked.dry_run, ..Report::default() };
    context::block_on(async {
        let (access, store) = context::open_access(policy, world).await?;
        let owner = match (asked.kind, &asked.owner) {
            (TokenFile::Admin, Some(name)) => Some(find(&store, name).await?.id),
            (TokenFile::Admin, None) => {
                return Err(
                    Failure::usage("whose are these tokens?").remedy("add --owner NAME, an administrator")
                );
            }
            (TokenFile::User, _) => None,
        };
        for (number, token) in (1..).zip(tokens) {
            match token {
                Err(message) => {
                    let fault = FieldFault::new("token", message);
                    report.refuse(Place { unit: "entry", number }, vec![fault]);
                }
                Ok(_) if asked.dry_run => report.tally.taken = report.tally.taken.saturating_add(1),
                Ok(token) => {
                    let taken = match owner {
                        Some(owner) => access.inherit_admin_token(&token, owner).await,
                        None => access.inherit_user_token(&token).await,
                    };
                    let counted = if taken.map_err(refusal_failure)? {
                        &mut report.tally.taken
                    } else {
                        &mut report.tally.here
                    };
                    *counted = counted.saturating_add(1);
                }
            }
        }
        if !asked.dry_run {
            access.record_import("tokens", report.tally).await.map_err(refusal_failure)?;
        }
        store.close().await;
        Ok(())
    })?;
    report.print(asked.format, *terminal);
    Ok(if report.tally.refused == 0 { Outcome::Good } else { Outcome::Findings })
}

type Read = Result<Inherited, &'static str>;

fn read(text: &str) -> Result<Vec<Read>, Failure> {
    match json::parse(text)? {
        Value::Object(entries) => Ok(entries.iter().map(|(key, facts)| one(Some(key), facts)).collect()),
        Value::Array(entries) => Ok(entries.iter().map(|facts| one(None, facts)).collect()),
        _ => Err(Failure::usage("the file is neither a JSON object of tokens nor a list of them")),
    }
}

fn one(key: Option<&String>, facts: &Value) -> Read {
    // `false` or `"revoked"` in the place of facts must not read as a token without conditions.
    let facts = facts.as_object().ok_or("What is told of it is no object.")?;
    if facts.get("breakglass").is_some_and(|flag| flag != &Value::Bool(false)) {
        return Err("A breakglass token is not taken over: issue a new one.");
    }
    let said = |name: &str| facts.get(name).and_then(Value::as_str);
    let digest = match (said("hash"), said("token").or(key.map(String::as_str))) {
        (Some(hash), _) => of_hex(hash).ok_or("The hash is not SHA-256 in hex.")?,
        (None, Some(text)) => match of_hex(text) {
            Some(digest) => digest,
            None if LENGTH.contains(&text.len()) => sha256(&[text.as_bytes()]),
            None => return Err("A token has 8 to 256 characters."),
        },
        (None, None) => return Err("There is no token or hash in it."),
    };
    let enabled = match facts.get("enabled") {
        None => true,
        Some(Value::Bool(enabled)) => *enabled,
        Some(_) => return Err("'enabled' is neither true nor false."),
    };
    let expires_at = match facts.get("expires_ts") {
        None | Some(Value::Null) => None,
        Some(at) => Some(seconds(at).ok_or("'expires_ts' is no time in seconds.")?),
    };
    Ok(Inherited { digest, enabled, expires_at })
}

fn of_hex(text: &str) -> Option<[u8; 32]> {
    let text = text.strip_prefix("sha256:").unwrap_or(text);
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// Seconds since 1970, whole or with a fraction, which is dropped: a token must not live longer for it.
fn seconds(value: &Value) -> Option<Timestamp> {
    let text = value.to_string();
    let whole: i64 = text.split('.').next()?.parse().ok()?;
    (0..=253_402_300_799).contains(&whole).then(|| Timestamp::from_secs(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: ID-15
    #[test]
    fn tokens_are_read_in_each_form_and_nothing_unclear_counts() {
        let hex = "ab".repeat(32);
        let text = format!(
            r#"{{ "{hex}": {{ "created_ts": 1.5 }},
                "some plain token": {{ "enabled": false, "expires_ts": 1699123456.789 }},
                "id-1": {{ "hash": "sha256:{hex}" }},
                "id-2": {{ "hash": "5f4dcc3b" }},
                "id-3": {{ "hash": "{hex}", "breakglass": true }},
                "id-4": {{ "hash": "{hex}", "enabled": "no" }},
                "id-5": {{ "hash": "{hex}", "expires_ts": "soon" }},
                "a token revoked": false, "a token of null": null,
                "short": {{}} }}"#
        );
        let read = read(&text).unwrap();
        let good: Vec<&Inherited> = read.iter().flatten().collect();
        assert_eq!((good.len(), read.len()), (3, 10));
        let plain = good.iter().find(|token| token.digest == sha256(&[b"some plain token"])).unwrap();
        assert!(!plain.enabled);
        assert_eq!(plain.expires_at, Some(Timestamp::from_secs(1_699_123_456)));
        assert_eq!(good.iter().filter(|token| token.digest == [0xab; 32] && token.enabled).count(), 2);
        for bad in [
            "7",
            "{",
            r#"{"id-1": {"enabled": false}, "id-1": {}}"#,
            r#"[{"enabled": false, "enabled": true}]"#,
        ] {
            assert!(super::read(bad).is_err(), "{bad}");
        }
    }
}
