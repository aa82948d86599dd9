//! Processes that are killed while they write: what was acknowledged stays, and the chain holds.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use palisade_model::id::UserId;
use palisade_model::{Secret, World};
use palisade_store::{Location, Store};

use crate::fixture::{Fixture, HOUR, created};
use crate::server::Server;

/// Where the helper process finds the store: `sqlite:<path>` or a PostgreSQL URL.
const WHERE: &str = "PALISADE_TEST_CHAOS";
const KILLS: u32 = 40;

/// The process that the tests here start, and kill. On its own it writes a little and checks what it wrote.
#[test]
fn the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let place = std::env::var(WHERE).ok();
    let location = match place.as_deref().map(|place| (place, place.strip_prefix("sqlite:"))) {
        None => Location::Sqlite(folder.path().join("palisade.db")),
        Some((_, Some(path))) => Location::Sqlite(path.into()),
        Some((url, None)) => Location::Postgres(Secret::new(url)),
    };
    let rounds = if place.is_some() { usize::MAX } else { 3 };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let world = World::real();
        let store = Store::open(&location, &world).await.unwrap();
        let before = store.user_count().await.unwrap();
        let writers: Vec<_> =
            (0..8).map(|_| tokio::spawn(write(store.clone(), world.clone(), rounds))).collect();
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(store.user_count().await.unwrap(), before + 8 * 3);
        assert!(store.verify_chain().await.unwrap().faults.is_empty());
    });
}

/// Makes users, and tells of each once it is acknowledged.
async fn write(store: Store, world: World, rounds: usize) {
    for _ in 0..rounds {
        let id = UserId::generate(world.now(), world.entropy.as_ref()).unwrap();
        let user = palisade_store::User {
            id,
            name: format!("user {id}"),
            email: None,
            email_verified_at: None,
            tenant: None,
            roles: vec![],
            password: None,
            password_at: None,
            enabled: true,
            created_at: world.now(),
        };
        let line = match store.create_user(&user, vec![created(&user)]).await {
            Ok(()) => format!("ack {id}\n"),
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                "down\n".to_owned()
            }
        };
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    }
}

/// A running helper process, and the lines that it prints.
struct Writer {
    child: Child,
    lines: Receiver<String>,
}

impl Writer {
    fn start(place: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["chaos::the_writer", "--exact", "--nocapture"])
            .env(WHERE, place)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            // What stands in the pipe when the process dies is still read. A last line that was cut is none.
            for line in output.lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        Self { child, lines }
    }

    /// Waits for a line of this kind, and keeps the acknowledged ids on the way.
    fn wait_for(&self, kind: &str, acknowledged: &mut BTreeSet<UserId>) {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(60)).expect("the writer stopped writing");
            acknowledged.extend(acknowledgement(&line));
            if line.contains(kind) {
                return;
            }
        }
    }

    /// SIGKILL, and whatever it still said.
    fn kill(mut self, acknowledged: &mut BTreeSet<UserId>) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        acknowledged.extend(self.lines.iter().filter_map(|line| acknowledgement(&line)));
    }
}

fn acknowledgement(line: &str) -> Option<UserId> {
    // libtest writes its own words before the first line of a test.
    let (_, id) = line.split_once("ack ")?;
    UserId::parse(id)
}

/// No acknowledged write is lost, none is there in part, and the chain holds.
async fn check(store: &Store, acknowledged: &BTreeSet<UserId>) {
    let (report, there) = loop {
        let report = store.verify_chain().await.unwrap();
        let mut there = BTreeSet::new();
        while let page @ [_, ..] = &store.users(there.last().copied(), 1000).await.unwrap()[..] {
            there.extend(page.iter().map(|user| user.id));
        }
        // A server may still be at what a killed client had sent it.
        if store.audit_head().await.unwrap().0 == report.head_seq {
            break (report, there);
        }
    };
    assert!(report.is_whole(), "{:?}", report.faults);
    let lost: Vec<_> = acknowledged.difference(&there).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged writes are lost", lost.len(), acknowledged.len());
    assert_eq!(report.rows, there.len() as u64 + 1, "a user without its row, or a row without its user");
}

/// Kills a writer `KILLS` times, after a pause that is different each time, while another process goes on
/// writing.
async fn kill_writers(f: &Fixture, place: &str) {
    let mut acknowledged = BTreeSet::new();
    let other = Writer::start(place);
    for round in 0..KILLS {
        let writer = Writer::start(place);
        writer.wait_for("ack", &mut acknowledged);
        std::thread::sleep(Duration::from_micros(u64::from(round * 7919 % 97) * 500));
        writer.kill(&mut acknowledged);
        if round % 8 == 7 {
            check_while_writing(&f.reopen().await, &acknowledged).await;
        }
    }
    other.wait_for("ack", &mut acknowledged);
    other.kill(&mut acknowledged);
    assert!(acknowledged.len() > KILLS as usize);
    check(&f.store, &acknowledged).await;
}

// proves: AUD-1, AUD-2
#[tokio::test(flavor = "multi_thread")]
async fn sqlite_loses_nothing_when_its_writer_is_killed() {
    let f = Fixture::sqlite().await;
    let Location::Sqlite(path) = f.location.clone() else { unreachable!() };
    kill_writers(&f, &sqlite(&path)).await;
}

fn sqlite(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

// proves: AUD-1, AUD-2
#[tokio::test(flavor = "multi_thread")]
async fn postgres_loses_nothing_when_a_client_is_killed() {
    let f = Fixture::postgres().await;
    let Location::Postgres(url) = f.location.clone() else { unreachable!() };
    kill_writers(&f, url.expose()).await;
}

// proves: AUD-1, AUD-2
#[tokio::test(flavor = "multi_thread")]
async fn postgres_loses_nothing_when_the_server_crashes_and_clients_come_back() {
    let mut server = Server::start();
    let f = Fixture::new(server.location(), ()).await;
    let Location::Postgres(url) = f.location.clone() else { unreachable!() };
    let mut acknowledged = BTreeSet::new();
    let writer = Writer::start(url.expose());
    for round in 0..5_u64 {
        writer.wait_for("ack", &mut acknowledged);
        std::thread::sleep(Duration::from_millis(20 + round * 17));
        server.crash();
        writer.wait_for("down", &mut acknowledged);
        assert!(f.store.user_count().await.is_err(), "an answer without a server");
        assert!(f.store.ping().await.is_err());
        let down = Instant::now();
        server.up();
        // The same process writes again, and the store here reads again, without being told.
        writer.wait_for("ack", &mut acknowledged);
        while f.store.ping().await.is_err() {
            assert!(down.elapsed() < HOUR / 60, "the store did not come back");
        }
        check_while_writing(&f.store, &acknowledged).await;
    }
    writer.kill(&mut acknowledged);
    check(&f.store, &acknowledged).await;
}

/// As [`check`], while others go on writing: rows and users cannot be counted then.
async fn check_while_writing(store: &Store, acknowledged: &BTreeSet<UserId>) {
    let report = store.verify_chain().await.unwrap();
    assert!(report.is_whole(), "{:?}", report.faults);
    for id in acknowledged.iter().rev().take(20) {
        assert!(store.user(*id).await.unwrap().is_some(), "an acknowledged write is lost");
    }
}
