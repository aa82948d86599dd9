//! The request target (RFC 9112 section 3.2).

use std::ops::Range;

use super::{Violation, host, path};

/// Judges the target of a request. Gives the place of its authority, if it is in absolute form.
pub(super) fn judge(target: &[u8], options: bool) -> Result<Option<Range<usize>>, Violation> {
    match target {
        [b'/', ..] => judge_origin(target).map(|()| None),
        b"*" if options => Ok(None),
        b"*" => Err(Violation::malformed("asterisk for another method than OPTIONS")),
        _ => judge_absolute(target).map(Some),
    }
}

fn judge_origin(target: &[u8]) -> Result<(), Violation> {
    match memchr::memchr(b'?', target).and_then(|at| target.split_at_checked(at)) {
        Some((path, query)) => path::judge_bytes(path).and_then(|()| judge_query(query)),
        None => path::judge_bytes(target),
    }
}

fn judge_absolute(target: &[u8]) -> Result<Range<usize>, Violation> {
    let start = [&b"http://"[..], b"https://"]
        .iter()
        .find(|scheme| target.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)))
        .map(|scheme| scheme.len())
        .ok_or(Violation::malformed("request target in no known form"))?;
    let rest = target.get(start..).unwrap_or_default();
    let length = memchr::memchr3(b'/', b'?', b'#', rest).unwrap_or(rest.len());
    let (authority, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
    host::judge(authority)?;
    match after {
        [] => {}
        [b'/', ..] => judge_origin(after)?,
        _ => return Err(Violation::ambiguous("absolute target without a path")),
    }
    Ok(start..start + length)
}

/// A query is data for the application: any visible ASCII byte that no reader cuts at.
///
/// An incomplete escape passes here: browsers send `?q=100%` as it was typed, and nothing is decided by a query.
pub(super) fn judge_query(query: &[u8]) -> Result<(), Violation> {
    let bad = query.iter().fold(false, |bad, &byte| {
        bad | (byte <= b' ') | (byte >= 0x7f) | matches!(byte, b'#' | b'<' | b'>' | b'"')
    });
    if bad { Err(Violation::path("byte in the query that must be percent-encoded")) } else { Ok(()) }
}
