//! The thread that writes lines, so that nobody else waits for a disk.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use palisade_model::Clock;
use parking_lot::{Condvar, Mutex};
use serde_json::json;

use super::rotate::RotatedFile;

/// Lines that wait, in bytes; what comes beyond is counted instead.
const QUEUE: usize = 8 << 20;

/// Lines are gathered for so long, so that a busy server wakes the thread a hundred times a second and not for each.
const GATHER: Duration = Duration::from_millis(10);

/// Where lines are handed in.
#[derive(Clone, Default)]
pub(super) struct Writer(Arc<Queue>);

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    ready: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: String,
    lost: u64,
    stop: bool,
}

impl Writer {
    /// Starts the thread. Lines go to standard error, and to `file` where there is one.
    pub(super) fn start(file: Option<RotatedFile>, clock: Arc<dyn Clock>) -> io::Result<(Self, Flush)> {
        let writer = Self::default();
        let queue = Arc::clone(&writer.0);
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || queue.write_all(file, clock.as_ref()))?;
        let flush = Flush { queue: Arc::clone(&writer.0), thread: Some(thread) };
        Ok((writer, flush))
    }

    /// Hands a line in, without its line break. Never waits for a disk.
    pub(super) fn write(&self, line: &str) {
        let mut waiting = self.0.waiting.lock();
        if waiting.lines.len() + line.len() >= QUEUE {
            waiting.lost += 1;
            return;
        }
        let first = waiting.lines.is_empty();
        waiting.lines.push_str(line);
        waiting.lines.push('\n');
        drop(waiting);
        if first {
            self.0.ready.notify_one();
        }
    }
}

impl Queue {
    fn write_all(&self, mut file: Option<RotatedFile>, clock: &dyn Clock) {
        let mut batch = String::new();
        let mut complained = false;
        loop {
            let stop = self.take(&mut batch, clock);
            if let Some(file) = &mut file
                && let Err(error) = file.append(batch.as_bytes())
                && !std::mem::replace(&mut complained, true)
            {
                note(&mut batch, clock, &format!("the log file cannot be written: {}", error.kind()));
            }
            let _ = io::stderr().lock().write_all(batch.as_bytes());
            batch.clear();
            if stop {
                return;
            }
            std::thread::sleep(GATHER);
        }
    }

    /// Waits for lines and takes them; whether they are the last.
    fn take(&self, batch: &mut String, clock: &dyn Clock) -> bool {
        let mut waiting = self.waiting.lock();
        while waiting.lines.is_empty() && waiting.lost == 0 && !waiting.stop {
            self.ready.wait(&mut waiting);
        }
        std::mem::swap(batch, &mut waiting.lines);
        let (lost, stop) = (std::mem::take(&mut waiting.lost), waiting.stop);
        drop(waiting);
        if lost > 0 {
            note(
                batch,
                clock,
                &format!("{lost} log lines were lost: they came faster than they could be written"),
            );
        }
        stop
    }
}

/// Writes what is still waiting when it is dropped.
#[must_use = "dropped at once, the log ends at once"]
pub struct Flush {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.queue.waiting.lock().stop = true;
        self.queue.ready.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn note(batch: &mut String, clock: &dyn Clock, message: &str) {
    let line = json!({"ts": clock.now().to_string(), "level": "warn", "target": "palisade::logging", "message": message});
    batch.push_str(&line.to_string());
    batch.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_model::SystemClock;

    // proves: AUD-6
    #[test]
    fn lines_that_cannot_be_kept_are_counted_and_the_count_is_logged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        let file = RotatedFile::open(&path, 1 << 30, 1).unwrap();
        let writer = Writer::default();
        writer.write(&"x".repeat(QUEUE - 10));
        writer.write("does not fit any more");
        writer.write("neither does this");
        writer.0.waiting.lock().stop = true;
        writer.0.write_all(Some(file), &SystemClock);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("xxx"));
        assert!(!text.contains("fit"));
        assert!(text.contains("2 log lines were lost"));
    }

    // proves: AUD-6
    #[test]
    fn what_waits_at_the_end_is_still_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        let file = RotatedFile::open(&path, 1 << 20, 1).unwrap();
        let (writer, flush) = Writer::start(Some(file), Arc::new(SystemClock)).unwrap();
        for number in 0..100 {
            writer.write(&number.to_string());
        }
        drop(flush);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 100);
    }
}
