//! What the tests need: real databases, a real browser, real Flask and Express applications.
//!
//! Debian's packages are installed when we are root and something is missing; otherwise the error
//! says exactly what to install. Python and Node packages go to a folder below `target`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::run::{command, must, root, target, which};

/// The version of cargo-deny that is built when there is none.
const CARGO_DENY: &str = "0.20.2";

/// A program that a test starts, and the Debian package that has it.
struct Need {
    package: &'static str,
    found: fn() -> bool,
}

const NEEDS: &[Need] = &[
    Need { package: "postgresql", found: || postgres_bin().is_some() },
    Need { package: "chromium", found: || which("chromium").is_some() },
    Need { package: "chromium-driver", found: || which("chromedriver").is_some() },
    Need { package: "python3-venv", found: || venv_works() },
    Need { package: "nodejs", found: || which("node").is_some() },
    Need { package: "npm", found: || which("npm").is_some() },
    Need { package: "procps", found: || which("kill").is_some() },
    Need { package: "openssl", found: || which("openssl").is_some() },
];

/// Where things are that the tests start.
pub struct Tools {
    /// cargo-deny.
    pub deny: PathBuf,
    /// The Flask applications' interpreter folder.
    pub venv: PathBuf,
    /// The interpreter folder with the libraries that hash passwords.
    pub hashes: PathBuf,
    /// The interpreter folder with the mail server.
    pub mail: PathBuf,
    /// The interpreter folder with the judges of the API's description.
    pub openapi: PathBuf,
    /// The Express application with its packages.
    pub express: PathBuf,
    /// The OpenID provider's packages.
    pub oidc: PathBuf,
}

/// Installs what is missing and says where it is.
pub fn install() -> Result<Tools> {
    debian()?;
    Ok(Tools {
        deny: cargo_deny()?,
        venv: python("flask", "tests/upstreams/flask")?,
        hashes: python("hashes", "tests/hashes")?,
        mail: python("mail", "tests/mail")?,
        openapi: python("openapi", "tests/openapi")?,
        express: node("express")?,
        oidc: node("oidc")?,
    })
}

fn debian() -> Result<()> {
    let missing: Vec<&str> = NEEDS.iter().filter(|need| !(need.found)()).map(|need| need.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !is_root() || which("apt-get").is_none() {
        bail!("the tests need Debian's packages: {list}\ninstall them with: sudo apt-get install -y {list}");
    }
    must(command("apt-get").arg("update").arg("-qq"))?;
    must(
        command("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(&missing),
    )
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&match std::fs::metadata("/proc/self") {
        Ok(metadata) => metadata,
        Err(_) => return false,
    }) == 0
}

/// The newest PostgreSQL that Debian's packages brought.
fn postgres_bin() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").is_file() && bin.join("postgres").is_file())
        .collect();
    versions.sort();
    versions.pop()
}

fn venv_works() -> bool {
    which("python3").is_some()
        && command("python3")
            .args(["-c", "import venv, ensurepip"])
            .stderr(std::process::Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
}

/// Below `target`, so that it survives a `git clean` of the sources and goes with `cargo clean`.
fn env_folder() -> PathBuf {
    target().join("test-env")
}

fn cargo_deny() -> Result<PathBuf> {
    if let Some(found) = which("cargo-deny") {
        return Ok(found);
    }
    let folder = env_folder().join("tools");
    let program = folder.join("bin/cargo-deny");
    if !program.is_file() {
        must(
            crate::run::cargo()
                .args(["install", "--quiet", "--locked", "cargo-deny", "--version", CARGO_DENY, "--root"])
                .arg(&folder)
                // its own profile and flags, not ours
                .current_dir(std::env::temp_dir()),
        )?;
    }
    Ok(program)
}

/// A virtual environment with the pinned packages that stand in a folder.
fn python(name: &str, folder: &str) -> Result<PathBuf> {
    let wanted = root().join(folder).join("requirements.txt");
    let venv = env_folder().join(name);
    if !is_fresh(&venv, &wanted)? {
        must(command("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
        must(
            command(venv.join("bin/pip"))
                .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
                .arg(&wanted),
        )?;
        stamp(&venv, &wanted)?;
    }
    Ok(venv)
}

/// The folder of an application in Node, with its pinned packages.
fn node(name: &str) -> Result<PathBuf> {
    let source = root().join("tests/upstreams").join(name);
    let wanted = source.join("package-lock.json");
    let folder = env_folder().join(name);
    if !is_fresh(&folder, &wanted)? {
        std::fs::create_dir_all(&folder)?;
        for file in ["package.json", "package-lock.json"] {
            std::fs::copy(source.join(file), folder.join(file))?;
        }
        must(
            command("npm")
                .args(["ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"])
                .current_dir(&folder),
        )?;
        stamp(&folder, &wanted)?;
    }
    Ok(folder)
}

/// Whether the folder was filled from just this list of packages.
fn is_fresh(folder: &Path, wanted: &Path) -> Result<bool> {
    let stamped = std::fs::read(folder.join(".filled-from")).unwrap_or_default();
    Ok(!stamped.is_empty() && stamped == std::fs::read(wanted)?)
}

fn stamp(folder: &Path, wanted: &Path) -> Result<()> {
    std::fs::copy(wanted, folder.join(".filled-from"))?;
    Ok(())
}
