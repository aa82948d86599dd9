//! A typed password, made comparable.

use palisade_model::Secret;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// A password that can be hashed: normalised, without NUL, of bounded length.
#[derive(Clone)]
pub(crate) struct Plain {
    /// NFKC (NIST SP 800-63B section 5.1.1.2), so that one keyboard's `é` is another's.
    text: Zeroizing<String>,
    /// As it was typed, where that differs: hashes that were made elsewhere may be of this form.
    typed: Option<Zeroizing<String>>,
}

/// Why a password cannot be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// More characters than the policy takes. Never cut: half a password would open the account.
    TooLong,
    /// A NUL, at which some hash functions stop reading.
    Nul,
}

impl Plain {
    /// The bytes are counted before anything else is done with them: normalising grows a text up to
    /// eighteen-fold.
    pub(crate) fn parse(secret: &Secret, max_chars: usize) -> Result<Self, Unfit> {
        let typed = secret.expose();
        if typed.len() > max_chars.saturating_mul(4) {
            return Err(Unfit::TooLong);
        }
        if typed.contains('\0') {
            return Err(Unfit::Nul);
        }
        let text = Zeroizing::new(typed.nfkc().collect::<String>());
        if text.chars().count() > max_chars {
            return Err(Unfit::TooLong);
        }
        let typed = (*typed != **text).then(|| Zeroizing::new(typed.to_owned()));
        Ok(Self { text, typed })
    }

    /// What new hashes are made of.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What a stored hash may have been made of.
    pub(crate) fn readings(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.text.as_str()).chain(self.typed.as_ref().map(|typed| typed.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Plain, Unfit> {
        Plain::parse(&Secret::new(text), 8)
    }

    // proves: ID-3
    #[test]
    fn composed_and_decomposed_letters_are_the_same_password() {
        assert_eq!(parse("caf\u{e9}").unwrap().text(), parse("cafe\u{301}").unwrap().text());
        assert_eq!(parse("cafe\u{301}").unwrap().readings().count(), 2);
        assert_eq!(parse("cafe").unwrap().readings().count(), 1);
    }

    // proves: ID-3
    #[test]
    fn nul_and_length_are_refused_never_cut() {
        assert_eq!(parse("pass\0word").err(), Some(Unfit::Nul));
        assert!(parse("12345678").is_ok());
        assert_eq!(parse("123456789").err(), Some(Unfit::TooLong));
        assert!(parse(&"\u{10348}".repeat(8)).is_ok(), "eight characters of four bytes");
        // One character that normalises to eighteen.
        assert_eq!(parse("\u{fdfa}").err(), Some(Unfit::TooLong));
        assert_eq!(parse(&"a".repeat(1 << 20)).err(), Some(Unfit::TooLong));
    }
}
