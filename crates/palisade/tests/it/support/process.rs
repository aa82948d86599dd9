//! Programs that a test starts and stops: real applications, a real browser's driver.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// A program with all that it starts; ended when dropped.
pub struct Program {
    child: Child,
    /// The port on which it said that it listens.
    pub port: u16,
}

impl Program {
    /// Starts `command` and waits until a line of its output tells the port.
    pub fn start(mut command: Command, port_of: impl Fn(&str) -> Option<u16> + Send + 'static) -> Self {
        let said = format!("{command:?}");
        let mut child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {said}: {error}\nrun `cargo xtask setup`"));
        let (found, port) = mpsc::channel();
        let streams: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        let port_of = std::sync::Arc::new(std::sync::Mutex::new(port_of));
        for stream in streams {
            let (found, port_of) = (found.clone(), port_of.clone());
            // reads on to the end, so that the program never blocks on a full pipe
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if let Some(port) = (port_of.lock().unwrap())(&line) {
                        let _ = found.send(port);
                    }
                }
            });
        }
        match port.recv_timeout(Duration::from_secs(40)) {
            Ok(port) => Self { child, port },
            Err(_) => {
                let _ = child.kill();
                panic!("{said} did not say on which port it listens");
            }
        }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // its whole group: gunicorn's workers, the browser below its driver
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-TERM", "--", &group]).status();
        for _ in 0..50 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}

/// The number behind the last colon, or the whole line if it is a number.
fn trailing_port(line: &str) -> Option<u16> {
    let digits: String = line.chars().rev().take_while(char::is_ascii_digit).collect();
    digits.chars().rev().collect::<String>().parse().ok()
}

/// The repository's folder.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Where `cargo xtask setup` put the packages of `what`.
fn installed(variable: &str, what: &str) -> PathBuf {
    let folder = std::env::var_os(variable)
        .map_or_else(|| repository().join("target/test-env").join(what), PathBuf::from);
    assert!(folder.is_dir(), "{} is missing: run `cargo xtask setup`", folder.display());
    folder
}

/// The interpreter with the packages of `what`.
pub fn python_of(variable: &str, what: &str) -> Command {
    let mut command = Command::new(installed(variable, what).join("bin/python"));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// The unmodified Flask application under gunicorn.
pub fn flask() -> Program {
    let venv = installed("PALISADE_TEST_FLASK", "flask");
    let mut command = Command::new(venv.join("bin/gunicorn"));
    command
        .args(["--bind", "127.0.0.1:0", "--workers", "1", "--threads", "4", "app:app"])
        .current_dir(repository().join("tests/upstreams/flask"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    // "[INFO] Listening at: http://127.0.0.1:41234 (123)"
    Program::start(command, |line| {
        line.split_once("Listening at: ")
            .and_then(|(_, rest)| trailing_port(rest.split_whitespace().next().unwrap_or_default()))
    })
}

/// A mail server that keeps what it gets in `folder`.
pub fn mail(folder: &Path, arguments: &[&str]) -> Program {
    let mut command = python_of("PALISADE_TEST_MAIL", "mail");
    command.arg(repository().join("tests/mail/server.py")).arg("--folder").arg(folder).args(arguments);
    Program::start(command, |line| line.strip_prefix("listening on ").and_then(trailing_port))
}

/// The unmodified Express application.
pub fn express() -> Program {
    let folder = installed("PALISADE_TEST_EXPRESS", "express");
    let mut command = Command::new("node");
    command
        .arg(repository().join("tests/upstreams/express/app.js"))
        .env("NODE_PATH", folder.join("node_modules"))
        .env("PORT", "0");
    Program::start(command, |line| line.parse().ok())
}

/// A certified OpenID provider, at `http://localhost:PORT`: for a browser another site than 127.0.0.1.
pub fn oidc() -> Program {
    let folder = installed("PALISADE_TEST_OIDC", "oidc");
    let mut command = Command::new("node");
    command
        .arg(repository().join("tests/upstreams/oidc/provider.js"))
        .env("NODE_PATH", folder.join("node_modules"));
    Program::start(command, |line| line.parse().ok())
}

/// The accessibility checker that runs within the pages.
pub fn axe() -> String {
    let folder = installed("PALISADE_TEST_EXPRESS", "express");
    std::fs::read_to_string(folder.join("node_modules/axe-core/axe.min.js")).unwrap()
}

/// The driver of a real Chromium.
pub fn chromedriver() -> Program {
    let mut command = Command::new("chromedriver");
    command.arg("--port=0");
    // "ChromeDriver was started successfully on port 41234."
    Program::start(command, |line| {
        line.contains("started successfully on port")
            .then(|| trailing_port(line.trim_end_matches('.')))
            .flatten()
    })
}
