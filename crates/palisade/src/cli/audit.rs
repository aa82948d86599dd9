//! `palisade audit verify` (AUD-2).

use data_encoding::HEXLOWER;
use palisade_store::ChainReport;
use serde_json::{Value, json};

use super::args::Format;
use super::context::{self, Context, store_failure};
use super::failure::{Failure, Outcome};
use super::terminal::{Terminal, line};

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
