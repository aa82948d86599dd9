//! Values that must not be printed, and the tokens that are made of them.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use crate::digest;
use crate::world::{Entropy, NoEntropy};

/// A value that is wiped when dropped and that no log or error can show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the value over.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value itself: for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// 256 random bits that somebody holds to prove who they are: a session id, a refresh token, a
/// one-time link. Only its [digest](Token::digest) is ever stored.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// A new token.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, NoEntropy> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        entropy.fill(bytes.as_mut())?;
        Ok(Self(Zeroizing::new(BASE64URL_NOPAD.encode(bytes.as_ref()))))
    }

    /// The token as a client sent it; `None` unless it has the form of one (43 characters of
    /// base64url, RFC 4648 section 5).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        well_formed(text).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The [digest](Self::digest) of a token as a client sent it, without keeping the token: for the
    /// hot path. `None` unless the text has the form of a token.
    #[must_use]
    pub fn digest_of(text: &str) -> Option<[u8; 32]> {
        well_formed(text).then(|| digest::sha256(&[text.as_bytes()]))
    }

    /// The token's text, to hand to its holder.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the store keeps: SHA-256 of the text. A token is random, so no salt is needed.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        digest::sha256(&[self.0.as_bytes()])
    }
}

fn well_formed(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[token]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::SeededEntropy;

    #[test]
    fn neither_prints_itself() {
        let token = Token::generate(&SeededEntropy::new(7)).unwrap();
        assert_eq!(format!("{token:?} {:?}", Secret::new("hunter2")), "[token] [secret]");
    }

    #[test]
    fn a_token_survives_the_wire_and_nothing_else_passes_for_one() {
        let token = Token::generate(&SeededEntropy::new(7)).unwrap();
        assert_eq!(Token::parse(token.expose()).unwrap().digest(), token.digest());
        assert_eq!(Token::digest_of(token.expose()), Some(token.digest()));
        for bad in ["", "short", &"=".repeat(43), &"a".repeat(44), &format!("{}\n", "a".repeat(42))] {
            assert!(Token::parse(bad).is_none() && Token::digest_of(bad).is_none(), "{bad:?}");
        }
    }
}
