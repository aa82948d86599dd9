//! Refresh tokens: opaque, used once, each with one possible successor (ID-10).

use data_encoding::BASE64URL_NOPAD;
use palisade_model::Token;
use palisade_model::digest::hmac_sha256;

use crate::keys::{Key, Roots};

/// Derives successors. Two tabs that refresh at once get the same one without anything being kept in the
/// clear: it is an HMAC of the token that they both showed.
pub(crate) struct Successors {
    /// Of the present root secret first, then of former ones.
    keys: Vec<Key>,
}

impl Successors {
    pub(crate) fn new(roots: &Roots) -> Self {
        Self { keys: roots.derive_all("refresh") }
    }

    /// The token that follows: the one whose digest is `known`, if the token was exchanged already, by a tab that may
    /// have met a former root secret. `None` cannot happen: 32 bytes are 43 characters.
    pub(crate) fn of(&self, token: &Token, known: Option<[u8; 32]>) -> Option<Token> {
        let mut candidates = self.keys.iter().filter_map(|key| {
            let bytes = hmac_sha256(key.expose(), &[token.expose().as_bytes()]);
            Token::parse(&BASE64URL_NOPAD.encode(&bytes))
        });
        let present = candidates.next()?;
        let is_known = |token: &Token| known == Some(token.digest());
        if is_known(&present) { Some(present) } else { Some(candidates.find(is_known).unwrap_or(present)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{Root, Roots};
    use palisade_model::{Timestamp, World};

    // proves: ID-10
    #[test]
    fn the_successor_is_always_the_same_and_needs_the_key() {
        let (world, _) = World::still(Timestamp::from_secs(1));
        let token = Token::generate(&*world.entropy).unwrap();
        let of = |secret: &[u8]| Successors::new(&Roots::new(Root::new(secret), Vec::new()));
        let (ours, theirs) = (of(b"ours"), of(b"theirs"));
        let next = ours.of(&token, None).unwrap();
        assert_eq!(next.digest(), ours.of(&token, None).unwrap().digest());
        assert_ne!(next.digest(), theirs.of(&token, None).unwrap().digest());
        assert_ne!(next.digest(), token.digest());
        assert_ne!(next.digest(), ours.of(&next, None).unwrap().digest());
    }

    // proves: ID-10, ID-11
    #[test]
    fn a_tab_that_races_while_the_root_secret_changes_gets_the_same_successor() {
        let (world, _) = World::still(Timestamp::from_secs(1));
        let token = Token::generate(&*world.entropy).unwrap();
        let before = Successors::new(&Roots::new(Root::new(b"old"), Vec::new()));
        let after = Successors::new(&Roots::new(Root::new(b"new"), vec![Root::new(b"old")]));
        let first = before.of(&token, None).unwrap();
        assert_eq!(after.of(&token, Some(first.digest())).unwrap().digest(), first.digest());
        assert_ne!(
            after.of(&token, None).unwrap().digest(),
            first.digest(),
            "otherwise the new secret counts"
        );
        assert_ne!(after.of(&token, Some([7; 32])).unwrap().digest(), first.digest());
    }
}
