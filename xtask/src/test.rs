//! Everything that must hold before a change lands.

use anyhow::{Result, bail};

use crate::run::{cargo, command, must};
use crate::{law, setup};

/// Formatting, lints, links within the documentation, licences and sources, the law, and every test, in this order.
///
/// `--quick` leaves out the installing and the dependency checks: for the hand, never for CI.
pub fn all(arguments: &[String]) -> Result<()> {
    let quick = match arguments {
        [] => false,
        [one] if one == "--quick" => true,
        _ => bail!("test takes no arguments but --quick"),
    };
    let tools = if quick { None } else { Some(setup::install()?) };
    must(cargo().args(["fmt", "--all", "--check"]))?;
    must(cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))?;
    let mut doc = cargo();
    doc.args(["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items", "--locked"]);
    must(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    if let Some(tools) = &tools {
        // cargo-deny looks at all platforms' crates, and a build fetches only those of this one.
        must(cargo().args(["fetch", "--locked", "--quiet"]))?;
        // Advisories need the advisory database from outside: the weekly workflow looks at them.
        must(command(&tools.deny).args(["--offline", "--locked", "check", "bans", "licenses", "sources"]))?;
    }
    law::check()?;
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--locked"]);
    if let Some(tools) = &tools {
        tests
            .env("PALISADE_TEST_FLASK", &tools.venv)
            .env("PALISADE_TEST_HASHES", &tools.hashes)
            .env("PALISADE_TEST_MAIL", &tools.mail)
            .env("PALISADE_TEST_OPENAPI", &tools.openapi)
            .env("PALISADE_TEST_EXPRESS", &tools.express)
            .env("PALISADE_TEST_OIDC", &tools.oidc);
    }
    must(&mut tests)?;
    eprintln!("\nall green");
    Ok(())
}
