//! `palisade keys`: signing keys, by whoever may read the policy's secrets and its store (ID-11).
//!
//! The server may run meanwhile: each node knows a new key within a second.

use palisade_access::{Purpose, Turn};
use palisade_model::audit::Origin;
use palisade_model::{Timestamp, World};
use palisade_store::SigningKey;
use serde_json::{Value, json};

use super::args::{Format, KeyPurpose, KeysCommand};
use super::context::{self, Context, refusal_failure};
use super::failure::{Failure, Outcome};
use super::terminal::{Terminal, line, table, visible, when};

/// Does what the command says.
pub(super) fn run(context: &Context, command: KeysCommand, terminal: &Terminal) -> Result<Outcome, Failure> {
    let (policy, world) = context.policy(terminal.colour_errors)?;
    context::block_on(async {
        let ahead = policy.identify.tokens.publish_ahead;
        let (access, store) = context::open_access(policy, world.clone()).await?;
        let origin = Origin::default();
        match command {
            KeysCommand::List { format } => {
                let keys = access.signing_keys().await.map_err(refusal_failure)?;
                list(&keys, format, &world, *terminal);
            }
            KeysCommand::Rotate { overlap, purpose, at_once } => {
                let purpose = match purpose {
                    KeyPurpose::Tokens => Purpose::Tokens,
                    KeyPurpose::Assertion => Purpose::Assertion,
                };
                let turn = if at_once { Turn::AtOnce } else { Turn::Overlap(overlap) };
                let key = access.rotate_key(purpose, turn, None, &origin).await.map_err(refusal_failure)?;
                line(format_args!("{} signs {} from {} on.", key.id, purpose.name(), when(key.active_from)));
                line(match turn {
                    Turn::AtOnce => "What the former keys signed is refused from now on.".to_owned(),
                    Turn::Overlap(overlap) => format!(
                        "What the former key signed is accepted until {}.",
                        when(world.now().plus(ahead).plus(overlap))
                    ),
                });
            }
            KeysCommand::Reseal => {
                let all = access.reseal().await.map_err(context::access_failure)?;
                line(format_args!(
                    "{} sealed secrets are under the present root secret, {} of them since now.",
                    all.present, all.anew
                ));
                if all.lost > 0 {
                    store.close().await;
                    return Err(Failure::usage(format_args!("{} open under none of the root secrets", all.lost)).remedy(
                        "list the one that they were sealed under in identify.previous_secret_keys, and try again",
                    ));
                }
                line("No former one is needed for what is kept, once every node runs with the present one.");
            }
            KeysCommand::Retire { kid } => {
                if !access.retire_key(&kid, None, &origin).await.map_err(refusal_failure)? {
                    return Err(Failure::usage(format_args!("'{}' was not ended", visible(&kid))).remedy(
                        "it is unknown, has ended already, or no other key signs in its place: 'palisade keys rotate' makes one",
                    ));
                }
                line(format_args!("{} has ended: what it signed is refused from now on.", visible(&kid)));
            }
        }
        store.close().await;
        Ok(Outcome::Good)
    })
}

fn list(keys: &[SigningKey], format: Format, world: &World, terminal: Terminal) {
    let now = world.now();
    if format == Format::Json {
        let list = keys.iter().map(|key| {
            json!({
                "kid": key.id,
                "purpose": key.purpose,
                "kind": key.kind,
                "state": state(keys, key, now),
                "created_at": key.created_at.to_string(),
                "active_from": key.active_from.to_string(),
                "retired_at": key.retired_at.map(|at| at.to_string()),
            })
        });
        line(format_args!("{:#}", list.collect::<Value>()));
        return;
    }
    let rows: Vec<[String; 6]> = keys
        .iter()
        .map(|key| {
            [
                key.id.clone(),
                key.purpose.clone(),
                key.kind.clone(),
                state(keys, key, now).to_owned(),
                when(key.active_from),
                key.retired_at.map_or_else(|| "-".to_owned(), when),
            ]
        })
        .collect();
    table(terminal, ["KID", "FOR", "KIND", "STATE", "SIGNS FROM", "ACCEPTED UNTIL"], &rows);
}

/// What a key does at this moment. The list is in the order of their beginning, the latest first.
fn state(keys: &[SigningKey], key: &SigningKey, now: Timestamp) -> &'static str {
    let lives = |key: &SigningKey| key.retired_at.is_none_or(|at| now < at);
    let signs = |other: &&SigningKey| {
        other.purpose == key.purpose && other.kind == key.kind && lives(other) && other.active_from <= now
    };
    if !lives(key) {
        "retired"
    } else if key.active_from > now {
        "published, signs later"
    } else if keys.iter().find(signs).is_some_and(|signing| signing.id == key.id) {
        "signs"
    } else {
        "verifies only"
    }
}
