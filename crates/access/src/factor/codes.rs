//! Recovery codes: what gets somebody in whose telephone is gone. Ten, each for one use.

use data_encoding::BASE32_NOPAD;
use palisade_model::id::UserId;
use palisade_model::world::NoEntropy;
use palisade_model::{Secret, World, digest};
use zeroize::Zeroizing;

/// How many are made at once.
const COUNT: usize = 10;

/// Letters in one: 80 random bits, which no digest needs to be slow for.
const LETTERS: usize = 16;

/// New codes, as people write them down: `abcd-efgh-ijkl-mnop`.
pub(crate) fn generate(world: &World) -> Result<Vec<Secret>, NoEntropy> {
    (0..COUNT)
        .map(|_| {
            let mut bytes = Zeroizing::new([0_u8; 10]);
            world.entropy.fill(bytes.as_mut())?;
            let text = Zeroizing::new(BASE32_NOPAD.encode(bytes.as_ref()).to_ascii_lowercase());
            let groups: Vec<&str> =
                text.as_bytes().chunks(4).filter_map(|group| std::str::from_utf8(group).ok()).collect();
            Ok(Secret::new(groups.join("-")))
        })
        .collect()
}

/// What the store keeps of a code, bound to its user; `None` for what has not the form of one. Case, spaces and
/// hyphens do not count, and neither do the digits that are no letters of base32.
pub(crate) fn digest_of(user: UserId, shown: &str) -> Option<[u8; 32]> {
    let letters: Zeroizing<String> = Zeroizing::new(
        shown
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .map(|c| match c.to_ascii_lowercase() {
                '0' => 'o',
                '1' => 'l',
                other => other,
            })
            .collect(),
    );
    let formed = letters.len() == LETTERS && letters.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
    formed.then(|| digest::sha256(&[b"recovery", user.0.as_bytes(), letters.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_model::Timestamp;

    // proves: ID-17
    #[test]
    fn a_code_is_found_however_it_is_typed_and_only_for_its_user() {
        let (world, _) = World::still(Timestamp::from_secs(1));
        let user = || UserId::generate(world.now(), &*world.entropy).unwrap();
        let (ann, bob) = (user(), user());
        let codes = generate(&world).unwrap();
        assert_eq!(codes.len(), 10);
        for code in &codes {
            let text = code.expose();
            let kept = digest_of(ann, text).unwrap();
            assert_eq!(digest_of(ann, &text.to_uppercase().replace('-', " ")), Some(kept));
            assert_eq!(digest_of(ann, &text.replace('o', "0").replace('l', "1")), Some(kept));
            assert_ne!(digest_of(bob, text), Some(kept));
            assert_eq!(codes.iter().filter(|other| other.expose() == text).count(), 1);
        }
        for bad in ["", "123456", "abcd-efgh-ijkl-mno", "abcd-efgh-ijkl-mnop-q", "äbcd-efgh-ijkl-mnop"] {
            assert_eq!(digest_of(ann, bad), None, "{bad}");
        }
    }
}
