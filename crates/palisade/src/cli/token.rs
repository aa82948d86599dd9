//! `palisade token`: API keys, administrators' and user tokens, by whoever may read the policy's secrets and its store
//! (ID-12, ID-16).
//!
//! The server may run meanwhile: each node knows of a change within a second. A token is printed once, alone on
//! standard output.

use std::sync::Arc;

use palisade_access::{Access, MadeKey, NewKey, Scopes};
use palisade_gate::{KeyRotated, Metrics, Trail};
use palisade_model::audit::Origin;
use palisade_model::id::KeyId;
use palisade_model::{Refusal, World};
use palisade_policy::Policy;
use palisade_policy::section::audit::Audit;
use palisade_store::{ApiToken, Store, TokenKind};
use serde_json::{Value, json};

use super::args::{Format, MadeKind, NewToken, TokenCommand};
use super::context::{self, Context, find, refusal_failure};
use super::failure::{Failure, Outcome};
use super::terminal::{Terminal, line, table, visible, when};

/// How many tokens are read at a time.
const PAGE: u32 = 500;

/// Does what the command says.
pub(super) fn run(context: &Context, command: TokenCommand, terminal: &Terminal) -> Result<Outcome, Failure> {
    let (policy, world) = context.policy(terminal.colour_errors)?;
    context::block_on(async {
        let usual = policy.identify.api_keys.overlap;
        let (access, store) = context::open_access(policy, world.clone()).await?;
        let origin = Origin::default();
        match command {
            TokenCommand::Create(new) => create(&access, &store, new, &world).await?,
            TokenCommand::List { user, format } => {
                let tokens = match user {
                    Some(user) => {
                        let user = find(&store, &user).await?;
                        store.api_tokens_of(user.id).await.map_err(context::store_failure)?
                    }
                    None => all(&access).await?,
                };
                list(&store, &tokens, format, &world, *terminal).await?;
            }
            TokenCommand::Disable { id } => {
                told(
                    access.set_api_key_enabled(parse(&id)?, false, None, &origin).await,
                    &id,
                    "is disabled",
                )?;
            }
            TokenCommand::Enable { id } => {
                told(access.set_api_key_enabled(parse(&id)?, true, None, &origin).await, &id, "is enabled")?;
            }
            TokenCommand::Revoke { id } => {
                told(
                    access.revoke_api_key(parse(&id)?, None, None, &origin).await,
                    &id,
                    "has ended for good",
                )?;
            }
            TokenCommand::Rotate { id, overlap, format } => {
                let overlap = overlap.unwrap_or(usual);
                let made = access.rotate_api_key(parse(&id)?, None, overlap, None, &origin).await;
                let made = made.map_err(refusal_failure)?.ok_or_else(|| unknown(&id))?;
                show(&made, format);
                tell(
                    access.policy(),
                    &store,
                    &world,
                    KeyRotated { key: parse(&id)?, successor: made.kept.id },
                );
                eprintln!("The former token counts until {}.", when(world.now().plus(overlap)));
            }
        }
        store.close().await;
        Ok(Outcome::Good)
    })
}

async fn create(access: &Access, store: &Store, new: NewToken, world: &World) -> Result<(), Failure> {
    let user = find(store, &new.user).await?;
    let kind = match new.kind {
        MadeKind::Key => TokenKind::Key,
        MadeKind::Admin => TokenKind::Admin,
        MadeKind::User => TokenKind::User,
    };
    let scopes = match (new.scopes.as_slice(), kind) {
        ([], TokenKind::Key) => {
            return Err(Failure::usage("an API key needs a scope").remedy(
                "write --scope read, --scope write, or either with a path: --scope read:/api/orders",
            ));
        }
        ([], _) => Scopes::everything(),
        (scopes, _) => Scopes::parse(&scopes.join(" "))
            .map_err(|fault| Failure::usage("that is no scope").remedy(fault.message))?,
    };
    let made = access
        .make_api_key(
            NewKey {
                kind,
                user: user.id,
                name: new.name.unwrap_or_else(|| format!("{} token", kind.name())),
                scopes,
                networks: new.networks,
                expires_at: (!new.never).then(|| world.now().plus(new.expires)),
            },
            None,
            &Origin::default(),
        )
        .await
        .map_err(refusal_failure)?;
    show(&made, new.format);
    Ok(())
}

/// Adds a rotation to the server's events log, which only the server turns over. The trail has it already.
fn tell(policy: &Policy, store: &Store, world: &World, rotated: KeyRotated) {
    let log = Audit { rotate_bytes: u64::MAX, ..policy.audit.clone() };
    match Trail::open(store.clone(), &log, Arc::clone(&world.clock), &Metrics::new(policy)) {
        Ok(trail) => trail.event(&rotated.event(world.now())),
        Err(error) => eprintln!("The events log could not be written: {error}"),
    }
}

/// The token alone on standard output, so that a script can keep it; what to know of it beside.
pub(super) fn show(made: &MadeKey, format: Format) {
    if format == Format::Json {
        let mut shown = as_json(&made.kept, None);
        if let Some(fields) = shown.as_object_mut() {
            fields.insert("token".into(), made.token.expose().into());
        }
        line(format_args!("{shown:#}"));
        return;
    }
    line(made.token.expose());
    eprintln!("Keep it now: it is not shown again. Its id is {}.", made.kept.id);
}

async fn all(access: &Access) -> Result<Vec<ApiToken>, Failure> {
    let mut tokens: Vec<ApiToken> = Vec::new();
    loop {
        let page = access.api_keys(tokens.last().map(|token| token.id), PAGE).await;
        let page = page.map_err(refusal_failure)?;
        if page.is_empty() {
            return Ok(tokens);
        }
        tokens.extend(page);
    }
}

async fn list(
    store: &Store,
    tokens: &[ApiToken],
    format: Format,
    world: &World,
    terminal: Terminal,
) -> Result<(), Failure> {
    let mut shown = Vec::new();
    for token in tokens {
        let owner = store.user(token.user).await.map_err(context::store_failure)?;
        shown.push((token, owner.map_or_else(|| token.user.to_string(), |user| user.name)));
    }
    if format == Format::Json {
        line(format_args!(
            "{:#}",
            shown.iter().map(|(token, owner)| as_json(token, Some(owner))).collect::<Value>()
        ));
        return Ok(());
    }
    if shown.is_empty() {
        line("There are no tokens. 'palisade token create --user NAME --scope read' makes one.");
        return Ok(());
    }
    let rows: Vec<[String; 7]> = shown
        .iter()
        .map(|(token, owner)| {
            [
                token.id.to_string(),
                token.kind.name().to_owned(),
                visible(owner),
                state(token, world).to_owned(),
                token.expires_at.map_or_else(|| "never".to_owned(), when),
                token.last_used.map_or_else(|| "never".to_owned(), when),
                visible(&token.name),
            ]
        })
        .collect();
    table(terminal, ["ID", "KIND", "USER", "STATE", "ENDS", "LAST USED", "NAME"], &rows);
    Ok(())
}

fn state(token: &ApiToken, world: &World) -> &'static str {
    if token.used_at.is_some() {
        "used"
    } else if !token.enabled {
        "disabled"
    } else if token.expires_at.is_some_and(|at| at <= world.now()) {
        "over"
    } else if token.replaced_by.is_some() {
        "replaced"
    } else {
        "good"
    }
}

/// What may be shown of a token: never its digest.
pub(super) fn as_json(token: &ApiToken, owner: Option<&str>) -> Value {
    let time = |at: Option<palisade_model::Timestamp>| at.map(|at| at.to_string());
    let mut shown = json!({
        "id": token.id.to_string(),
        "kind": token.kind.name(),
        "name": token.name,
        "user": token.user.to_string(),
        "scopes": token.scopes.split_whitespace().collect::<Vec<_>>(),
        "networks": token.networks.split_whitespace().collect::<Vec<_>>(),
        "reason": token.reason,
        "enabled": token.enabled,
        "created_at": token.created_at.to_string(),
        "expires_at": time(token.expires_at),
        "last_used_at": time(token.last_used),
        "used_at": time(token.used_at),
        "replaced_by": token.replaced_by.map(|id| id.to_string()),
    });
    if let (Some(owner), Some(fields)) = (owner, shown.as_object_mut()) {
        fields.insert("user_name".into(), owner.into());
    }
    shown
}

pub(super) fn parse(id: &str) -> Result<KeyId, Failure> {
    KeyId::parse(id).ok_or_else(|| {
        Failure::usage(format_args!("'{}' is no token's id", visible(id)))
            .remedy("'palisade token list' shows their ids")
    })
}

fn unknown(id: &str) -> Failure {
    Failure::usage(format_args!(
        "there is no token '{}' that could be changed: it is unknown, or has ended",
        visible(id)
    ))
    .remedy("'palisade token list' shows their ids")
}

fn told(done: Result<bool, Refusal>, id: &str, what: &str) -> Result<(), Failure> {
    if !done.map_err(refusal_failure)? {
        return Err(unknown(id));
    }
    line(format_args!("{} {what}.", visible(id)));
    Ok(())
}
