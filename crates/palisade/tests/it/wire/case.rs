//! Cases as data: what is sent, and what may come of it.
//!
//! A file of cases is text. `## section` begins a section. In it, `template:` and `seen:` say what a row stands for,
//! and a row is an outcome and an input: `400 /a/../b`, `ok /a`. Without a template, `= name => outcome` begins a case
//! and the lines below it, up to an empty one, are what is sent.
//!
//! Outcomes are separated by `; `: a status for a refusal, else a request as the service must see it, `POST /a [body]`.
//! Bytes are written as `\r`, `\n`, `\t`, `\0`, `\xff`, `\\`; `\s` is a space at the end of a line, and `{n*text}`
//! repeats a text. The line breaks of the file itself are not sent.

use super::client::{Answer, Client};
use super::server::Server;

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
pub fn read(text: &str) -> Vec<Case> {
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

impl Case {
    /// Plays the case on a new connection, sending in pieces of so many bytes. Says what was not as it should be.
    pub async fn play(&self, server: &Server, piece: usize) -> Result<(), String> {
        let mut client = Client::connect(server.address).await;
        client.head = self.bytes.starts_with(b"HEAD ");
        if piece == 0 {
            client.send(&self.bytes).await
        } else {
            client.send_in_pieces(&self.bytes, piece).await
        }
        let mut answers = Vec::new();
        for _ in &self.outcome {
            answers.extend(client.answer().await);
        }
        let refused = matches!(self.outcome.last(), Some(Outcome::Refused(_)));
        if refused && !client.rest().await.is_empty() {
            return Err("something was said after the refusal".into());
        }
        let mut expected = self.seen();
        let closed = answers.last().is_some_and(|answer| answer.has("connection: close"));
        if !refused && !closed && !String::from_utf8_lossy(&self.bytes).contains("HTTP/1.0") {
            // Both sides must agree on where the case ended.
            client.send(b"GET /and-then HTTP/1.1\r\nHost: a\r\n\r\n").await;
            answers.extend(client.answer().await);
            expected.push("GET /and-then".into());
        }
        self.compare(server, &client, &answers, &expected)
    }

    fn seen(&self) -> Vec<String> {
        self.outcome
            .iter()
            .filter_map(|one| if let Outcome::Seen(seen) = one { Some(seen.clone()) } else { None })
            .collect()
    }

    fn compare(
        &self,
        server: &Server,
        client: &Client,
        answers: &[Answer],
        expected: &[String],
    ) -> Result<(), String> {
        let record = server.record(client.local);
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        let mut wanted = vec![200; expected.len()];
        if let Some(Outcome::Refused(status)) = self.outcome.last() {
            wanted.push(*status);
        }
        let events = usize::from(wanted.last() != Some(&200));
        if statuses != wanted || record.seen != expected || record.refused.len() != events {
            return Err(format!(
                "{statuses:?} instead of {wanted:?}, service saw {record:?}, not {expected:?}"
            ));
        }
        match answers.last() {
            Some(answer) if answer.status != 200 => sealed(answer),
            _ => Ok(()),
        }
    }
}

/// A refusal has its form, whoever wrote it.
fn sealed(answer: &Answer) -> Result<(), String> {
    for header in [
        "connection: close",
        "x-request-id: request-of-a-test",
        "x-content-type-options: nosniff",
        "x-frame-options: DENY",
        "cache-control: no-store",
        "content-type: application/problem+json",
    ] {
        if !answer.has(header) {
            return Err(format!("refusal without {header}: {}", answer.head));
        }
    }
    Ok(())
}
