//! The program as a process of its own, in a folder of its own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use http::{Method, StatusCode};
use tempfile::TempDir;

use super::{Client, PASSWORD};
use crate::identify::encoded;

/// `palisade serve` in a folder of its own.
pub struct Server {
    pub folder: TempDir,
    child: Option<Child>,
    pub address: SocketAddr,
    pub link: String,
    environment: Vec<(String, String)>,
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

    /// Another node of the same site: the same policy and environment, but for these variables, with a listener and
    /// a data folder of its own.
    pub fn beside(&self, environment: &[(&str, &str)]) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let policy = std::fs::read_to_string(self.folder.path().join("palisade.toml")).unwrap();
        let listen = |address: SocketAddr| format!("listen = \"{address}\"");
        let policy = policy.replace(&listen(self.address), &listen(address));
        std::fs::write(folder.path().join("palisade.toml"), policy).unwrap();
        let mut node = Self::idle(folder, address, &[]);
        node.environment.clone_from(&self.environment);
        for (name, value) in environment {
            node.set(name, value);
        }
        node.rise();
        node
    }

    fn launch(folder: TempDir, address: SocketAddr, environment: &[(&str, &str)]) -> Self {
        let mut server = Self::idle(folder, address, environment);
        server.child = Some(server.spawn(Stdio::piped()));
        let mut link = String::new();
        let said = server.child.as_mut().and_then(|child| child.stdout.as_mut()).unwrap();
        BufReader::new(said).read_line(&mut link).unwrap();
        link.trim().clone_into(&mut server.link);
        server
    }

    fn idle(folder: TempDir, address: SocketAddr, environment: &[(&str, &str)]) -> Self {
        Self { folder, child: None, address, link: String::new(), environment: owned(environment) }
    }

    fn spawn(&self, output: Stdio) -> Child {
        let errors = std::fs::File::create(self.errors()).unwrap();
        self.command(&["serve"]).stdout(output).stderr(errors).spawn().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
        command.args(arguments).env_clear().envs(self.environment.iter().cloned());
        command.current_dir(self.folder.path());
        command
    }

    fn errors(&self) -> PathBuf {
        self.folder.path().join("stderr")
    }

    /// Kills it as a power cut would, and starts it again on what it left behind, where nobody can sign in yet.
    pub fn killed(mut self) -> Self {
        self.kill();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        Self::launch(folder, self.address, &[])
    }

    pub fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }

    /// The same, which has to work.
    pub fn told(&self, arguments: &[&str]) -> String {
        let (code, text) = self.run(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {text}");
        text
    }

    /// Sets the usual password with a link and is signed in by it.
    pub async fn sign_in(&self, link: &str) -> Client {
        self.sign_in_by(link, PASSWORD).await
    }

    /// The same with this password.
    pub async fn sign_in_by(&self, link: &str, password: &str) -> Client {
        let mut client = Client::new(self.address);
        let path = link.strip_prefix(&format!("http://{}", self.address)).expect("a link to this server");
        let own = format!("http://{}", self.address);
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", own.as_str())];
        let done = client.send(Method::POST, path, &headers, &encoded(&[("password", password)])).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
        client
    }

    /// Asks it to stop, and gives its exit code and everything that it wrote.
    pub fn stop(mut self) -> (Option<i32>, String) {
        let mut said = self.child.as_mut().and_then(|child| child.stdout.take()).unwrap();
        let code = self.end();
        let mut written = String::new();
        said.read_to_string(&mut written).unwrap();
        written.push_str(&self.files());
        (code, written)
    }

    /// Everything in its folder.
    pub fn files(&self) -> String {
        let (mut files, mut folders) = (String::new(), vec![self.folder.path().to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
                }
            }
        }
        files
    }

    /// How many lines of its events log tell of this.
    pub fn events(&self, name: &str) -> usize {
        let log = self.data("logs/events.log");
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter(|event| event["event"] == name).count()
    }

    /// A file in its data folder.
    pub fn data(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join("palisade-data").join(path)
    }

    /// Asks it to stop, and gives its exit code.
    pub fn end(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        child.wait().unwrap().code()
    }

    fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sends it a signal, as `-STOP`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Stops it in order, and starts it again.
    pub fn restart(&mut self) {
        assert_eq!(self.end(), Some(0));
        self.rise();
    }

    /// Kills it in the middle of whatever it does, and starts it again.
    pub fn fall_and_rise(&mut self) {
        self.kill();
        self.rise();
    }

    /// Sets a variable of its environment, from the next start on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Writes another line in the place of this one of its policy, from the next start on.
    pub fn amend(&self, line: &str, becomes: &str) {
        let path = self.folder.path().join("palisade.toml");
        let policy = std::fs::read_to_string(&path).unwrap();
        assert_eq!(policy.lines().filter(|one| *one == line).count(), 1, "{line} in {policy}");
        let lines = policy.lines().map(|one| if one == line { becomes } else { one });
        std::fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
    }

    fn rise(&mut self) {
        self.begin();
        self.wait();
    }

    /// Starts it, and does not wait for it.
    pub fn begin(&mut self) {
        self.child = Some(self.spawn(Stdio::null()));
    }

    /// Waits until it answers.
    pub fn wait(&self) {
        for _ in 0..1000 {
            let said = std::fs::read_to_string(self.errors()).unwrap_or_default();
            if said.contains(" is guarded at ") {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not come up: {}", std::fs::read_to_string(self.errors()).unwrap());
    }

    pub async fn sign_in_as(&self, login: &str, password: &str) -> StatusCode {
        let json = ("content-type", "application/json");
        let body = format!("{{\"login\":\"{login}\",\"password\":\"{password}\"}}");
        Client::new(self.address).send(Method::POST, "/api/v1/auth/login", &[json], &body).await.status
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn owned(environment: &[(&str, &str)]) -> Vec<(String, String)> {
    environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
