//! What keeps an answer out of shared caches.

use http::header::{CACHE_CONTROL, EXPIRES};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Makes the answer one for one browser alone, in the words of `directive`. Fields by which an application tells
/// some caches something else than all others are taken off: they would outweigh it.
pub(crate) fn keep_private(headers: &mut HeaderMap, directive: &'static str) {
    let aimed: Vec<HeaderName> = headers.keys().filter(|name| is_aimed(name.as_str())).cloned().collect();
    for name in aimed {
        headers.remove(name);
    }
    headers.remove(EXPIRES);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(directive));
}

/// The same for an answer that sets a cookie of Palisade's own: a cache would hand the cookie to everybody who asks
/// for the file. An answer that no cache shares already stays as it is.
pub(crate) fn keep_cookie_private(headers: &mut HeaderMap) {
    if !is_private(headers) {
        keep_private(headers, "private, no-cache");
    }
}

/// Targeted fields: RFC 9213, the Edge Architecture's, and nginx's.
fn is_aimed(name: &str) -> bool {
    name.ends_with("-cache-control") || matches!(name, "surrogate-control" | "x-accel-expires")
}

fn is_private(headers: &HeaderMap) -> bool {
    let says = |wanted: &str| {
        let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).any(|word| word.trim().eq_ignore_ascii_case(wanted))
    };
    (says("no-store") || says("private"))
        && !says("public")
        && !headers.keys().any(|name| is_aimed(name.as_str()))
}
