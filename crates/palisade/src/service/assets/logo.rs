//! `app.logo`: known by what is in it, and only what draws.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;

/// The largest logo, in bytes.
const LARGEST: u64 = 64 * 1024;

/// The longest side of a picture, in pixels.
const LONGEST: u32 = 4096;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// What draws nothing, runs something, or fetches something; in lower case. Whoever draws for a logo needs none of it.
const FOREIGN: [&str; 17] = [
    "<!doctype",
    "<!entity",
    "<![cdata[",
    "<?xml-stylesheet",
    "script",
    "<foreignobject",
    "<iframe",
    "<embed",
    "<object",
    "<image",
    "<handler",
    "<listener",
    "javascript:",
    "data:",
    "@import",
    "&#",
    "http-equiv",
];

/// A picture: its bytes, the end of its name, and its media type.
///
/// # Errors
/// When it cannot be read, is too large, or is not a picture that could be shown safely.
pub(super) fn read(path: &Path) -> anyhow::Result<(Vec<u8>, &'static str, &'static str)> {
    let named = || format!("app.logo: {}", path.display());
    let mut contents = Vec::new();
    let file = std::fs::File::open(path).with_context(named)?;
    file.take(LARGEST + 1).read_to_end(&mut contents).with_context(named)?;
    anyhow::ensure!(contents.len() as u64 <= LARGEST, "{} is larger than 64 KiB", named());
    if contents.starts_with(PNG) {
        anyhow::ensure!(
            is_png(&contents),
            "{} is no whole PNG, or one of more than {LONGEST} pixels a side",
            named()
        );
        return Ok((contents, "png", "image/png"));
    }
    match svg_fault(&contents) {
        None => Ok((contents, "svg", "image/svg+xml")),
        Some(fault) => anyhow::bail!("{} is neither a PNG nor an SVG that could be shown: {fault}", named()),
    }
}

/// A header of a picture that has a size, and an end (PNG, third edition, sections 5.2 and 11.2.1).
fn is_png(contents: &[u8]) -> bool {
    let side = |at: usize| {
        let bytes: Option<[u8; 4]> = contents.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_be_bytes).filter(|side| (1..=LONGEST).contains(side))
    };
    contents.get(12..16) == Some(b"IHDR")
        && side(16).is_some()
        && side(20).is_some()
        && contents.ends_with(b"IEND\xae\x42\x60\x82")
}

/// Why an SVG is not taken.
fn svg_fault(contents: &[u8]) -> Option<&'static str> {
    let Ok(text) = std::str::from_utf8(contents) else { return Some("it is no text") };
    if text.chars().any(|letter| letter.is_control() && !letter.is_whitespace()) {
        return Some("it holds control characters");
    }
    let text = text.trim_start_matches('\u{feff}').to_lowercase();
    if !begins(&text) {
        return Some("it does not begin with <svg");
    }
    if FOREIGN.iter().any(|foreign| text.contains(foreign)) {
        return Some("it holds more than shapes: scripts, entities, pictures or styles from elsewhere");
    }
    if listens(&text) {
        return Some("it has an attribute that begins with `on`");
    }
    if leads_away(&text) {
        return Some("it refers to something outside of itself");
    }
    None
}

fn begins(text: &str) -> bool {
    let mut rest = text.trim_start();
    loop {
        let end = match rest {
            _ if rest.starts_with("<?xml ") => "?>",
            _ if rest.starts_with("<!--") => "-->",
            _ => {
                return rest
                    .strip_prefix("<svg")
                    .is_some_and(|on| on.starts_with(|c: char| c.is_whitespace() || c == '>'));
            }
        };
        let Some((_, after)) = rest.split_once(end) else { return false };
        rest = after.trim_start();
    }
}

/// `onload = ..`, after whatever sets an attribute apart.
fn listens(text: &str) -> bool {
    text.match_indices("on").any(|(at, _)| {
        let before = text.get(..at).and_then(|front| front.chars().next_back());
        let apart = before.is_none_or(|c| c.is_whitespace() || matches!(c, '"' | '\'' | '/'));
        let after = text
            .get(at..)
            .unwrap_or_default()
            .trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '-' || c == ':');
        apart && after.trim_start().starts_with('=')
    })
}

/// `href` and `url()` that do not stay within the picture.
fn leads_away(text: &str) -> bool {
    let stays = |rest: &str| {
        rest.trim_start_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'').starts_with('#')
    };
    let href = text.match_indices("href").any(|(at, found)| {
        let rest = text.get(at + found.len()..).unwrap_or_default().trim_start();
        rest.strip_prefix('=').is_none_or(|rest| !stays(rest))
    });
    let url = text.match_indices("url").any(|(at, found)| {
        let rest = text.get(at + found.len()..).unwrap_or_default().trim_start();
        rest.strip_prefix('(').is_some_and(|rest| !stays(rest))
    });
    href || url || text.contains("src")
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: HEAD-1
    #[test]
    fn an_svg_that_does_more_than_draw_is_refused() {
        let good = "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- ours -->\n<svg xmlns=\"http://www.w3.org/2000/svg\" \
                    xmlns:xlink=\"http://www.w3.org/1999/xlink\" viewBox=\"0 0 8 8\"><defs><linearGradient id=\"one\"/></defs>\
                    <title>On and on</title><path fill=\"url(#one)\" d=\"M0 0h8v8z\"/><use xlink:href=\"#one\"/></svg>";
        assert_eq!(svg_fault(good.as_bytes()), None);
        for evil in [
            "<script>alert(1)</script>",
            "<SCRIPT href='#x'/>",
            "<svg:script>x</svg:script>",
            "<g onload=\"alert(1)\"/>",
            "<g fill='red'onclick = 'x()'/>",
            "<g/onload=x>",
            "<g\nonload\n=\n'x'/>",
            "<a href=\"javascript:alert(1)\"><path/></a>",
            "<a href=\"https://evil.example\"><path/></a>",
            "<a xlink:href='&#106;avascript:alert(1)'/>",
            "<use href=\"//evil.example/x.svg#a\"/>",
            "<path fill=\"url(https://evil.example/x)\"/>",
            "<path style=\"fill:url( 'https://evil.example/x')\"/>",
            "<style>@import 'https://evil.example/x.css';</style>",
            "<foreignObject><body/></foreignObject>",
            "<image href=\"#x\"/>",
            "<set attributeName=\"href\" to=\"https://evil.example\"/>",
            "<animate attributeName='href' values='x'/>",
        ] {
            let text = good.replace("<use", &format!("{evil}<use"));
            assert!(svg_fault(text.as_bytes()).is_some(), "{evil}");
        }
        for head in
            ["<!DOCTYPE svg [<!ENTITY x 'y'>]>", "<?xml-stylesheet href='#x'?>", "<html>", "words", "<!--"]
        {
            assert!(svg_fault(format!("{head}<svg></svg>").as_bytes()).is_some(), "{head}");
        }
        assert!(
            svg_fault(b"").is_some()
                && svg_fault(b"<svgx>").is_some()
                && svg_fault(b"\xff\xfe<svg>").is_some()
        );
    }

    // proves: HEAD-1
    #[test]
    fn a_picture_is_known_by_what_is_in_it_and_may_not_be_large() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logo.png");
        let kind = |contents: &[u8]| {
            std::fs::write(&path, contents).unwrap();
            read(&path).map(|(_, end, kind)| (end, kind)).map_err(|error| error.to_string())
        };
        assert_eq!(
            kind(b"<svg viewBox='0 0 1 1'></svg>"),
            Ok(("svg", "image/svg+xml")),
            "whatever it is called"
        );
        let png = [PNG, b"\0\0\0\rIHDR\0\0\0\x10\0\0\0\x10", b"....IEND\xae\x42\x60\x82"].concat();
        assert_eq!(kind(&png), Ok(("png", "image/png")));
        assert!(
            kind(&[PNG, b"\0\0\0\rIHDR\0\0\xff\x10\0\0\0\x10", b"....IEND\xae\x42\x60\x82"].concat())
                .is_err()
        );
        for wrong in [PNG, b"GIF89a", b"\xff\xd8\xff", b""] {
            assert!(kind(wrong).is_err(), "{wrong:?}");
        }
        let large = format!("<svg>{}</svg>", " ".repeat(64 * 1024));
        assert!(kind(large.as_bytes()).unwrap_err().contains("64 KiB"));
        assert!(read(&folder.path().join("none.svg")).is_err());
    }
}
