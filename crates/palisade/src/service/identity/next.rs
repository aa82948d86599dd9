//! Where to go after sign-in: a path of this site and nothing else.

use url::Url;

/// The longest path that is remembered, in bytes.
const LIMIT: usize = 2048;

/// The path and query that `asked` names, if every browser reads it as a place on this site.
///
/// A browser takes `//host` and `/\host` for another site, drops tabs and line breaks, and resolves dot segments
/// (URL standard, section 4.4), so all of these are refused rather than mended.
#[must_use]
pub fn local(asked: &str) -> Option<&str> {
    let printable = asked.bytes().all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'#');
    if !printable || asked.len() > LIMIT || !asked.starts_with('/') || asked.starts_with("//") {
        return None;
    }
    let here = Url::parse("https://here.invalid").ok()?;
    let there = here.join(asked).ok()?;
    let same = there.origin() == here.origin() && !there.path().starts_with("//");
    same.then_some(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_this_site_pass_unchanged() {
        for good in ["/", "/orders?id=7&x=%2F%2Fevil", "/a/b/", "/search?q=http://evil.example"] {
            assert_eq!(local(good), Some(good));
        }
    }

    // proves: ID-1
    #[test]
    fn no_spelling_of_another_site_passes() {
        for bad in [
            "",
            "orders",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/.//evil.example",
            "/..//evil.example",
            "/%2e%2e//evil.example",
            "/x/..//evil.example",
            "https://evil.example/",
            "https:evil.example",
            "javascript:alert(1)",
            " /x",
            "/x\r\nSet-Cookie: a=b",
            "/\u{ff0f}evil.example",
            "/x#frag",
            &format!("/{}", "a".repeat(LIMIT)),
        ] {
            assert_eq!(local(bad), None, "{bad:?}");
        }
    }
}
