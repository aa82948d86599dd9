//! `palisade check` (POL-2).

use serde_json::json;

use super::args::Format;
use super::context::Context;
use super::failure::{Failure, Outcome};
use super::terminal::{Terminal, line, visible};
use crate::exposure;

/// Prints every finding. Errors keep the server from starting (exit code 2), warnings do not (1).
pub(super) fn run(context: &Context, format: Format, terminal: &Terminal) -> Result<Outcome, Failure> {
    let (findings, overrides, exposed, outcome) = match context.checked() {
        Ok((checked, _)) => {
            let exposed: Vec<String> = exposure::open_folders(&checked.policy)
                .into_iter()
                .map(|folder| folder.display().to_string())
                .collect();
            let clean = checked.warnings.is_empty() && exposed.is_empty();
            let outcome = if clean { Outcome::Good } else { Outcome::Findings };
            (checked.warnings, checked.overrides, exposed, outcome)
        }
        Err(diagnostics) => (diagnostics, Vec::new(), Vec::new(), Outcome::Unusable),
    };
    match format {
        Format::Json => {
            let report = json!({
                "usable": outcome != Outcome::Unusable,
                "findings": findings.to_json(),
                "overrides": overrides,
                "open_folders": exposed,
            });
            line(format_args!("{report:#}"));
        }
        Format::Text => {
            if !findings.is_empty() {
                line(findings.render(terminal.colour));
            }
            for folder in &exposed {
                line(format_args!(
                    "{}: everybody on this machine can get at the folder {}, which is for secrets and logs\n  {}",
                    terminal.bold("warning"),
                    visible(folder),
                    exposure::REMEDY
                ));
            }
            if context.by_default() {
                line("There is no palisade.toml here: this is the default for development.");
            }
            if !overrides.is_empty() {
                line(format_args!("From the environment: {}", overrides.join(", ")));
            }
            line(verdict(outcome, findings.len() + exposed.len(), *terminal));
        }
    }
    Ok(outcome)
}

fn verdict(outcome: Outcome, count: usize, terminal: Terminal) -> String {
    let things = if count == 1 { "1 thing".to_owned() } else { format!("{count} things") };
    match outcome {
        Outcome::Good => terminal.good("The policy can be put into force; nothing was found."),
        Outcome::Findings => {
            terminal.bold(&format!("The policy can be put into force; {things} to look at."))
        }
        Outcome::Unusable | Outcome::Unknown => {
            terminal.bad(&format!("The policy cannot be put into force: {things} to put right."))
        }
    }
}
