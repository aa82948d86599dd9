//! The thread that writes lines, so that nobody else waits for a disk.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use palisade_model::Clock;
use serde_json::json;

use super::rotate::RotatedFile;

/// Lines that wait at most; beyond it they are counted instead.
const QUEUE: usize = 8192;

enum Message {
    Line(String),
    Stop,
}

/// Where lines are handed in.
#[derive(Clone)]
pub(super) struct Writer {
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

impl Writer {
    /// Starts the thread. Lines go to standard error, and to `file` where there is one.
    pub(super) fn start(file: Option<RotatedFile>, clock: Arc<dyn Clock>) -> io::Result<(Self, Flush)> {
        let (queue, lines) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write(&lines, file, &counter, clock.as_ref()))?;
        let flush = Flush { queue: queue.clone(), thread: Some(thread) };
        Ok((Self { queue, lost }, flush))
    }

    /// Hands a line in, without its line break. Never waits.
    pub(super) fn write(&self, line: String) {
        if self.queue.try_send(Message::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Writes what is still queued when it is dropped.
#[must_use = "dropped at once, the log ends at once"]
pub struct Flush {
    queue: SyncSender<Message>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Flush {
    fn drop(&mut self) {
        let _ = self.queue.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write(lines: &Receiver<Message>, mut file: Option<RotatedFile>, lost: &AtomicU64, clock: &dyn Clock) {
    let mut batch = String::new();
    let mut complained = false;
    while let Ok(first) = lines.recv() {
        let mut stop = !take(first, &mut batch);
        while !stop && batch.len() < 64 * 1024 {
            match lines.try_recv() {
                Ok(message) => stop = !take(message, &mut batch),
                Err(_) => break,
            }
        }
        let missing = lost.swap(0, Ordering::Relaxed);
        if missing > 0 {
            note(
                &mut batch,
                clock,
                &format!("{missing} log lines were lost: they came faster than they could be written"),
            );
        }
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
    }
}

fn take(message: Message, batch: &mut String) -> bool {
    match message {
        Message::Line(line) => {
            batch.push_str(&line);
            batch.push('\n');
            true
        }
        Message::Stop => false,
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
        let (queue, lines) = sync_channel(1);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer { queue, lost: Arc::clone(&lost) };
        writer.write("kept".to_owned());
        writer.write("lost".to_owned());
        writer.write("lost".to_owned());
        drop(writer);
        write(&lines, Some(RotatedFile::open(&path, 1000, 1).unwrap()), &lost, &SystemClock);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("kept\n"), "{text}");
        assert!(text.contains("2 log lines were lost"), "{text}");
    }
}
