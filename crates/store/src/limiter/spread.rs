//! How keys are spread over a map.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A hash for keys of 16 bytes, keyed at random, so that nobody outside can tell which keys lie together. One
/// multiplication: the keys are digests already, and each request looks for some of them several times.
#[derive(Clone, Copy)]
pub(super) struct Spread {
    first: u64,
    second: u64,
}

impl Spread {
    pub(super) fn at_random() -> Self {
        let random = RandomState::new();
        Self { first: random.hash_one(1_u8), second: random.hash_one(2_u8) }
    }
}

impl BuildHasher for Spread {
    type Hasher = Spreading;

    fn build_hasher(&self) -> Spreading {
        Spreading { spread: *self, hash: 0 }
    }
}

/// One key on its way.
pub(super) struct Spreading {
    spread: Spread,
    hash: u64,
}

impl Hasher for Spreading {
    fn write(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(16) {
            let mut block = [0; 16];
            block.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
            let key = u128::from_le_bytes(block);
            let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
            let product = u128::from(half(key) ^ self.spread.first ^ self.hash)
                * u128::from(half(key >> 64) ^ self.spread.second);
            self.hash = half(product) ^ half(product >> 64);
        }
    }

    /// The length of a key is always the same.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_alike_are_spread_all_the_same() {
        let spread = Spread::at_random();
        for place in [0, 8] {
            let mut shards = [0_u32; 64];
            for number in 0..6400_u64 {
                let mut key = [0_u8; 16];
                key[place..place + 8].copy_from_slice(&number.to_be_bytes());
                shards[usize::try_from(spread.hash_one(key) % 64).unwrap()] += 1;
            }
            assert!(shards.iter().all(|count| (40..200).contains(count)), "{shards:?}");
        }
    }
}
