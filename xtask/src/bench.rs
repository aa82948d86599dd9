//! Side by side with the peers, in one run on one machine.
//!
//! The harness and the peers are kept outside the repository; the product's own peer folder is
//! `bench/peers`. A ratio from one run counts, a single figure does not.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::run::{cargo, command, must, root, target};

/// `bench [--harness DIR] [PEER ...] [options of the harness]`; by default the proxied jobs against nginx.
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
    let mut bench = command("python3");
    bench
        .arg(harness.join("run.py"))
        .env("PEERS_EXTRA", root().join("bench/peers"))
        .env("PALISADE_BIN", target().join("release/palisade"));
    if rest.is_empty() {
        bench.args(["nginx_proxy", "palisade", "--baseline", "nginx_proxy", "--conc", "64"]);
    } else {
        bench.args(rest);
    }
    must(&mut bench)
}
