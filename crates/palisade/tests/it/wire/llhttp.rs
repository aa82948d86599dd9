//! The request cases of llhttp, a judge that we did not write. Runs where `PALISADE_LLHTTP` names the folder of its
//! Markdown files; each verdict below was reviewed by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::client::Client;
use super::server::{Server, limits};

/// One case: where it stands, and its bytes.
struct Case {
    key: String,
    bytes: Vec<u8>,
}

/// The request cases of one Markdown file.
fn read(file: &str, text: &str) -> Vec<Case> {
    let (mut cases, mut titles, mut request) = (Vec::new(), Vec::<String>::new(), false);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix('#') {
            let depth = title.chars().take_while(|c| *c == '#').count();
            titles.truncate(depth.saturating_sub(1));
            titles.push(title.trim_start_matches('#').trim().to_owned());
        } else if line.starts_with("<!-- meta=") {
            request = line.contains(r#""type": "request"#);
        } else if line == "```http" {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            if std::mem::take(&mut request) {
                let key = format!("{file}: {}", titles.join(" / "));
                cases.push(Case { key, bytes: bytes(&block) });
            }
        }
    }
    cases
}

/// llhttp's rules: a backslash ends a line that goes on, `\r`, `\n`, `\t`, `\f` and `\xNN` are bytes, other line
/// breaks are CRLF.
fn bytes(block: &[&str]) -> Vec<u8> {
    let mut text = String::new();
    for (at, line) in block.iter().enumerate() {
        match line.strip_suffix('\\') {
            Some(part) => text.push_str(part),
            None if at + 1 < block.len() => text.push_str(&format!("{line}\\r\\n")),
            None => text.push_str(line),
        }
    }
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let (value, used) = match (byte, after) {
            (b'\\', [b'r', ..]) => (b'\r', 1),
            (b'\\', [b'n', ..]) => (b'\n', 1),
            (b'\\', [b't', ..]) => (b'\t', 1),
            (b'\\', [b'f', ..]) => (0x0c, 1),
            (b'\\', [b'x', high, low, ..]) => {
                (u8::from_str_radix(&format!("{}{}", char::from(*high), char::from(*low)), 16).unwrap(), 3)
            }
            _ => (byte, 0),
        };
        out.push(value);
        rest = &after[used..];
    }
    out
}

/// Most of the cases leave Host out, which alone would have them refused: they get one, behind the request line.
fn with_host(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let start = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    let end = bytes[start..].windows(2).position(|window| window == b"\r\n").map(|end| start + end);
    match end {
        Some(end) if end > start && !text.contains("\nhost:") => {
            [&bytes[..end], b"\r\nHost: a", &bytes[end..]].concat()
        }
        _ => bytes.to_vec(),
    }
}

/// `passed N`, or `refused STATUS` with what passed before it; `waits` when the case is not whole.
async fn verdict(server: &Server, case: &Case) -> String {
    let mut client = Client::connect(server.address).await;
    client.head = case.bytes.starts_with(b"HEAD ");
    client.send(&with_host(&case.bytes)).await;
    let mut passed = 0;
    loop {
        match client.answer().await.map(|answer| answer.status) {
            Some(200) => passed += 1,
            Some(408) if passed == 0 => return "waits".into(),
            // A kept connection has nothing more to say, or the rest of the block is no whole head.
            Some(0 | 408) | None => return format!("passed {passed}"),
            Some(status) if passed == 0 => return format!("refused {status}"),
            Some(status) => return format!("passed {passed}, refused {status}"),
        }
    }
}

// proves: EDGE-6
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_of_llhttp_has_its_reviewed_verdict() {
    let Ok(folder) = std::env::var("PALISADE_LLHTTP") else { return };
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let file = path.file_stem().unwrap().to_string_lossy().into_owned();
            cases.extend(read(&file, &std::fs::read_to_string(&path).unwrap()));
        }
    }
    let server = Arc::new(Server::start(limits()).await);
    let mut plays = tokio::task::JoinSet::new();
    for case in cases {
        let server = server.clone();
        plays.spawn(async move { (verdict(&server, &case).await, case.key) });
    }
    let mut verdicts: Vec<(String, String)> =
        plays.join_all().await.into_iter().map(|(verdict, key)| (key, verdict)).collect();
    verdicts.sort();
    println!("{} request cases", verdicts.len());
    let found: String = verdicts.iter().map(|(key, verdict)| format!("{verdict} | {key}\n")).collect();
    let reviewed: BTreeMap<&str, usize> = include_str!("corpus/llhttp_verdicts.txt")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .fold(BTreeMap::new(), |mut lines, line| {
            *lines.entry(line).or_default() += 1;
            lines
        });
    let given = found.lines().fold(BTreeMap::<&str, usize>::new(), |mut lines, line| {
        *lines.entry(line).or_default() += 1;
        lines
    });
    assert_eq!(given, reviewed, "verdicts differ from those reviewed; found:\n{found}");
}
