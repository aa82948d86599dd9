//! The command line.

use std::process::ExitCode;

/// Reads the command line and does what it says.
#[must_use]
pub fn run() -> ExitCode {
    eprintln!("palisade: no command is known yet");
    ExitCode::from(2)
}
