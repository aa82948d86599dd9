//! Hashes of nobody, for names that nobody has (ID-1).
//!
//! As long as all hashes cost the same, one hash of nobody is enough. After an import they do not: bcrypt takes six
//! times as long as argon2id, and a quick answer would tell that a name is free. So an unknown name gets a hash of
//! the kind that a user might have, each kind as often as among the users, and the same one each time it is asked
//! for, on every node and after every restart. What a single answer takes then says nothing of whether the name is
//! known. As hashes are renewed, names go over from the old kinds to the policy's own, just as users do.

use std::collections::BTreeMap;
use std::sync::Arc;

use palisade_model::digest::hmac_sha256;
use parking_lot::RwLock;

use super::scheme::Scheme;
use super::stored::Stored;
use crate::keys::Key;

/// How many users have which kind of hash.
pub(crate) type Census = BTreeMap<Scheme, u64>;

/// The hashes of nobody.
pub(super) struct Decoys {
    key: Key,
    own: Scheme,
    salt: [u8; 16],
    output: [u8; 32],
    /// Kinds, each with how many users have it or one before it; the policy's own is the first.
    kinds: RwLock<Arc<[(u64, Scheme)]>>,
}

impl Decoys {
    /// All of the policy's own kind, until a census says otherwise. No password may be known to give `output`.
    pub(super) fn new(key: Key, own: Scheme, salt: [u8; 16], output: [u8; 32]) -> Self {
        Self { key, own, salt, output, kinds: RwLock::new(Arc::new([(1, own)])) }
    }

    /// Follows a census.
    pub(super) fn follow(&self, census: &Census) {
        let mut upto = census.get(&self.own).copied().unwrap_or_default();
        let mut kinds = vec![(upto, self.own)];
        for (scheme, count) in census.iter().filter(|(scheme, _)| **scheme != self.own) {
            upto = upto.saturating_add(*count);
            kinds.push((upto, *scheme));
        }
        if upto == 0 {
            kinds = vec![(1, self.own)];
        }
        *self.kinds.write() = kinds.into();
    }

    /// The hash of nobody for this name.
    pub(super) fn of(&self, login: &str) -> Stored {
        let kinds = self.kinds.read().clone();
        let digest = hmac_sha256(self.key.expose(), &[login.to_lowercase().as_bytes()]);
        let [a, b, c, d, e, f, g, h, ..] = digest;
        let place = u128::from(u64::from_be_bytes([a, b, c, d, e, f, g, h]));
        let all = kinds.last().map_or(1, |(upto, _)| *upto);
        // A place on the line from 0 to `all`, the same part of it whatever `all` is.
        let at = u64::try_from((place * u128::from(all)) >> 64).unwrap_or_default();
        let kind = kinds.iter().find(|(upto, _)| at < *upto).map_or(self.own, |(_, scheme)| *scheme);
        Stored::of_nobody(kind, self.salt, &self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::super::scheme::Prehash;
    use super::*;
    use crate::keys::Root;

    const OWN: Scheme = Scheme::Bcrypt { cost: 12, prehash: Prehash::Salted };
    const OLD: Scheme = Scheme::Bcrypt { cost: 10, prehash: Prehash::None };

    fn decoys() -> Decoys {
        Decoys::new(Root::new(b"root").derive("nobody"), OWN, [1; 16], [2; 32])
    }

    fn olds(decoys: &Decoys) -> Vec<usize> {
        (0..1000).filter(|n| decoys.of(&format!("name{n}")).scheme == OLD).collect()
    }

    // proves: ID-1, ID-3
    #[test]
    fn strangers_are_spread_as_users_are_and_stay_what_they_are() {
        let decoys = decoys();
        assert_eq!(olds(&decoys), [0; 0]);
        decoys.follow(&Census::from([(OWN, 300), (OLD, 700)]));
        let before = olds(&decoys);
        assert!((600..800).contains(&before.len()), "{}", before.len());
        assert_eq!(olds(&decoys), before);
        assert_eq!(decoys.of("NAME1"), decoys.of("name1"));
        // More of the same changes nobody; renewed hashes move names one way only, as they move users.
        decoys.follow(&Census::from([(OWN, 3000), (OLD, 7000)]));
        assert_eq!(olds(&decoys), before);
        decoys.follow(&Census::from([(OWN, 6000), (OLD, 4000)]));
        let after = olds(&decoys);
        assert!(after.len() < before.len() && after.iter().all(|name| before.contains(name)));
        decoys.follow(&Census::new());
        assert_eq!(olds(&decoys), [0; 0]);
    }
}
