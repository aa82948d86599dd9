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

    /// What has led away from sites before, and its like. Each is judged by the parser that browsers follow (the URL
    /// standard): whatever passes here stays on this site there, over http as over https.
    // proves: ID-1
    #[test]
    fn whatever_passes_stays_on_this_site_by_the_url_standard() {
        let mut tricks: Vec<String> = include_str!("next_tricks.txt").lines().map(str::to_owned).collect();
        // Every single character before, between and after the first slashes.
        for c in (0..=0x2ff_u32).chain(0x2000..=0x206f).chain(0xff00..=0xff5f).filter_map(char::from_u32) {
            for shape in [
                "C/evil.example",
                "/C/evil.example",
                "/Cevil.example",
                "//C/evil.example",
                "/.C/evil.example",
                "/x/..C/evil.example",
            ] {
                tricks.push(shape.replace('C', &c.to_string()));
            }
        }
        assert!(tricks.len() > 60);
        for base in ["http://here.invalid:8080/auth/login", "https://here.invalid/auth/login?next=x"] {
            let here = Url::parse(base).unwrap();
            for trick in &tricks {
                if let Some(path) = local(trick) {
                    assert_eq!(here.join(path).unwrap().origin(), here.origin(), "{trick:?}");
                    // Once more, as a page would that takes the path of the place for an address.
                    let there = here.join(path).unwrap();
                    assert_eq!(here.join(there.path()).unwrap().origin(), here.origin(), "{trick:?}");
                }
            }
        }
    }

    // proves: ID-1
    #[test]
    fn no_known_trick_passes() {
        for trick in include_str!("next_tricks.txt").lines() {
            assert_eq!(local(trick), None, "{trick:?}");
        }
    }
}
