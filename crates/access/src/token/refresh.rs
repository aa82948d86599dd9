//! Refresh tokens: opaque, used once, each with one possible successor (ID-10).

use data_encoding::BASE64URL_NOPAD;
use palisade_model::Token;
use palisade_model::digest::hmac_sha256;

use crate::keys::Key;

/// Derives successors. Two tabs that refresh at once get the same one without anything being kept in the
/// clear: it is an HMAC of the token that they both showed.
pub(crate) struct Successors {
    key: Key,
}

impl Successors {
    pub(crate) fn new(key: Key) -> Self {
        Self { key }
    }

    /// The token that follows. `None` cannot happen: 32 bytes are 43 characters.
    pub(crate) fn of(&self, token: &Token) -> Option<Token> {
        let bytes = hmac_sha256(self.key.expose(), &[token.expose().as_bytes()]);
        Token::parse(&BASE64URL_NOPAD.encode(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Root;
    use palisade_model::{Timestamp, World};

    // proves: ID-10
    #[test]
    fn the_successor_is_always_the_same_and_needs_the_key() {
        let (world, _) = World::still(Timestamp::from_secs(1));
        let token = Token::generate(&*world.entropy).unwrap();
        let ours = Successors::new(Root::new(b"ours").derive("refresh"));
        let theirs = Successors::new(Root::new(b"theirs").derive("refresh"));
        let next = ours.of(&token).unwrap();
        assert_eq!(next.digest(), ours.of(&token).unwrap().digest());
        assert_ne!(next.digest(), theirs.of(&token).unwrap().digest());
        assert_ne!(next.digest(), token.digest());
        assert_ne!(next.digest(), ours.of(&next).unwrap().digest());
    }
}
