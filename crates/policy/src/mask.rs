//! What may be secret does not reach a diagnostic, not even as the source line that it points to.

use std::ops::Range;

/// Replaces these bytes by asterisks, so that every other place keeps its offset. Line breaks stay.
pub(crate) fn mask_spans(text: &str, spans: &[Range<usize>]) -> String {
    let mut masked = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if c != '\n' && c != '\r' && spans.iter().any(|span| span.contains(&at)) {
            masked.extend(std::iter::repeat_n('*', c.len_utf8()));
        } else {
            masked.push(c);
        }
    }
    masked
}

/// Masks `user:password` in whatever looks like a URL.
pub(crate) fn mask_userinfo(text: &str) -> String {
    let mut spans = Vec::new();
    for (at, _) in text.match_indices("://") {
        let start = at + 3;
        let rest = text.get(start..).unwrap_or_default();
        let end = rest
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ','))
            .unwrap_or(rest.len());
        if let Some(user) = rest.get(..end).and_then(|url| url.rfind('@')) {
            spans.push(start..start + user);
        }
    }
    mask_spans(text, &spans)
}

/// For a file that does not even parse: masks what stands behind keys that sound secret, over as many
/// lines as it runs.
pub(crate) fn mask_suspects(text: &str) -> String {
    const SUSPECT: [&str; 8] = ["secret", "pass", "token", "key", "auth", "database", "credential", "url"];
    let mut spans = Vec::new();
    let (mut start, mut suspect) = (0, false);
    for line in text.split_inclusive('\n') {
        let assigned = assignment(line);
        if assigned.is_some() || line.trim_start().starts_with('[') {
            let low = line.to_ascii_lowercase();
            suspect = assigned.is_some() && SUSPECT.iter().any(|word| low.contains(word));
        }
        if suspect {
            spans.push(start + assigned.unwrap_or(0)..start + line.len());
        }
        start += line.len();
    }
    mask_userinfo(&mask_spans(text, &spans))
}

/// Where the value begins, if the line reads as `key = value`; the padding of base64 does not.
fn assignment(line: &str) -> Option<usize> {
    let at = line.find('=')?;
    let value = line.get(at + 1..)?;
    let is_key = line.get(..at)?.trim().bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.\"'".contains(&b));
    let is_value =
        value.trim_start().starts_with(|c: char| c.is_ascii_alphanumeric() || "\"'[{+-".contains(c));
    (is_key && is_value).then_some(at + 1)
}
