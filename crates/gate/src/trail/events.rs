//! The events log: JSON Lines in a file that turns over by size (AUD-4).
//!
//! Requests never wait for the disk: an event goes into a bounded queue, and one thread writes. When
//! the queue is full or the disk refuses, the event is lost, is counted, and the count is written into the log as
//! `events_lost` as soon as it can be: a gap in the log is always seen as one.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use palisade_model::{Clock, SecurityEvent};
use palisade_store::folder::make_private;
use parking_lot::Mutex;

use crate::Metrics;

/// So many events may wait for the disk: some megabytes at most.
const QUEUE: usize = 8192;

enum Order {
    Write(String),
    /// Answered once all that came before is with the operating system.
    Flush(SyncSender<()>),
    Close,
}

/// Events that could not be written.
#[derive(Clone)]
struct Losses {
    /// Those that the log does not tell of yet.
    untold: Arc<AtomicU64>,
    metrics: Metrics,
}

impl Losses {
    fn one(&self) {
        self.untold.fetch_add(1, Ordering::Relaxed);
        self.metrics.event_lost();
    }
}

/// The way into the events log.
pub(super) struct EventLog {
    queue: SyncSender<Order>,
    losses: Losses,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl EventLog {
    /// Opens the log for appending, with its folder.
    ///
    /// # Errors
    /// When the folder or the file cannot be made or written.
    pub(super) fn open(
        path: &Path,
        rotate_bytes: u64,
        keep: usize,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> io::Result<Self> {
        let lines = Lines::open(path.to_owned(), rotate_bytes, keep)?;
        let (queue, orders) = sync_channel(QUEUE);
        let losses = Losses { untold: Arc::default(), metrics };
        let counted = losses.clone();
        let writer = std::thread::Builder::new()
            .name("events".into())
            .spawn(move || write_all(&orders, lines, &counted, clock.as_ref()))?;
        Ok(Self { queue, losses, writer: Mutex::new(Some(writer)) })
    }

    /// Hands an event over; never waits.
    pub(super) fn put(&self, event: &SecurityEvent) {
        match self.queue.try_send(Order::Write(event.to_line())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.losses.one(),
        }
    }

    /// Events that were lost and whose loss the log does not tell yet.
    pub(super) fn lost(&self) -> u64 {
        self.losses.untold.load(Ordering::Relaxed)
    }

    /// Returns once every event that was put before is written. Blocks.
    pub(super) fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.queue.send(Order::Flush(done)).is_ok() {
            let _ = wait.recv();
        }
    }

    /// Writes what is waiting and closes the file. Blocks.
    pub(super) fn close(&self) {
        let writer = self.writer.lock().take();
        if let Some(writer) = writer {
            let _ = self.queue.send(Order::Close);
            let _ = writer.join();
        }
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        self.close();
    }
}

fn write_all(orders: &Receiver<Order>, mut lines: Lines, losses: &Losses, clock: &dyn Clock) {
    while let Ok(first) = orders.recv() {
        let mut next = Some(first);
        while let Some(order) = next {
            match order {
                Order::Write(line) => keep(&mut lines, &line, losses, clock),
                Order::Flush(done) => {
                    let _ = lines.flush();
                    let _ = done.send(());
                }
                Order::Close => {
                    let _ = lines.flush();
                    return;
                }
            }
            next = orders.try_recv().ok();
        }
        if let Err(reason) = lines.flush() {
            losses.one();
            tracing::error!(%reason, "the events log cannot be written");
        }
    }
}

/// Writes a line, and before it how many are missing, if any are.
fn keep(lines: &mut Lines, line: &str, losses: &Losses, clock: &dyn Clock) {
    let missing = losses.untold.swap(0, Ordering::Relaxed);
    let written = if missing > 0 {
        let gap = SecurityEvent::new(clock.now(), "events_lost").with("count", missing).to_line();
        lines.write(&gap).and_then(|()| lines.write(line))
    } else {
        lines.write(line)
    };
    if let Err(reason) = written {
        losses.untold.fetch_add(missing, Ordering::Relaxed);
        losses.one();
        tracing::error!(%reason, "an event was lost: the events log cannot be written");
    }
}

/// The file itself, with those that it turned into.
struct Lines {
    path: PathBuf,
    rotate_bytes: u64,
    keep: usize,
    file: BufWriter<File>,
    bytes: u64,
}

impl Lines {
    fn open(path: PathBuf, rotate_bytes: u64, keep: usize) -> io::Result<Self> {
        path.parent().map(make_private).transpose()?;
        let file = append_to(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path, rotate_bytes, keep, file: BufWriter::with_capacity(64 * 1024, file), bytes })
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        let length = line.len() as u64 + 1;
        if self.bytes > 0 && self.bytes + length > self.rotate_bytes {
            self.turn_over()?;
        }
        self.file.write_all(line.as_bytes())?;
        self.file.write_all(b"\n")?;
        self.bytes += length;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// `events.log` becomes `events.log.1`, and so on; the oldest goes.
    fn turn_over(&mut self) -> io::Result<()> {
        self.file.flush()?;
        let numbered = |n: usize| PathBuf::from(format!("{}.{n}", self.path.display()));
        for n in (1..self.keep).rev() {
            match std::fs::rename(numbered(n), numbered(n + 1)) {
                Err(reason) if reason.kind() != io::ErrorKind::NotFound => return Err(reason),
                _ => {}
            }
        }
        if self.keep > 0 {
            std::fs::rename(&self.path, numbered(1))?;
        } else {
            std::fs::remove_file(&self.path)?;
        }
        self.file = BufWriter::with_capacity(64 * 1024, append_to(&self.path)?);
        self.bytes = 0;
        Ok(())
    }
}

/// For the server's own user alone (0600): the lines name people's addresses.
fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_model::{SystemClock, Timestamp};

    fn event(n: u64) -> SecurityEvent {
        SecurityEvent::new(Timestamp::from_secs(1), "request_refused").with("n", n)
    }

    // proves: AUD-4
    #[test]
    fn the_log_turns_over_by_size_keeps_so_many_and_loses_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/events.log");
        let line = event(10).to_line().len() as u64 + 1;
        let log = EventLog::open(&path, line * 10, 2, Arc::new(SystemClock), Metrics::default()).unwrap();
        for n in 10..45 {
            log.put(&event(n));
        }
        log.close();
        let read = |name: &str| std::fs::read_to_string(folder.path().join("logs").join(name));
        let numbers = |text: String| -> Vec<u64> {
            text.lines()
                .map(|line| {
                    serde_json::from_str::<serde_json::Value>(line).unwrap()["payload"]["n"].as_u64().unwrap()
                })
                .collect()
        };
        assert_eq!(numbers(read("events.log").unwrap()), (40..45).collect::<Vec<_>>());
        assert_eq!(numbers(read("events.log.1").unwrap()), (30..40).collect::<Vec<_>>());
        assert_eq!(numbers(read("events.log.2").unwrap()), (20..30).collect::<Vec<_>>());
        assert!(read("events.log.3").is_err(), "kept more than asked");
    }

    // proves: AUD-4
    #[cfg(unix)]
    #[test]
    fn the_log_is_for_its_owner_alone_and_is_continued() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.log");
        for n in 0..2 {
            let log = EventLog::open(&path, 1 << 20, 5, Arc::new(SystemClock), Metrics::default()).unwrap();
            log.put(&event(n));
            log.flush();
        }
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
    }

    // proves: AUD-4
    #[test]
    fn a_lost_event_is_counted_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.log");
        let log = EventLog::open(&path, 1 << 20, 5, Arc::new(SystemClock), Metrics::default()).unwrap();
        log.losses.untold.fetch_add(3, Ordering::Relaxed);
        assert_eq!(log.lost(), 3);
        log.put(&event(1));
        log.flush();
        let text = std::fs::read_to_string(&path).unwrap();
        let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(
            (first["event"].as_str(), first["payload"]["count"].as_u64()),
            (Some("events_lost"), Some(3))
        );
        assert_eq!((text.lines().count(), log.lost()), (2, 0));
    }

    // A queue that nobody empties must not stop a request.
    #[test]
    fn a_full_queue_loses_events_and_never_waits() {
        let (queue, _orders) = sync_channel(1);
        let losses = Losses { untold: Arc::default(), metrics: Metrics::default() };
        let log = EventLog { queue, losses, writer: Mutex::new(None) };
        for n in 0..5 {
            log.put(&event(n));
        }
        assert_eq!(log.lost(), 4);
    }
}
