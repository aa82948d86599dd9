//! Side by side with the peers, in one run on one machine.
//!
//! The harness and the peers are kept outside the repository; the product's own peer folder is
//! `bench/peers`. A ratio from one run counts, a single figure does not.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::run::{cargo, command, must, root, target};

/// `bench [--harness DIR] [PEER ...] [options of the harness]`; by default the proxied jobs against nginx.
/// `bench [--harness DIR] sign-in [options of bench/sign_in.py]`: sign-in beside the password hash alone.
pub fn run(arguments: &[String]) -> Result<()> {
    let (harness, rest) = match arguments {
        [flag, folder, rest @ ..] if flag == "--harness" => (PathBuf::from(folder), rest),
        rest => (root().join("../shared/bench"), rest),
    };
    if !harness.join("run.py").is_file() {
        bail!(
            "no harness at {}: name its folder with --harness DIR (it holds run.py and peers/)",
            harness.display()
        );
    }
    must(cargo().args(["build", "--release", "--locked", "--package", "palisade"]))?;
    let mut bench = match rest {
        [first, options @ ..] if first == "sign-in" => sign_in(&harness, options)?,
        rest => side_by_side(&harness, rest),
    };
    must(bench.env("PALISADE_BIN", target().join("release/palisade")))
}

fn side_by_side(harness: &Path, arguments: &[String]) -> Command {
    let mut bench = command("python3");
    bench.arg(harness.join("run.py")).env("PEERS_EXTRA", root().join("bench/peers"));
    if arguments.is_empty() {
        bench.args(["nginx_proxy", "palisade", "--baseline", "nginx_proxy", "--conc", "64"]);
    } else {
        bench.args(arguments);
    }
    bench
}

fn sign_in(harness: &Path, options: &[String]) -> Result<Command> {
    let mut bench = command("python3");
    bench.arg(root().join("bench/sign_in.py")).arg("--harness").arg(harness);
    bench.arg("--hash").arg(bench_executable("palisade-access", "hash")?).args(options);
    Ok(bench)
}

/// Builds a bench and says where it is: Cargo puts a hash of its own into the name.
fn bench_executable(package: &str, name: &str) -> Result<String> {
    let mut build = cargo();
    build.args(["bench", "--locked", "--no-run", "--message-format", "json"]);
    build.args(["--package", package, "--bench", name]);
    let output = build.stderr(std::process::Stdio::inherit()).output().context("cargo bench")?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| Some(message.get("executable")?.as_str()?.to_owned()))
        .with_context(|| format!("bench {name} of {package} was not built"))
}
