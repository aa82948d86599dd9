//! What the command line knows of who is looking at it.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use palisade_model::{Secret, Timestamp};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Whether somebody looks on, and whether they like colours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terminal {
    /// Colours on standard output.
    pub(super) colour: bool,
    /// Colours on standard error.
    pub(super) colour_errors: bool,
    /// Somebody can be asked: standard input and standard error are a terminal.
    pub(super) asks: bool,
}

impl Terminal {
    /// As the process was started. `NO_COLOR` with any value switches colours off (no-color.org).
    pub(super) fn of_process() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self { colour: out && !plain, colour_errors: err && !plain, asks: io::stdin().is_terminal() && err }
    }

    /// Text in bold, where that is seen.
    pub(super) fn bold(self, text: &str) -> String {
        paint(self.colour, "1", text)
    }

    /// Text in green, where that is seen.
    pub(super) fn good(self, text: &str) -> String {
        paint(self.colour, "32", text)
    }

    /// Text in red, where that is seen.
    pub(super) fn bad(self, text: &str) -> String {
        paint(self.colour, "31", text)
    }

    /// The beginning of an error line.
    pub(super) fn error_mark(self) -> String {
        paint(self.colour_errors, "1;31", "error")
    }

    /// A secret that a script hands in: the first line of standard input.
    ///
    /// # Errors
    /// When there is no line.
    pub(super) fn piped_secret() -> io::Result<Secret> {
        let mut line = zeroize::Zeroizing::new(String::with_capacity(256));
        io::stdin().lock().take_line(&mut line)?;
        Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
    }

    /// Asks for something that is not shown while it is typed.
    ///
    /// # Errors
    /// When nobody can be asked, or the terminal does not let its echo be switched off.
    pub(super) fn ask_secret(self, question: &str) -> io::Result<Secret> {
        let _silence = Silence::begin()?;
        let mut error = io::stderr().lock();
        write!(error, "{question}: ")?;
        error.flush()?;
        let mut line = zeroize::Zeroizing::new(String::with_capacity(256));
        let read = io::stdin().lock().take_line(&mut line);
        writeln!(error)?;
        read?;
        Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
    }
}

/// Reading one line, and no more of it than a password can have.
trait TakeLine {
    fn take_line(&mut self, line: &mut String) -> io::Result<()>;
}

impl TakeLine for io::StdinLock<'_> {
    fn take_line(&mut self, line: &mut String) -> io::Result<()> {
        match io::Read::take(self, 4096).read_line(line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// While it lives, the terminal shows nothing of what is typed.
struct Silence(Termios);

impl Silence {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // Nothing is left to try: the shell resets its terminal by itself.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

fn paint(on: bool, code: &str, text: &str) -> String {
    if on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Writes one line to standard output. When nobody reads it any more (`palisade user list | head`), that is their
/// affair and no reason to fail.
pub(super) fn line(text: impl std::fmt::Display) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Text from the store or the trail as a terminal may show it: control characters could move the cursor or
/// forge a line.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A moment for people: to the second, in UTC. Programs get microseconds by `--format json`.
pub(super) fn when(at: Timestamp) -> String {
    let text = at.to_string();
    text.split_once('.').map_or_else(|| text.clone(), |(seconds, _)| format!("{seconds}Z"))
}

/// Writes a table with columns as wide as what is in them; the last one may be any length.
pub(super) fn table<const N: usize>(terminal: Terminal, heading: [&str; N], rows: &[[String; N]]) {
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        cells.chain(heading.get(at).map(|cell| cell.len())).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let write = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    line(terminal.bold(&write(&heading.map(str::to_owned))));
    for row in rows {
        line(write(row));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_seconds() {
        assert_eq!(when(Timestamp::from_micros(1_800_000_000_123_456)), "2027-01-15T08:00:00Z");
    }

    #[test]
    fn nothing_from_outside_can_steer_the_terminal() {
        assert_eq!(visible("eva\x1b[2J\r\nroot"), "eva\u{fffd}[2J\u{fffd}\u{fffd}root");
        let plain = Terminal { colour: false, colour_errors: false, asks: false };
        assert_eq!(plain.bad("x"), "x");
    }
}
