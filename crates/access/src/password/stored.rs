//! A password's hash as the store keeps it.

use palisade_model::digest::equal;

use super::scheme::{Scheme, Workspace};

/// A hash, taken apart and judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) scheme: Scheme,
    pub(crate) salt: Vec<u8>,
    pub(crate) output: Vec<u8>,
}

impl Stored {
    /// A new hash. `None` when the parameters fit no hash.
    pub(crate) fn make(
        scheme: Scheme,
        password: &str,
        salt: &[u8; 16],
        workspace: &mut Workspace,
    ) -> Option<Self> {
        let mut output = vec![0; scheme.length()];
        scheme.derive(password, salt, &mut output, workspace)?;
        Some(Self { scheme, salt: salt.to_vec(), output })
    }

    /// A hash that no password has and that costs as much to verify: for users that do not exist.
    pub(crate) fn of_nobody(scheme: Scheme, salt: [u8; 16], random: &[u8; 32]) -> Self {
        let output = random.iter().copied().take(scheme.length()).collect();
        Self { scheme, salt: salt.to_vec(), output }
    }

    /// Whether it should be made anew in the policy's way.
    pub(crate) fn is_stale(&self, own: Scheme) -> bool {
        self.scheme != own || self.output.len() != own.length()
    }

    /// Whether it is this password's.
    pub(crate) fn matches(&self, password: &str, workspace: &mut Workspace) -> bool {
        let mut output = vec![0; self.output.len()];
        self.scheme.derive(password, &self.salt, &mut output, workspace).is_some()
            && equal(&output, &self.output)
    }
}
