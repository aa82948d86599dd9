//! Paths as they may stand in logs and trails (AUD-5).

/// A longer path is cut: what a scanner sends must not fill a log.
const PATH_CHARS: usize = 200;

/// From this length on, a segment that is no UUID may be a token.
const TOKEN_CHARS: usize = 24;

/// From this length on, digits alone may be a card's number.
const CARD_DIGITS: usize = 12;

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
    let token = segment.len() >= TOKEN_CHARS
        && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~+=:".contains(&byte))
        && segment.bytes().any(|byte| byte.is_ascii_digit())
        && segment.bytes().any(|byte| byte.is_ascii_alphabetic())
        && uuid_like(segment).is_none();
    let mail = segment.contains('@') || segment.contains("%40");
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let card = digits >= CARD_DIGITS
        && segment.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-' || byte == b'+');
    token || mail || card
}

/// The five groups of a UUID, if the segment is one: an id, not a secret.
fn uuid_like(segment: &str) -> Option<()> {
    let mut groups = segment.split('-');
    for length in [8, 4, 4, 4, 12] {
        let group = groups.next()?;
        (group.len() == length && group.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(())?;
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
            ("/x/0190b3a4-7c1e-7d2f-8a3b-4c5d6e7f8091", "/x/0190b3a4-7c1e-7d2f-8a3b-4c5d6e7f8091"),
            ("/a-rather-long-page-title-without-a-number", "/a-rather-long-page-title-without-a-number"),
            ("/", "/"),
        ] {
            assert_eq!(path(written), shown);
        }
        assert!(path(&format!("/{}", "a/".repeat(500))).chars().count() <= PATH_CHARS + 1);
    }
}
