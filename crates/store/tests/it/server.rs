//! A PostgreSQL server of one's own for a test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use palisade_model::Secret;
use palisade_store::Location;

/// A running server with a database `test`; stopped and removed when dropped.
pub struct Server {
    folder: PathBuf,
    child: Option<Child>,
    options: Vec<String>,
}

impl Server {
    /// Starts one. It syncs to disk, as a real one does, and is reached by a socket in its folder.
    pub fn start() -> Self {
        let mut server = Self::prepare();
        server.up();
        server
    }

    /// Starts one that is reached by TLS alone, at `localhost` and a port, with a certificate for that name.
    /// Gives the port and the file with the authority's certificate.
    pub fn start_with_tls() -> (Self, u16, PathBuf) {
        let mut server = Self::prepare();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // The authority, the server's certificate, and a rule that lets nobody in without TLS.
        let script = "set -e; cd \"$0\"
            openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=authority
            openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=server
            echo 'subjectAltName=DNS:localhost' > names
            openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
                -extfile names -out server.pem
            chmod 600 server.key; chmod 755 .; chmod 644 ca.pem
            echo 'local all all trust' > data/pg_hba.conf
            echo 'hostssl all all 127.0.0.1/32 trust' >> data/pg_hba.conf";
        run(as_owner("sh").arg("-c").arg(script).arg(&server.folder));
        let file = |name: &str| server.folder.join(name).display().to_string();
        server.options = vec![
            "listen_addresses=127.0.0.1".into(),
            format!("port={port}"),
            "ssl=on".into(),
            format!("ssl_cert_file={}", file("server.pem")),
            format!("ssl_key_file={}", file("server.key")),
        ];
        let authority = server.folder.join("ca.pem");
        server.up();
        (server, port, authority)
    }

    fn prepare() -> Self {
        let template = template();
        let folder = fresh_folder();
        run(as_owner("cp").arg("-a").arg(template.join("data")).arg(&folder));
        Self { folder, child: None, options: vec!["listen_addresses=".into()] }
    }

    /// Where a store finds it.
    pub fn location(&self) -> Location {
        Location::Postgres(Secret::new(self.url("postgres")))
    }

    /// Its database's URL for this user of it.
    pub fn url(&self, user: &str) -> String {
        format!("postgres://{user}@{}/test", self.folder.to_str().unwrap().replace('/', "%2F"))
    }

    /// Starts the server again after [`crash`](Self::crash).
    pub fn up(&mut self) {
        let child = as_owner(&binary("postgres"))
            .arg("-D")
            .arg(self.folder.join("data"))
            .arg("-k")
            .arg(&self.folder)
            .args(["-c", "logging_collector=off", "-c", "max_connections=200"])
            .args(self.options.iter().flat_map(|option| ["-c", option]))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres starts");
        self.child = Some(child);
        for _ in 0..600 {
            let port = self.options.iter().find_map(|option| option.strip_prefix("port=")).unwrap_or("5432");
            let mut ask = as_owner(&binary("pg_isready"));
            let ready = ask.args(["-q", "-p", port, "-h"]).arg(&self.folder).status();
            if ready.is_ok_and(|status| status.success()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the PostgreSQL server did not come up in 30 seconds");
    }

    /// Stops the server as if its machine had lost power.
    pub fn crash(&mut self) {
        run(as_owner(&binary("pg_ctl"))
            .args(["stop", "-s", "-m", "immediate", "-D"])
            .arg(self.folder.join("data")));
        if let Some(mut child) = self.child.take() {
            child.wait().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.crash();
        }
        let _ = as_owner("rm").arg("-rf").arg(&self.folder).status();
    }
}

/// A data folder made once for all tests on this machine, which servers start from a copy of.
fn template() -> PathBuf {
    let ready = std::env::temp_dir().join(format!("palisade-test-postgres-{}", version()));
    if !ready.join("data/PG_VERSION").exists() {
        let folder = fresh_folder();
        let data = folder.join("data");
        run(as_owner(&binary("initdb"))
            .args(["-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data));
        let mut first =
            Server { folder: folder.clone(), child: None, options: vec!["listen_addresses=".into()] };
        first.up();
        run(as_owner(&binary("createdb")).args(["-U", "postgres", "-h"]).arg(&folder).arg("test"));
        run(as_owner(&binary("pg_ctl")).args(["stop", "-s", "-m", "fast", "-D"]).arg(&data));
        first.child.take().unwrap().wait().unwrap();
        // Of several tests that get here at once, one wins; the others' folders go with their `first`.
        let _ = as_owner("mv").arg("-T").arg(&folder).arg(&ready).stderr(Stdio::null()).status();
        assert!(ready.join("data").exists(), "no template of a PostgreSQL server at {}", ready.display());
    }
    ready
}

/// A new folder that the server's user owns. Short, since a socket's path has few characters.
fn fresh_folder() -> PathBuf {
    let made = as_owner("mktemp").args(["-d", "/tmp/pg-XXXXXXXX"]).output().expect("mktemp runs");
    assert!(made.status.success(), "mktemp failed");
    PathBuf::from(String::from_utf8(made.stdout).unwrap().trim())
}

/// A command run by somebody whom PostgreSQL lets run a server: never root.
fn as_owner(program: &str) -> Command {
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    let mut command = if root {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--", program]);
        command
    } else {
        Command::new(program)
    };
    command.current_dir("/tmp");
    command
}

fn run(command: &mut Command) {
    let output = command.output().expect("a command runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn binary(name: &str) -> String {
    binaries().join(name).to_str().unwrap().to_owned()
}

fn version() -> String {
    binaries().parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned()
}

/// The newest PostgreSQL on this machine. Without one the test fails: it is never skipped.
fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .map(|version| version.path())
        .filter(|version| version.join("bin/initdb").exists())
        .max_by_key(|version| number(version));
    newest.expect("PostgreSQL is missing: install it with `apt-get install postgresql`").join("bin")
}

fn number(version: &Path) -> u32 {
    version.file_name().and_then(|name| name.to_str()?.parse().ok()).unwrap_or(0)
}
