//! `palisade audit`: reading the trail, and holding it to its chain (AUD-1, AUD-2).

use std::collections::HashMap;

use data_encoding::HEXLOWER;
use palisade_model::Action;
use palisade_model::id::UserId;
use palisade_store::{AuditQuery, AuditRow, ChainReport, Store};
use serde_json::{Value, json};

use super::args::{Entries, Format};
use super::context::{self, Context, find, store_failure};
use super::failure::{Failure, Outcome};
use super::terminal::{Terminal, line, table, visible, when};

/// Shows the latest entries. They are as they stand in the store; `verify` says whether the chain holds.
pub(super) fn list(context: &Context, entries: Entries, terminal: &Terminal) -> Result<Outcome, Failure> {
    let (policy, world) = context.policy(terminal.colour_errors)?;
    if let Some(action) = &entries.action {
        known(action)?;
    }
    context::block_on(async {
        let store = context::open_store(&policy, &world, false).await?;
        let user = match &entries.user {
            Some(login) => Some(find(&store, login).await?.id),
            None => None,
        };
        let about = match &entries.about {
            Some(login) => Some(find(&store, login).await?.id.to_string()),
            None => None,
        };
        let query = AuditQuery {
            user,
            action: entries.action,
            entity_type: about.is_some().then(|| "user".to_owned()),
            entity_id: about,
            from: entries.since.map(|since| world.now().minus(since)),
            newest_first: true,
            limit: entries.limit,
            ..AuditQuery::default()
        };
        let mut rows = store.audit_rows(&query).await.map_err(store_failure)?;
        rows.reverse();
        let names = names(&store, &rows).await?;
        store.close().await;
        match entries.format {
            Format::Json => {
                line(format_args!("{:#}", rows.iter().map(|row| entry(row, &names)).collect::<Value>()));
            }
            Format::Text if rows.is_empty() => line("There is no such entry."),
            Format::Text => table(
                *terminal,
                ["NO", "WHEN", "WHO", "ACTION", "ABOUT", "FROM"],
                &rows.iter().map(|row| cells(row, &names)).collect::<Vec<_>>(),
            ),
        }
        Ok(Outcome::Good)
    })
}

/// A misspelt action would look like one that never happened.
fn known(action: &str) -> Result<(), Failure> {
    if Action::ALL.iter().any(|one| one.name() == action) {
        return Ok(());
    }
    let front = action.split('.').next().unwrap_or_default();
    let near: Vec<&str> = Action::ALL
        .iter()
        .map(|one| one.name())
        .filter(|name| name.split('.').next() == Some(front))
        .collect();
    let all: Vec<&str> = Action::ALL.iter().map(|one| one.name()).collect();
    let shown = if near.is_empty() { all } else { near };
    Err(Failure::usage(format_args!("no entry has the action '{}'", visible(action)))
        .remedy(format_args!("there are: {}", shown.join(", "))))
}

/// The names of those who did something, and to whom.
async fn names(store: &Store, rows: &[AuditRow]) -> Result<HashMap<UserId, String>, Failure> {
    let mut names = HashMap::new();
    let told =
        rows.iter().filter(|row| row.entity_type == "user").filter_map(|row| UserId::parse(&row.entity_id));
    for id in rows.iter().filter_map(|row| row.user).chain(told) {
        if !names.contains_key(&id)
            && let Some(user) = store.user(id).await.map_err(store_failure)?
        {
            names.insert(id, visible(&user.name));
        }
    }
    Ok(names)
}

fn cells(row: &AuditRow, names: &HashMap<UserId, String>) -> [String; 6] {
    let who = row.user.map(|id| names.get(&id).cloned().unwrap_or_else(|| id.to_string()));
    let about = UserId::parse(&row.entity_id)
        .and_then(|id| names.get(&id).cloned())
        .unwrap_or_else(|| visible(&row.entity_id));
    let from = row.personal.as_ref().and_then(|personal| personal.address.as_deref());
    [
        row.seq.to_string(),
        when(row.at),
        who.unwrap_or_else(|| "-".to_owned()),
        visible(&row.action),
        match asked(row) {
            Some(asked) => asked,
            None => format!("{} {about}", visible(&row.entity_type)),
        },
        visible(from.unwrap_or("-")),
    ]
}

/// What an application was asked to change: method and path.
pub(super) fn asked(row: &AuditRow) -> Option<String> {
    if row.action != Action::RequestChanged.name() {
        return None;
    }
    let changes = &row.personal.as_ref()?.changes;
    let new = |field: &str| changes.get(field)?.get("new")?.as_str().map(visible);
    Some(format!("{} {}", new("method")?, new("path")?))
}

fn entry(row: &AuditRow, names: &HashMap<UserId, String>) -> Value {
    let personal = row.personal.as_ref();
    json!({
        "seq": row.seq,
        "at": row.at.to_string(),
        "action": row.action,
        "user": row.user.map(|id| id.to_string()),
        "user_name": row.user.and_then(|id| names.get(&id)),
        "tenant": row.tenant,
        "entity_type": row.entity_type,
        "entity_id": row.entity_id,
        "request_id": row.request_id,
        "email": personal.and_then(|personal| personal.email.as_deref()),
        "address": personal.and_then(|personal| personal.address.as_deref()),
        "agent": personal.and_then(|personal| personal.agent.as_deref()),
        "changes": personal.map(|personal| personal.changes.clone()),
        "hash": HEXLOWER.encode(&row.hash),
    })
}

/// Walks the whole chain. A broken chain is a finding (1); a store that does not answer is not knowing (3).
pub(super) fn verify(context: &Context, format: Format, terminal: &Terminal) -> Result<Outcome, Failure> {
    let (policy, world) = context.policy(terminal.colour_errors)?;
    let report = context::block_on(async {
        let store = context::open_store(&policy, &world, false).await?;
        let report = store.verify_chain().await.map_err(store_failure)?;
        store.close().await;
        Ok(report)
    })?;
    match format {
        Format::Json => line(format_args!("{:#}", as_json(&report))),
        Format::Text => print(&report, *terminal),
    }
    Ok(if report.is_whole() { Outcome::Good } else { Outcome::Findings })
}

fn as_json(report: &ChainReport) -> Value {
    json!({
        "whole": report.is_whole(),
        "rows": report.rows,
        "head": { "seq": report.head_seq, "hash": HEXLOWER.encode(&report.head_hash) },
        "faults": report
            .faults
            .iter()
            .map(|fault| json!({ "seq": fault.seq, "what": fault.to_string() }))
            .collect::<Vec<_>>(),
    })
}

fn print(report: &ChainReport, terminal: Terminal) {
    let head = HEXLOWER.encode(&report.head_hash);
    if report.is_whole() {
        line(terminal.good(&format!("The audit chain is whole: {} rows.", report.rows)));
        line(format_args!(
            "Its head is row {} with {head}; kept elsewhere, it also proves that nothing was cut off.",
            report.head_seq
        ));
        return;
    }
    line(terminal.bad(&format!("The audit chain is broken; {} rows were read.", report.rows)));
    for fault in &report.faults {
        line(format_args!("  {fault}"));
    }
    line("Keep a copy of the store as it is, then find out who could write to it.");
}
