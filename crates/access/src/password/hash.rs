//! argon2id hashes as PHC strings (RFC 9106).

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use data_encoding::BASE64_NOPAD;
use palisade_model::digest::equal;

/// Bounds of what a stored hash may cost, unless the policy's own cost is higher: a planted hash must
/// not take the machine's memory or minutes of its time.
const MOST: Cost = Cost { memory_kib: 256 * 1024, passes: 16, lanes: 16 };

const OUTPUT: usize = 32;

/// What one hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

impl Cost {
    fn within(self, most: Self) -> bool {
        self.memory_kib <= most.memory_kib && self.passes <= most.passes && self.lanes <= most.lanes
    }

    fn params(self, output: usize) -> Result<Params, argon2::Error> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(output))
    }
}

/// Memory that hashing works in, kept from one hash to the next: taking 19 MiB from the system and
/// giving it back costs a tenth of the hash.
#[derive(Default)]
pub(crate) struct Workspace(Vec<Block>);

impl Workspace {
    /// Gives the memory back.
    pub(crate) fn release(&mut self) {
        self.0 = Vec::new();
    }

    pub(crate) fn is_released(&self) -> bool {
        self.0.is_empty()
    }

    fn argon2id(
        &mut self,
        cost: Cost,
        password: &[u8],
        salt: &[u8],
        out: &mut [u8],
    ) -> Result<(), argon2::Error> {
        let params = cost.params(out.len())?;
        let blocks = params.block_count();
        if self.0.len() < blocks {
            self.0.resize(blocks, Block::default());
        }
        let memory = self.0.get_mut(..blocks).unwrap_or_default();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(password, salt, out, memory)
    }
}

/// A hash as the store keeps it, taken apart and judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    cost: Cost,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl Stored {
    /// `None` unless it is an argon2id PHC string, version 19, that costs no more than is allowed.
    pub(crate) fn parse(text: &str, own: Cost) -> Option<Self> {
        let hash = PasswordHash::new(text).ok()?;
        if hash.algorithm.as_str() != "argon2id" || hash.version != Some(Version::V0x13.into()) {
            return None;
        }
        let params = Params::try_from(&hash).ok()?;
        if !params.keyid().is_empty() || !params.data().is_empty() {
            return None;
        }
        let cost = Cost { memory_kib: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() };
        let most = Cost {
            memory_kib: MOST.memory_kib.max(own.memory_kib),
            passes: MOST.passes.max(own.passes),
            lanes: MOST.lanes,
        };
        let output = hash.hash?.as_bytes().to_vec();
        (cost.within(most) && output.len() >= 16).then_some(())?;
        Some(Self { cost, salt: hash.salt?.as_ref().to_vec(), output })
    }

    /// A hash that no password has and that costs as much to verify: for users that do not exist.
    pub(crate) fn of_nobody(cost: Cost, salt: [u8; 16], output: [u8; OUTPUT]) -> Self {
        Self { cost, salt: salt.to_vec(), output: output.to_vec() }
    }

    /// Whether it should be made anew with the policy's cost.
    pub(crate) fn is_stale(&self, own: Cost) -> bool {
        self.cost != own || self.output.len() != OUTPUT
    }

    /// Whether it is this password's.
    pub(crate) fn matches(&self, password: &str, workspace: &mut Workspace) -> bool {
        let mut output = vec![0; self.output.len()];
        workspace.argon2id(self.cost, password.as_bytes(), &self.salt, &mut output).is_ok()
            && equal(&output, &self.output)
    }
}

/// A new hash, as a PHC string.
pub(crate) fn hash(
    password: &str,
    salt: &[u8; 16],
    cost: Cost,
    workspace: &mut Workspace,
) -> Result<String, argon2::Error> {
    let mut output = [0; OUTPUT];
    workspace.argon2id(cost, password.as_bytes(), salt, &mut output)?;
    let Cost { memory_kib, passes, lanes } = cost;
    let (salt, output) = (BASE64_NOPAD.encode(salt), BASE64_NOPAD.encode(&output));
    Ok(format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${output}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIGHT: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

    // proves: ID-3
    #[test]
    fn a_hash_verifies_its_password_and_no_other() {
        let mut work = Workspace::default();
        let text = hash("correct horse", &[7; 16], LIGHT, &mut work).unwrap();
        let stored = Stored::parse(&text, LIGHT).unwrap();
        assert!(stored.matches("correct horse", &mut work));
        assert!(!stored.matches("correct horse ", &mut work));
        assert!(!stored.matches("", &mut work));
        assert!(!stored.is_stale(LIGHT));
        assert!(stored.is_stale(Cost { passes: 2, ..LIGHT }));
    }

    /// The reference implementation's `argon2` command, with other parameters than ours, wrote this.
    // proves: ID-3, ID-5
    #[test]
    fn a_hash_of_the_reference_implementation_verifies() {
        let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let stored = Stored::parse(text, LIGHT).unwrap();
        assert!(stored.matches("password", &mut Workspace::default()));
    }

    // proves: ID-3
    #[test]
    fn a_planted_hash_cannot_take_the_machine() {
        let tail = "$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let parse = |middle: &str| Stored::parse(&format!("${middle}{tail}"), LIGHT);
        assert!(parse("argon2id$v=19$m=19456,t=2,p=1").is_some());
        for bomb in [
            "argon2id$v=19$m=4294967295,t=2,p=1",
            "argon2id$v=19$m=19456,t=4000000,p=1",
            "argon2id$v=19$m=262144,t=2,p=9999",
            "argon2id$v=16$m=19456,t=2,p=1",
            "argon2id$m=19456,t=2,p=1",
            "argon2i$v=19$m=19456,t=2,p=1",
            "argon2d$v=19$m=19456,t=2,p=1",
        ] {
            assert!(parse(bomb).is_none(), "{bomb}");
        }
        for other in [
            "",
            "plain",
            "$2b$12$abcdefghijklmnopqrstuu",
            "pbkdf2:sha256:1$a$b",
            "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ",
        ] {
            assert!(Stored::parse(other, LIGHT).is_none(), "{other}");
        }
    }

    // proves: ID-1
    #[test]
    fn nobodys_hash_matches_nothing() {
        let stored = Stored::of_nobody(LIGHT, [1; 16], [2; 32]);
        assert!(!stored.matches("", &mut Workspace::default()));
        assert!(!stored.matches("password", &mut Workspace::default()));
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]

        /// What is no argon2id string of bounded cost is no hash; nothing stumbles.
        // proves: ID-3
        #[test]
        fn strange_hashes_are_none(
            text in "\\PC{0,40}",
            (m, t, p) in (0_u64..u64::MAX, 0_u64..u64::MAX, 0_u64..u64::MAX),
            salt in "[A-Za-z0-9+/=]{0,70}",
        ) {
            proptest::prop_assert_eq!(Stored::parse(&text, LIGHT), None);
            let output = "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
            if let Some(stored) = Stored::parse(&format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${output}"), LIGHT) {
                proptest::prop_assert!(stored.cost.within(MOST));
            }
        }
    }
}
