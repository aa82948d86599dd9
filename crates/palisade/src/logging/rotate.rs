//! A file that is put aside when it has grown to its size: `app.log`, `app.log.1` (the youngest) to `app.log.N`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use palisade_store::folder::make_private;

/// The file that is written to, and how many older ones stay.
pub(super) struct RotatedFile {
    path: PathBuf,
    file: File,
    length: u64,
    limit: u64,
    keep: usize,
}

impl RotatedFile {
    /// Opens the file to append to, making its folder where needed. Only the owner may read it.
    pub(super) fn open(path: &Path, limit: u64, keep: usize) -> io::Result<Self> {
        path.parent().map(make_private).transpose()?;
        let file = open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, length, limit: limit.max(1), keep })
    }

    /// Appends whole lines; they are never split over two files.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let added = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        if self.length > 0 && self.length.saturating_add(added) > self.limit {
            self.rotate()?;
        }
        self.file.write_all(lines)?;
        self.length = self.length.saturating_add(added);
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        if self.keep == 0 {
            self.file.set_len(0)?;
        } else {
            for number in (1..self.keep).rev() {
                ignore_missing(std::fs::rename(self.numbered(number), self.numbered(number + 1)))?;
            }
            ignore_missing(std::fs::rename(&self.path, self.numbered(1)))?;
            self.file = open(&self.path)?;
        }
        self.length = 0;
        Ok(())
    }

    fn numbered(&self, number: usize) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: AUD-6
    #[test]
    fn a_full_file_is_put_aside_and_only_so_many_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/app.log");
        let mut file = RotatedFile::open(&path, 10, 2).unwrap();
        for line in ["one..7\n", "two..7\n", "three9..\n", "four.8.\n"] {
            file.append(line.as_bytes()).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(folder.path().join("logs").join(name)).ok();
        assert_eq!(read("app.log").unwrap(), "four.8.\n");
        assert_eq!(read("app.log.1").unwrap(), "three9..\n");
        assert_eq!(read("app.log.2").unwrap(), "two..7\n");
        assert_eq!(read("app.log.3"), None, "the oldest is gone");
        #[cfg(unix)]
        for (name, mode) in [("logs", 0o700), ("logs/app.log", 0o600), ("logs/app.log.1", 0o600)] {
            use std::os::unix::fs::PermissionsExt;
            let facts = std::fs::metadata(folder.path().join(name)).unwrap();
            assert_eq!(facts.permissions().mode() & 0o777, mode, "{name}");
        }
    }

    // proves: AUD-6
    #[test]
    fn a_restart_goes_on_where_the_file_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        RotatedFile::open(&path, 100, 2).unwrap().append(b"before\n").unwrap();
        RotatedFile::open(&path, 100, 2).unwrap().append(b"after\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "before\nafter\n");
    }
}
