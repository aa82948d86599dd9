//! `.env`: variables for development, read strictly.
//!
//! A line is `NAME=value`, `NAME='value'` or `NAME="value"`; `export` before it is allowed, `#` begins a comment.
//! Single quotes keep everything; double quotes know `\n`, `\t`, `\"`, `\\` and `\$`. Nothing is expanded: a
//! `$` is a dollar sign, so that a secret means the same here as in the real environment.

use std::fmt;

/// What is wrong with a line. Values are never shown: they are often secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Counted from 1.
    pub(super) line: usize,
    /// What to write instead.
    pub(super) why: &'static str,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

/// The variables of a file, in order.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, Wrong> {
    let mut found: Vec<(String, String)> = Vec::new();
    for (at, raw) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let wrong = |why| Wrong { line: at + 1, why };
        let line = raw.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").map_or(line, str::trim_start);
        let (name, rest) = line.split_once('=').ok_or(wrong("write NAME=value"))?;
        let well_formed = !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !well_formed {
            return Err(wrong("a name is made of letters, digits and '_', with no space before '='"));
        }
        if found.iter().any(|(known, _)| known == name) {
            return Err(wrong("this name stands in the file twice: keep one"));
        }
        found.push((name.to_owned(), value(rest).map_err(wrong)?));
    }
    Ok(found)
}

fn value(rest: &str) -> Result<String, &'static str> {
    let (text, after) = match rest.as_bytes().first() {
        Some(b'\'') => {
            let (text, after) = rest
                .get(1..)
                .and_then(|r| r.split_once('\''))
                .ok_or("close the single quote on this line")?;
            (text.to_owned(), after)
        }
        Some(b'"') => quoted(rest.get(1..).unwrap_or_default())?,
        _ => {
            let text = rest.split_once(" #").map_or(rest, |(text, _)| text).trim();
            if text.contains(['"', '\'']) {
                return Err("put the whole value in quotes");
            }
            return Ok(text.to_owned());
        }
    };
    let after = after.trim();
    if after.is_empty() || after.starts_with('#') {
        Ok(text)
    } else {
        Err("nothing may follow the closing quote")
    }
}

fn quoted(rest: &str) -> Result<(String, &str), &'static str> {
    let mut text = String::new();
    let mut letters = rest.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((text, rest.get(at + 1..).unwrap_or_default())),
            '\\' => text.push(match letters.next() {
                Some((_, 'n')) => '\n',
                Some((_, 't')) => '\t',
                Some((_, kept @ ('"' | '\\' | '$'))) => kept,
                _ => return Err("after a backslash only n, t, \", \\ and $ are known: use single quotes"),
            }),
            other => text.push(other),
        }
    }
    Err("close the double quote on this line")
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: POL-1
    #[test]
    fn ordinary_files_read_as_people_mean_them() {
        let text = "\u{feff}# comment\r\nA=1\r\n\n export B='x # $y \"z\"' # tail\nC=\"a\\\"b\\n$HOME\"\nD=\nE=two words # tail\nF=a#b\nURL=postgres://u:p@h/db?x=1\n";
        let read = parse(text).unwrap();
        let read: Vec<_> = read.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(
            read,
            [
                ("A", "1"),
                ("B", "x # $y \"z\""),
                ("C", "a\"b\n$HOME"),
                ("D", ""),
                ("E", "two words"),
                ("F", "a#b"),
                ("URL", "postgres://u:p@h/db?x=1"),
            ]
        );
    }

    // proves: POL-1, AUD-5
    #[test]
    fn a_mistake_names_its_line_and_never_the_value() {
        for (text, line) in [
            ("A=1\nhunter2", 2),
            ("A =hunter2", 1),
            ("2A=hunter2", 1),
            ("A=1\n\nA=hunter2", 3),
            ("A='hunter2", 1),
            ("A=\"hunter2", 1),
            ("A=\"hunter2\" x", 1),
            ("A=\"\\q hunter2\"", 1),
            ("A=hun\"ter2", 1),
        ] {
            let wrong = parse(text).unwrap_err();
            assert_eq!(wrong.line, line, "{text}");
            assert!(!wrong.to_string().contains("hunter2"), "{wrong}");
        }
    }
}
