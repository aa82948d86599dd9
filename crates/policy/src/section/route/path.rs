//! What a path pattern may look like.

/// What is wrong with a path pattern, and what to write instead.
pub(super) fn path_fault(path: &str) -> Option<(&'static str, &'static str)> {
    if !path.starts_with('/') {
        return Some(("it does not begin with a slash", "write a slash in front: \"/reports\""));
    }
    if path.contains(['?', '#']) {
        return Some(("it holds a query or a fragment", "leave it out: routes are chosen by path alone"));
    }
    if path.contains('%') {
        return Some(("it is percent-encoded", "write {name} for a segment that needs encoding"));
    }
    if !path.bytes().all(|b| b.is_ascii_graphic()) || path.contains('\\') {
        return Some((
            "it holds a blank, a backslash or a character beyond ASCII",
            "write visible ASCII characters and slashes",
        ));
    }
    // Clients may write these encoded or plain, and applications take both for the same.
    if !path.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/{}*:<>".contains(&b)) {
        return Some((
            "it holds a mark that can be spelled in two ways, so that one of them would escape this route",
            "write letters, digits, `-`, `.`, `_` and `~`, and {name} for a segment with anything else in it",
        ));
    }
    let segments = || path.split('/').skip(1);
    let last = segments().count();
    for (n, segment) in segments().enumerate() {
        if segment.is_empty() && n + 1 < last {
            return Some(("it holds an empty segment", "write one slash between two segments"));
        }
        if segment == "." || segment == ".." {
            return Some(("it holds a dot segment", "write the path that is meant"));
        }
        if let Some(fault) = segment_fault(segment, n + 1 == last) {
            return Some(fault);
        }
    }
    None
}

fn segment_fault(segment: &str, is_last: bool) -> Option<(&'static str, &'static str)> {
    const BRACES: (&str, &str) = (
        "its braces do not make a parameter",
        "write {name} for one segment, or {*rest} at the end for all below",
    );
    if segment.contains([':', '<', '>']) || segment.starts_with('*') || segment.ends_with('*') {
        return Some(("it is written as for another framework", BRACES.1));
    }
    let Some((before, after)) = segment.split_once('{') else {
        return segment.contains('}').then_some(BRACES);
    };
    let Some((name, rest)) = after.split_once('}') else { return Some(BRACES) };
    let bare = name.strip_prefix('*').unwrap_or(name);
    let is_name =
        !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !is_name || rest.contains(['{', '}']) || before.contains('}') {
        return Some(BRACES);
    }
    if name.starts_with('*') && !(is_last && before.is_empty() && rest.is_empty()) {
        return Some((
            "{*rest} stands elsewhere than as the last segment",
            "write {*rest} at the end: \"/api/{*rest}\"",
        ));
    }
    None
}
