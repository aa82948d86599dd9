//! The form of opaque tokens: `pal_<kind>_<43 random characters><6 of checksum>`.
//!
//! The random part is 256 bits of letters and digits. The checksum is the CRC-32 of all that stands before it, in
//! base 62: a secret scanner can tell a token from text that looks like one without asking anybody, and a typo costs
//! no store read. It adds nothing to what a guesser has to guess. Scanners find tokens by
//! `\bpal_(key|adm|brk|usr)_[0-9A-Za-z]{49}\b`.

use std::sync::LazyLock;

use palisade_model::world::{Entropy, NoEntropy};
use palisade_model::{Secret, digest};
use palisade_store::TokenKind;
use zeroize::Zeroizing;

/// What every token of ours begins with.
const MARK: &str = "pal_";

/// Random characters: 43 of 62 make 256 bits.
const RANDOM: usize = 43;

/// Characters of the checksum: 6 of 62 hold 32 bits.
const CHECK: usize = 6;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a text is that somebody shows as a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A token of ours, as far as its form goes.
    Ours(TokenKind, [u8; 32]),
    /// It begins like one of ours, and is none: cut off, mistyped or made up.
    Broken,
    /// Something else.
    Foreign,
}

fn word(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Key => "key",
        TokenKind::Admin => "adm",
        TokenKind::Breakglass => "brk",
        TokenKind::User => "usr",
    }
}

/// A new token.
///
/// # Errors
/// When there is no randomness to be had.
pub(crate) fn make(kind: TokenKind, entropy: &dyn Entropy) -> Result<Secret, NoEntropy> {
    // Of the whole length at once: a string that grows leaves its former self behind in memory.
    let mut text = Zeroizing::new(String::with_capacity(64));
    text.push_str(MARK);
    text.push_str(word(kind));
    text.push('_');
    let end = text.len() + RANDOM;
    let mut bytes = Zeroizing::new([0_u8; 64]);
    while text.len() < end {
        entropy.fill(bytes.as_mut())?;
        let missing = end - text.len();
        // 248 is four times 62: above it, the first characters would come more often.
        let even = bytes.iter().filter(|byte| **byte < 248);
        text.extend(even.map(|byte| digit(u32::from(*byte))).take(missing));
    }
    let check = checksum(text.as_bytes());
    text.push_str(&check);
    Ok(Secret::new(text.as_str()))
}

/// Whether a text begins like a token of ours.
pub(crate) fn is_marked(text: &str) -> bool {
    text.starts_with(MARK)
}

/// What this text is. Reads it once and asks nobody.
pub(crate) fn judge(text: &str) -> Form {
    let Some(rest) = text.strip_prefix(MARK) else { return Form::Foreign };
    let kind = TokenKind::ALL
        .into_iter()
        .find(|kind| rest.strip_prefix(word(*kind)).is_some_and(|rest| rest.starts_with('_')));
    let whole = rest.len() == 4 + RANDOM + CHECK && text.is_ascii();
    let (Some(kind), true) = (kind, whole) else { return Form::Broken };
    let (body, check) = text.split_at(text.len() - CHECK);
    let random = body.get(body.len() - RANDOM..).unwrap_or_default();
    if !random.bytes().all(|byte| byte.is_ascii_alphanumeric()) || checksum(body.as_bytes()) != check {
        return Form::Broken;
    }
    Form::Ours(kind, digest(text))
}

/// What the store keeps of a token: SHA-256 of its text. It is random, so no salt is needed.
pub(crate) fn digest(text: &str) -> [u8; 32] {
    digest::sha256(&[text.as_bytes()])
}

fn digit(value: u32) -> char {
    let at = usize::try_from(value % 62).unwrap_or(0);
    DIGITS.get(at).map_or('0', |byte| char::from(*byte))
}

fn checksum(bytes: &[u8]) -> String {
    let mut rest = crc32(bytes);
    let mut out = [0_u32; CHECK];
    for place in out.iter_mut().rev() {
        *place = rest % 62;
        rest /= 62;
    }
    out.into_iter().map(digit).collect()
}

/// CRC-32 as in ISO 3309: the one of gzip and PNG.
fn crc32(bytes: &[u8]) -> u32 {
    /// The remainder of each byte.
    static TABLE: LazyLock<[u32; 256]> = LazyLock::new(|| {
        let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        std::array::from_fn(|byte| (0..8).fold(u32::try_from(byte).unwrap_or(0), |crc, _| step(crc)))
    });
    let next = |crc: u32, byte: &u8| {
        let [low, ..] = crc.to_le_bytes();
        crc >> 8 ^ TABLE.get(usize::from(low ^ byte)).copied().unwrap_or(0)
    };
    !bytes.iter().fold(!0, next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_model::world::SeededEntropy;
    use proptest::prelude::*;

    #[test]
    fn the_checksum_is_the_one_of_gzip() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(checksum(b"").len(), CHECK);
    }

    // proves: ID-16
    #[test]
    fn a_token_has_the_form_that_scanners_look_for() {
        let dice = SeededEntropy::new(1);
        for kind in TokenKind::ALL {
            let token = make(kind, &dice).unwrap();
            let text = token.expose();
            assert!(text.starts_with(&format!("pal_{}_", word(kind))), "{text}");
            assert_eq!(text.len(), 8 + 49);
            assert!(text[8..].bytes().all(|byte| byte.is_ascii_alphanumeric()));
            assert_eq!(judge(text), Form::Ours(kind, digest(text)));
            assert_ne!(make(kind, &dice).unwrap().expose(), text);
        }
    }

    // proves: ID-16
    #[test]
    fn every_slip_in_a_token_is_seen_without_asking_anybody() {
        let token = make(TokenKind::Key, &SeededEntropy::new(2)).unwrap();
        let text = token.expose();
        for at in 4..text.len() {
            let other = if &text[at..=at] == "x" { "y" } else { "x" };
            let slip = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert_eq!(judge(&slip), Form::Broken, "{slip}");
        }
        for bad in [&text[..56], &format!("{text}0"), &format!("{text} "), "pal_", "pal_key_", "pal_xyz_a"] {
            assert_eq!(judge(bad), Form::Broken, "{bad}");
        }
        for foreign in ["", "123456789012", "eyJhbGciOi.x.y", "PAL_key_"] {
            assert_eq!(judge(foreign), Form::Foreign, "{foreign}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged_and_none_passes(text in "\\PC{0,80}", tail in "\\PC{0,60}") {
            prop_assert!(!matches!(judge(&text), Form::Ours(..)));
            let marked = ["pal_key_", tail.as_str()].concat();
            prop_assert!(!matches!(judge(&marked), Form::Ours(..)));
        }
    }
}
