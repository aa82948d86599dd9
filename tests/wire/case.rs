//! Cases as data: what is sent, and what may come of it.
//!
//! A file of cases is text. `## section` begins a section. In it, `template:` and `seen:` say what a row stands for,
//! and a row is an outcome and an input: `400 /a/../b`, `ok /a`. Without a template, `= name => outcome` begins a case
//! and the lines below it, up to an empty one, are what is sent.
//!
//! Outcomes are separated by `; `: a status for a refusal, else a request as the service must see it, `POST /a [body]`.
//! Bytes are written as `\r`, `\n`, `\t`, `\0`, `\xff`, `\\`; `\s` is a space at the end of a line, and `{n*text}`
//! repeats a text. The line breaks of the file itself are not sent.

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub bytes: Vec<u8>,
    pub outcome: Vec<Outcome>,
}

/// What becomes of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The service sees exactly this.
    Seen(String),
    /// The client gets this status, the service sees nothing, and the connection ends.
    Refused(u16),
}

/// Reads a file of cases.
fn read(text: &str) -> Vec<Case> {
    let (mut cases, mut section, mut template, mut seen) = (Vec::new(), "", None, "");
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("## ") {
            (section, template, seen) = (name, None, "");
        } else if let Some(text) = line.strip_prefix("template: ") {
            template = Some(text);
        } else if let Some(text) = line.strip_prefix("seen: ") {
            seen = text;
        } else if let Some(rest) = line.strip_prefix("= ") {
            let (name, outcome) = rest.split_once(" => ").unwrap_or_else(|| panic!("no outcome: {line}"));
            let sent: String = lines.by_ref().take_while(|line| !line.is_empty()).collect();
            cases.push(case(&format!("{section}: {name}"), &sent, outcome));
        } else if !line.is_empty() && !line.starts_with("# ") {
            let template = template.unwrap_or_else(|| panic!("neither a section nor a case: {line}"));
            let (outcome, input) = line.split_once(' ').unwrap_or((line, ""));
            let outcome = if outcome == "ok" { seen.replace("{}", input) } else { outcome.to_owned() };
            cases.push(case(&format!("{section}: {input}"), &template.replace("{}", input), &outcome));
        }
    }
    cases
}

fn case(name: &str, sent: &str, outcome: &str) -> Case {
    let outcome = outcome
        .split("; ")
        .map(|one| match one.parse() {
            Ok(status) => Outcome::Refused(status),
            Err(_) => Outcome::Seen(String::from_utf8(unescape(one)).unwrap()),
        })
        .collect();
    Case { name: name.to_owned(), bytes: unescape(sent), outcome }
}

/// The bytes that a text stands for.
fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next().unwrap() {
                b'r' => out.push(b'\r'),
                b'n' => out.push(b'\n'),
                b't' => out.push(b'\t'),
                b's' => out.push(b' '),
                b'0' => out.push(0),
                b'x' => {
                    let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
                    out.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
                }
                b'\\' => out.push(b'\\'),
                other => panic!("\\{} in {text}", char::from(other)),
            },
            b'{' if bytes.clone().next().is_some_and(|next| next.is_ascii_digit()) => {
                let inner: Vec<u8> = bytes.by_ref().take_while(|byte| *byte != b'}').collect();
                let (times, what) = std::str::from_utf8(&inner).unwrap().split_once('*').unwrap();
                out.extend(unescape(what).repeat(times.parse().unwrap()));
            }
            _ => out.push(byte),
        }
    }
    out
}

/// Every case.
pub fn all() -> Vec<Case> {
    [
        include_str!("request_line.txt"),
        include_str!("path.txt"),
        include_str!("host.txt"),
        include_str!("field.txt"),
        include_str!("framing.txt"),
        include_str!("chunked.txt"),
        include_str!("pipeline.txt"),
    ]
    .into_iter()
    .flat_map(read)
    .collect()
}

impl Case {
    /// The requests that the service must see.
    pub fn seen(&self) -> Vec<String> {
        self.outcome
            .iter()
            .filter_map(|one| if let Outcome::Seen(seen) = one { Some(seen.clone()) } else { None })
            .collect()
    }

    /// The status of the refusal that the case ends with.
    pub fn refused(&self) -> Option<u16> {
        match self.outcome.last() {
            Some(Outcome::Refused(status)) => Some(*status),
            _ => None,
        }
    }
}
