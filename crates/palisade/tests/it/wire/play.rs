//! Cases played on a raw socket against a listener.

use super::case::Case;
use super::client::{Answer, Client};
use super::server::Server;

/// Plays the case on a new connection, sending in pieces of so many bytes. Says what was not as it should be.
pub async fn play(case: &Case, server: &Server, piece: usize) -> Result<(), String> {
    let mut client = Client::connect(server.address).await;
    client.head = case.bytes.starts_with(b"HEAD ");
    if piece == 0 {
        client.send(&case.bytes).await;
    } else {
        client.send_in_pieces(&case.bytes, piece).await;
    }
    let mut answers = Vec::new();
    for _ in &case.outcome {
        answers.extend(client.answer().await);
    }
    let refused = case.refused().is_some();
    if refused && !client.rest().await.is_empty() {
        return Err("something was said after the refusal".into());
    }
    let mut expected = case.seen();
    let closed = answers.last().is_some_and(|answer| answer.has("connection: close"));
    if !refused && !closed && !String::from_utf8_lossy(&case.bytes).contains("HTTP/1.0") {
        // Both sides must agree on where the case ended.
        client.send(b"GET /and-then HTTP/1.1\r\nHost: a\r\n\r\n").await;
        answers.extend(client.answer().await);
        expected.push("GET /and-then".into());
    }
    compare(case, server, &client, &answers, &expected)
}

fn compare(
    case: &Case,
    server: &Server,
    client: &Client,
    answers: &[Answer],
    expected: &[String],
) -> Result<(), String> {
    let record = server.record(client.local);
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    let mut wanted = vec![200; expected.len()];
    if let Some(status) = case.refused() {
        wanted.push(status);
    }
    let events = usize::from(wanted.last() != Some(&200));
    if statuses != wanted || record.seen != expected || record.refused.len() != events {
        return Err(format!("{statuses:?} instead of {wanted:?}, service saw {record:?}, not {expected:?}"));
    }
    match answers.last() {
        Some(answer) if answer.status != 200 => sealed(answer),
        _ => Ok(()),
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
