//! The program as a process of its own, in a folder of its own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use http::{Method, StatusCode};
use tempfile::TempDir;

use super::{Client, PASSWORD};
use crate::identify::encoded;

/// `palisade serve` in a folder of its own.
pub struct Server {
    pub folder: TempDir,
    child: Child,
    pub address: SocketAddr,
    pub link: String,
}

impl Server {
    /// Starts on a free port and waits until the first administrator's link is printed.
    pub fn start() -> Self {
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

    pub fn launch(folder: TempDir, address: SocketAddr, environment: &[(&str, &str)]) -> Self {
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
    pub fn killed(mut self) -> Self {
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
    pub fn stop(mut self) -> (Option<i32>, String) {
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

    /// Kills it in the middle of whatever it does, and starts it again.
    pub fn fall_and_rise(&mut self) {
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

    pub async fn sign_in_as(&self, login: &str, password: &str) -> StatusCode {
        let json = ("content-type", "application/json");
        let body = format!("{{\"login\":\"{login}\",\"password\":\"{password}\"}}");
        Client::new(self.address).send(Method::POST, "/api/v1/auth/login", &[json], &body).await.status
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
