//! What a request asks for, narrowed to what can be rewritten when it comes back.

use http::header::{self, HeaderMap, HeaderValue};

use super::coding::Coding;

/// Destinations that never are HTML pages (Fetch, request destination).
const NEVER_PAGES: [&str; 12] = [
    "audio",
    "font",
    "image",
    "json",
    "manifest",
    "paintworklet",
    "script",
    "serviceworker",
    "style",
    "track",
    "video",
    "worker",
];

/// Prepares a request whose answer may be rewritten: only codings that can be read here are asked
/// for, and a navigation asks for the whole page afresh (no range, no condition: the copy that the
/// browser has may be from before signing in, without the field).
pub fn prepare(headers: &mut HeaderMap) {
    let destination = headers.get("sec-fetch-dest").and_then(|value| value.to_str().ok());
    if destination.is_some_and(|destination| NEVER_PAGES.contains(&destination)) {
        return;
    }
    narrow_accept_encoding(headers);
    let navigates = headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|value| value.as_bytes().to_ascii_lowercase().windows(9).any(|part| part == b"text/html"));
    if navigates {
        for name in [header::RANGE, header::IF_RANGE, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE] {
            headers.remove(name);
        }
    }
}

/// Leaves those codings in Accept-Encoding that can be read here (RFC 9110 section 12.5.3). Without
/// the header nothing is added: the upstream then sends what it likes.
pub(super) fn narrow_accept_encoding(headers: &mut HeaderMap) {
    if !headers.contains_key(header::ACCEPT_ENCODING) {
        return;
    }
    let mut kept: Vec<String> = Vec::new();
    for value in headers.get_all(header::ACCEPT_ENCODING) {
        let Ok(value) = value.to_str() else { continue };
        for item in value.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let (name, weight) = item.split_once(';').unwrap_or((item, ""));
            let name = name.trim().to_ascii_lowercase();
            if Coding::NAMES.contains(&name.as_str()) || (name == "*" && is_zero(weight)) {
                kept.push(item.to_owned());
            } else if name == "*" {
                kept.push("gzip".to_owned());
            }
        }
    }
    let value = if kept.is_empty() { "identity".to_owned() } else { kept.join(", ") };
    if let Ok(value) = HeaderValue::from_str(&value) {
        headers.insert(header::ACCEPT_ENCODING, value);
    }
}

/// Whether a weight says 'not acceptable'.
fn is_zero(weight: &str) -> bool {
    let value = weight.trim().strip_prefix(['q', 'Q']).and_then(|rest| rest.trim_start().strip_prefix('='));
    value.is_some_and(|value| value.trim().parse::<f32>().is_ok_and(|weight| weight <= 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn narrowed(value: &'static str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
        prepare(&mut headers);
        headers[header::ACCEPT_ENCODING].to_str().unwrap().to_owned()
    }

    // proves: CSRF-3
    #[test]
    fn only_codings_that_can_be_read_are_asked_for() {
        assert_eq!(narrowed("gzip, deflate, br, zstd"), "gzip, deflate, br");
        assert_eq!(narrowed("zstd"), "identity");
        assert_eq!(narrowed("zstd;q=1.0, GZIP;q=0.5"), "GZIP;q=0.5");
        assert_eq!(narrowed("*"), "gzip");
        assert_eq!(narrowed("br, *;q=0"), "br, *;q=0");
        assert_eq!(narrowed("dcb, identity;q=0.1"), "identity;q=0.1");
        let mut none = HeaderMap::new();
        prepare(&mut none);
        assert!(none.is_empty());
    }

    // proves: CSRF-3
    #[test]
    fn a_navigation_asks_for_the_whole_page_and_an_image_for_what_it_likes() {
        let request = |accept: &'static str, destination: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            headers.insert("sec-fetch-dest", HeaderValue::from_static(destination));
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("\"1\""));
            headers.insert(header::RANGE, HeaderValue::from_static("bytes=0-9"));
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("zstd"));
            prepare(&mut headers);
            headers
        };
        let page = request("text/html,application/xhtml+xml", "document");
        assert!(!page.contains_key(header::IF_NONE_MATCH) && !page.contains_key(header::RANGE));
        let script = request("*/*", "empty");
        assert!(script.contains_key(header::IF_NONE_MATCH));
        assert_eq!(script[header::ACCEPT_ENCODING], "identity");
        let image = request("image/*", "image");
        assert_eq!(image[header::ACCEPT_ENCODING], "zstd");
        assert!(image.contains_key(header::RANGE));
    }
}
