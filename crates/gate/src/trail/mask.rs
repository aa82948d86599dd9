//! Paths as they may stand in logs and trails (AUD-5).

use std::borrow::Cow;

use palisade_policy::section::route::{Route, Target};
use percent_encoding::percent_decode_str;

/// A longer path is cut: what a scanner sends must not fill a log.
const PATH_CHARS: usize = 200;

/// From this length on, a segment that is no UUID may be a token.
const TOKEN_CHARS: usize = 24;

/// From this length on, digits alone may be a card's number.
const CARD_DIGITS: usize = 12;

/// The path of a request on this route as logs may show it: Palisade's own carry tokens, so their pattern stands for
/// them.
pub(crate) fn shown(route: Option<&Route>, written: &str) -> String {
    match route {
        Some(route) if matches!(route.target, Target::Service(_)) => route.path.clone(),
        _ => path(written),
    }
}

/// The path with `***` in place of segments that may be tokens, e-mail addresses or card numbers.
pub(crate) fn path(path: &str) -> String {
    let mut out = String::with_capacity(path.len().min(PATH_CHARS));
    for (index, segment) in path.split('/').enumerate() {
        if index > 0 {
            out.push('/');
        }
        out.push_str(if is_telling(segment) { "***" } else { segment });
        if out.len() > PATH_CHARS {
            let cut = out.char_indices().map(|(at, _)| at).find(|at| *at >= PATH_CHARS).unwrap_or(out.len());
            out.truncate(cut);
            out.push('…');
            break;
        }
    }
    out
}

fn is_telling(segment: &str) -> bool {
    // As the application reads it: an encoded character hides nothing.
    let segment: Cow<'_, [u8]> = percent_decode_str(segment).into();
    // What else may stand in a segment sets its parts off: `page;jsessionid=...`.
    let of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~+=:/".contains(byte);
    let token = segment.split(|byte| !of_token(byte)).any(is_token);
    let digits = segment.iter().filter(|byte| byte.is_ascii_digit()).count();
    let card =
        digits >= CARD_DIGITS && segment.iter().all(|byte| byte.is_ascii_digit() || b"-+ ".contains(byte));
    token || card || segment.contains(&b'@')
}

fn is_token(part: &[u8]) -> bool {
    part.len() >= TOKEN_CHARS
        && part.iter().any(u8::is_ascii_digit)
        && part.iter().any(u8::is_ascii_alphabetic)
        && uuid_like(part).is_none()
}

/// The five groups of a UUID, if the segment is one: an id, not a secret.
fn uuid_like(part: &[u8]) -> Option<()> {
    let mut groups = part.split(|byte| *byte == b'-');
    for length in [8, 4, 4, 4, 12] {
        let group = groups.next()?;
        (group.len() == length && group.iter().all(u8::is_ascii_hexdigit)).then_some(())?;
    }
    groups.next().is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: AUD-5
    #[test]
    fn what_may_be_secret_is_masked_and_the_rest_is_readable() {
        for (written, shown) in [
            ("/api/v1/orders/4711", "/api/v1/orders/4711"),
            ("/reset/Zx81kQ0v5mYt2LwP9aBc7DeF1gHi3JkL5mNo7PqR9sT", "/reset/***"),
            ("/users/joe@example.com/orders", "/users/***/orders"),
            ("/users/joe%40example.com", "/users/***"),
            ("/pay/4111111111111111", "/pay/***"),
            ("/pay/4111-1111-1111-1111", "/pay/***"),
            ("/call/+4915112345678", "/call/***"),
            ("/call/%2B49%2015112345678", "/call/***"),
            ("/cart;jsessionid=0123456789ABCDEF01234567", "/***"),
            ("/reset/Zx81kQ0v5mYt2LwP9aBc7DeF%3D%3D", "/reset/***"),
            ("/reset/Zx81kQ0v5mYt%2BLwP9aBc7DeF1g", "/reset/***"),
            ("/caf%C3%A9-menu-in-the-summer", "/caf%C3%A9-menu-in-the-summer"),
            ("/x/0190b3a4-7c1e-7d2f-8a3b-4c5d6e7f8091", "/x/0190b3a4-7c1e-7d2f-8a3b-4c5d6e7f8091"),
            ("/a-rather-long-page-title-without-a-number", "/a-rather-long-page-title-without-a-number"),
            ("/", "/"),
        ] {
            assert_eq!(path(written), shown);
        }
        assert!(path(&format!("/{}", "a/".repeat(500))).chars().count() <= PATH_CHARS + 1);
    }
}
