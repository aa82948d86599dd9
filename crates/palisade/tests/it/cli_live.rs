//! The command line beside a running server: two processes, one store.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use http::{Method, StatusCode};
use tempfile::TempDir;

use crate::identify::encoded;
use crate::support::{Client, PASSWORD};

/// `palisade serve` in a folder of its own.
pub struct Server {
    pub folder: TempDir,
    child: Child,
    pub address: SocketAddr,
    pub link: String,
}

impl Server {
    /// Starts on a free port and waits until the first administrator's link is printed.
    fn start() -> Self {
        Self::start_with(&[], "")
    }

    /// The same with these environment variables and this at the end of its policy.
    pub fn start_with(environment: &[(&str, &str)], rest: &str) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let policy = format!(
            "[app]\nname = \"Live\"\nbase_url = \"http://{address}\"\n[edge]\nlisten = \"{address}\"\nmetrics_listen = \"off\"\n\
             [authorize.roles]\nadmin = {{ includes = [\"user\"] }}\nuser = {{}}\n{rest}"
        );
        std::fs::write(folder.path().join("palisade.toml"), policy).unwrap();
        Self::launch(folder, address, environment)
    }

    fn launch(folder: TempDir, address: SocketAddr, environment: &[(&str, &str)]) -> Self {
        let errors = std::fs::File::create(folder.path().join("stderr")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_palisade"))
            .arg("serve")
            .env_clear()
            .envs(environment.iter().copied())
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let mut link = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut link).unwrap();
        Self { folder, child, address, link: link.trim().to_owned() }
    }

    /// Kills it as a power cut would, and starts it again on what it left behind.
    fn killed(mut self) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        Self::launch(folder, self.address, &[])
    }

    pub fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_palisade"))
            .env_clear()
            .current_dir(self.folder.path())
            .args(arguments)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }

    /// Sets a password with a link and is signed in by it.
    pub async fn sign_in(&self, link: &str) -> Client {
        let mut client = Client::new(self.address);
        let path = link.strip_prefix(&format!("http://{}", self.address)).expect("a link to this server");
        let own = format!("http://{}", self.address);
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", own.as_str())];
        let done = client.send(Method::POST, path, &headers, &encoded(&[("password", PASSWORD)])).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
        client
    }

    /// Asks it to stop, and gives its exit code and everything that it wrote.
    fn stop(mut self) -> (Option<i32>, String) {
        let code = self.end();
        let mut written = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut written).unwrap();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    written.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
                }
            }
        }
        (code, written)
    }

    /// Asks it to stop, and gives its exit code.
    pub fn end(&mut self) -> Option<i32> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// proves: ID-1, ID-5, ID-8, AUD-1, AUD-5
#[tokio::test(flavor = "multi_thread")]
async fn the_server_sees_what_the_command_line_changes_within_a_second() {
    let server = Server::start();
    let mut admin = server.sign_in(&server.link).await;
    let session = admin.cookies();
    let me = admin.get("/api/v1/auth/me").await;
    assert_eq!(me.json()["roles"], serde_json::json!(["admin", "user"]), "{}", me.text());

    let (code, text) = server.run(&["user", "add", "eva", "--role", "user"]);
    assert_eq!(code, Some(0), "{text}");
    let link = text.lines().find(|line| line.starts_with("http://")).unwrap().to_owned();
    let mut eva = server.sign_in(&link).await;
    assert_eq!(eva.get("/api/v1/auth/me").await.status, StatusCode::OK);

    assert_eq!(server.run(&["user", "disable", "eva"]).0, Some(0));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(eva.get("/api/v1/auth/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(admin.get("/api/v1/auth/me").await.status, StatusCode::OK, "nobody else is signed out");
    assert_eq!(server.run(&["user", "set-roles", "admin", "user"]).0, Some(0));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = admin.cookies();
    assert_eq!(admin.get("/api/v1/auth/me").await.json()["roles"], serde_json::json!(["user"]));
    assert_ne!(admin.cookies(), before, "rights changed: another id");

    assert_eq!(server.run(&["audit", "verify"]).0, Some(0), "the chain holds with two writers");
    let secrets = [&server.link, &link].map(|link| link.rsplit_once('/').unwrap().1.to_owned());
    let (code, written) = server.stop();
    assert_eq!(code, Some(0));
    assert!(written.contains("/auth/link/{token}"), "requests were logged, by their route");
    for secret in secrets.iter().map(String::as_str).chain([PASSWORD, session.rsplit_once('=').unwrap().1]) {
        assert!(!written.contains(secret), "a secret was written down");
    }
}

// proves: ID-5
#[tokio::test(flavor = "multi_thread")]
async fn once_somebody_can_sign_in_no_link_is_printed_any_more() {
    let mut server = Server::start();
    let again = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
        command.arg("serve").env_clear().current_dir(server.folder.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    server.sign_in(&server.link).await;

    // The address is taken: it says so, and ends.
    let output = again().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("cannot listen on") && output.stdout.is_empty(), "{said}");
    assert!(said.contains("(edge.listen)") && said.contains("end what listens there"), "{said}");

    let mut second = again();
    Command::new("kill").args(["-TERM", &server.child.id().to_string()]).status().unwrap();
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    let hash = "$argon2id$v=19$m=64,t=1,p=2$eFFSM29NNzVlWnJrWjEwZnJoTTF5dA$16TZe7khAENhVptz6FIxEHHQ6zCiphCaAbWkZ6jEniY";
    second.env("AUTH_USERS", format!("admin:{hash}"));
    let second = second.spawn().unwrap();
    for _ in 0..100 {
        if std::net::TcpStream::connect(server.address).is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Command::new("kill").args(["-TERM", &second.id().to_string()]).status().unwrap();
    let output = second.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("/auth/link/"));
    let told =
        said.lines().filter(|line| line.contains("AUTH_USERS names a user who is there already")).count();
    assert!(told == 1 && said.contains("admin") && !said.contains(hash), "{said}");
}

// A crash gives nobody their attempts back.
// proves: LIMIT-1
#[tokio::test(flavor = "multi_thread")]
async fn what_was_counted_survives_a_kill() {
    let server = Server::start_with(&[], "[shield.limits]\ndefault = \"20/day\"\n");
    let statuses = async |server: &Server, count: usize| {
        let mut client = Client::new(server.address);
        let mut statuses = Vec::new();
        for _ in 0..count {
            statuses.push(client.get("/nothing").await.status.as_u16());
        }
        statuses
    };
    assert_eq!(statuses(&server, 12).await, [404; 12]);
    // What is older than a second was written down; what is younger may be lost.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    statuses(&server, 3).await;
    let server = server.killed();
    let after = statuses(&server, 25).await;
    let let_in = after.iter().filter(|status| **status == 404).count();
    assert!((5..=8).contains(&let_in), "12 to 15 were counted before: {after:?}");
    assert_eq!(after[24], 429);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let server = server.killed();
    assert_eq!(statuses(&server, 1).await, [429], "a full window stays full");
}

impl Server {
    /// Kills it in the middle of whatever it does, and starts it again.
    fn fall_and_rise(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = Command::new(env!("CARGO_BIN_EXE_palisade"))
            .arg("serve")
            .env_clear()
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..200 {
            if std::net::TcpStream::connect(self.address).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("it does not come back");
    }

    async fn sign_in_as(&self, login: &str, password: &str) -> StatusCode {
        let json = ("content-type", "application/json");
        let body = format!("{{\"login\":\"{login}\",\"password\":\"{password}\"}}");
        Client::new(self.address).send(Method::POST, "/api/v1/auth/login", &[json], &body).await.status
    }
}

// proves: LIMIT-3, LIMIT-8
#[tokio::test(flavor = "multi_thread")]
async fn a_lockout_survives_kill_9_and_the_command_line_lifts_it_at_once() {
    let mut server = Server::start_with(&[], "[shield.limits]\nlogin = \"1000/minute\"\n");
    server.sign_in(&server.link).await;
    for n in 0..5 {
        assert_eq!(server.sign_in_as("admin", "wrong").await, StatusCode::UNAUTHORIZED, "{n}");
        if n == 2 {
            server.fall_and_rise();
        }
    }
    assert_eq!(server.sign_in_as("admin", PASSWORD).await, StatusCode::TOO_MANY_REQUESTS);
    server.fall_and_rise();
    assert_eq!(server.sign_in_as("admin", PASSWORD).await, StatusCode::TOO_MANY_REQUESTS);

    for wrong in [&["unlock"][..], &["unlock", "--all", "--user", "admin"], &["unlock", "--address", "here"]]
    {
        assert_eq!(server.run(wrong).0, Some(2), "{wrong:?}");
    }
    assert_eq!(server.run(&["unlock", "--user", "nobody"]).0, Some(2));
    assert_eq!(server.sign_in_as("admin", PASSWORD).await, StatusCode::TOO_MANY_REQUESTS);
    let (code, text) = server.run(&["unlock", "--address", "127.0.0.1"]);
    assert_eq!(code, Some(0));
    assert_eq!(text, "Nothing is counted against 127.0.0.1/32 any more, and no lockout holds.\n");
    assert_eq!(server.sign_in_as("admin", PASSWORD).await, StatusCode::OK);
    let (code, text) = server.run(&["unlock", "--address", "127.0.0.0/24"]);
    assert_eq!((code, text.as_str()), (Some(0), "Nothing was counted against 127.0.0.0/24.\n"));
    assert_eq!(server.run(&["audit", "verify"]).0, Some(0));
    assert_eq!(server.end(), Some(0));
}
