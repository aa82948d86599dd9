//! `palisade breakglass`: the way in when all others fail, by whoever has the host (ID-13).

use palisade_access::BreakglassReport;
use palisade_model::audit::Origin;
use serde_json::{Value, json};

use super::args::{BreakglassCommand, Format};
use super::audit::asked;
use super::context::{self, Context, refusal_failure};
use super::failure::{Failure, Outcome};
use super::terminal::{Terminal, line, visible, when};
use super::token;

/// Does what the command says.
pub(super) fn run(
    context: &Context,
    command: BreakglassCommand,
    terminal: &Terminal,
) -> Result<Outcome, Failure> {
    let (policy, world) = context.policy(terminal.colour_errors)?;
    context::block_on(async {
        let base = policy.app.base_url.origin.clone();
        // A token for a store that nobody serves from would let nobody in.
        let store = context::open_store(&policy, &world, false).await?;
        let access = context::access_on(policy, world, &store).await?;
        match command {
            BreakglassCommand::Issue { ttl, reason, format } => {
                let made = access.issue_breakglass(&reason, ttl, &Origin::default()).await;
                let made = made.map_err(refusal_failure)?;
                token::show(&made, format);
                eprintln!(
                    "Enter it at {base}/auth/breakglass, or send it once as X-Admin-Token. It works once, until {}.",
                    made.kept.expires_at.map_or_else(String::new, when)
                );
            }
            BreakglassCommand::Report { id, format } => {
                let report = access.breakglass_report(token::parse(&id)?).await.map_err(refusal_failure)?;
                let report = report.ok_or_else(|| {
                    Failure::usage("there is no breakglass token of that id")
                        .remedy("'palisade token list' shows their ids")
                })?;
                show(&report, format);
            }
        }
        store.close().await;
        Ok(Outcome::Good)
    })
}

fn show(report: &BreakglassReport, format: Format) {
    let token = &report.token;
    if format == Format::Json {
        let rows: Vec<Value> = report
            .rows
            .iter()
            .map(|row| {
                json!({
                    "seq": row.seq,
                    "at": row.at.to_string(),
                    "action": row.action,
                    "entity_type": row.entity_type,
                    "entity_id": row.entity_id,
                    "request_id": row.request_id,
                    "changes": row.personal.as_ref().map(|personal| personal.changes.clone()),
                })
            })
            .collect();
        let shown = json!({ "token": token::as_json(token, None), "rows": rows, "more": report.more });
        line(format_args!("{shown:#}"));
        return;
    }
    line(format_args!("Breakglass {}: {}", token.id, visible(token.reason.as_deref().unwrap_or("-"))));
    let state = match (token.used_at, token.enabled) {
        (None, _) => "not used".to_owned(),
        (Some(at), true) => format!("used at {}, its session is not over yet", when(at)),
        (Some(at), false) => format!("used at {}, and over", when(at)),
    };
    line(format_args!("It was issued at {} and is {state}.", when(token.created_at)));
    for row in &report.rows {
        let about = asked(row)
            .unwrap_or_else(|| format!("{} {}", visible(&row.entity_type), visible(&row.entity_id)));
        line(format_args!("{}  #{}  {}  {about}", when(row.at), row.seq, visible(&row.action)));
    }
    if report.more {
        line("There is more in the trail than is shown here.");
    }
}
