//! The project's own chores. `cargo xtask` lists them.

mod bench;
mod law;
mod reference;
mod run;
mod setup;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask test         everything that must hold before a change lands; installs what it needs
cargo xtask setup        only the installing part of it
cargo xtask law          the architecture's own rules: arrows, mirror, cycles, budgets, docs, proofs
cargo xtask reference    writes the generated documents anew
cargo xtask bench        side by side with the peers: bench [--harness DIR] [PEER ...] [options of it]
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", [].as_slice()),
    };
    let outcome = match command {
        "test" => test::all(rest),
        "setup" => setup::install().map(|_| ()),
        "law" => law::check(),
        "reference" => reference::write(),
        "bench" => bench::run(rest),
        "help" | "--help" | "-h" => {
            eprint!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        other => Err(anyhow::anyhow!("there is no '{other}'\n\n{USAGE}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
