//! Ways of hashing a password, each with what it costs.

use std::num::NonZeroU32;

use argon2::{Argon2, Block, Params};
use aws_lc_rs::pbkdf2;
use data_encoding::{BASE64, HEXLOWER};
use palisade_model::digest::{hmac_sha256, sha256};
use palisade_policy::section::identify::{Hashing, Passwords};
use zeroize::Zeroizing;

use super::bcrypt64;

/// What a stored hash may cost unless the policy's own costs more: a planted hash must not take the machine's
/// memory or minutes of its time.
const MOST_KIB: u64 = 256 * 1024;
/// The same in time: about two seconds.
const MOST_MILLIS: u64 = 2000;
/// From this memory on a foreign hash is verified while no other such is, so that all of them together have a
/// bound too.
const HEAVY_KIB: u64 = 64 * 1024;

/// So many bytes of a password bcrypt reads.
const BCRYPT_READS: usize = 72;

/// A way of hashing with its parameters. The order is that of the variants; it only has to be always the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scheme {
    Argon2(Argon2Cost),
    /// `cost` is the binary logarithm of the rounds.
    Bcrypt {
        cost: u32,
        prehash: Prehash,
    },
    Pbkdf2 {
        digest: Digest,
        rounds: NonZeroU32,
    },
    /// RFC 7914: N is `1 << log_n`.
    Scrypt {
        log_n: u8,
        r: u32,
        p: u32,
    },
}

/// RFC 9106.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Argon2Cost {
    pub(crate) kind: Argon2Kind,
    /// Version 16 instead of 19.
    pub(crate) old: bool,
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Argon2Kind {
    D,
    I,
    Id,
}

/// The hash function within PBKDF2-HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

/// What becomes of a password before bcrypt, which reads 72 bytes and stops at a NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Prehash {
    /// Nothing: bytes behind the 72nd count for nothing. For verifying only.
    None,
    /// `hex(sha256(password))`: Django.
    Hex,
    /// `base64(sha256(password))`: passlib's bcrypt-sha256, version 1.
    Base64,
    /// `base64(hmac-sha256(salt as text, password))`: passlib's bcrypt-sha256, version 2. The salt as key keeps
    /// digests that leaked elsewhere from being tried as passwords.
    Salted,
}

impl Digest {
    /// The length of its output, in bytes.
    pub(crate) const fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    const fn algorithm(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }

    /// Rounds in a millisecond.
    const fn pace(self) -> u64 {
        match self {
            Self::Sha1 => 9000,
            Self::Sha256 => 7000,
            Self::Sha512 => 3500,
        }
    }
}

impl Scheme {
    /// The policy's, for new hashes.
    pub(crate) fn of_policy(passwords: &Passwords) -> Self {
        match passwords.hashing {
            Hashing::Argon2id { memory_kib, passes } => {
                Self::Argon2(Argon2Cost { kind: Argon2Kind::Id, old: false, memory_kib, passes, lanes: 1 })
            }
            Hashing::Bcrypt { cost } => Self::Bcrypt { cost, prehash: Prehash::Salted },
            Hashing::Pbkdf2Sha256 { rounds } => Self::Pbkdf2 { digest: Digest::Sha256, rounds },
        }
    }

    /// Memory, in KiB.
    fn memory_kib(self) -> u64 {
        match self {
            Self::Argon2(cost) => cost.memory_kib.into(),
            Self::Bcrypt { .. } | Self::Pbkdf2 { .. } => 8,
            Self::Scrypt { log_n, r, p } => {
                let blocks = 1_u64.checked_shl(log_n.into()).unwrap_or(u64::MAX).saturating_add(p.into());
                blocks.saturating_mul(r.into()) / 8
            }
        }
    }

    /// Time, in milliseconds: a rough one, of a slow processor.
    fn millis(self) -> u64 {
        match self {
            Self::Argon2(cost) => u64::from(cost.memory_kib).saturating_mul(cost.passes.into()) / 1024,
            Self::Bcrypt { cost, .. } => 1_u64.checked_shl(cost).unwrap_or(u64::MAX) / 17,
            Self::Pbkdf2 { digest, rounds } => u64::from(rounds.get()) / digest.pace(),
            Self::Scrypt { log_n, r, p } => {
                let blocks = 1_u64.checked_shl(log_n.into()).unwrap_or(u64::MAX);
                blocks.saturating_mul(r.into()).saturating_mul(p.into()) / 3400
            }
        }
    }

    /// Whether a hash of this cost may be verified here.
    pub(crate) fn is_bearable(self, own: Self) -> bool {
        self.memory_kib() <= MOST_KIB.max(own.memory_kib()) && self.millis() <= MOST_MILLIS.max(own.millis())
    }

    /// Whether it takes so much memory that two at once would be one too many.
    pub(crate) fn is_heavy(self, own: Self) -> bool {
        self.memory_kib() > HEAVY_KIB.max(own.memory_kib())
    }

    /// Whether a hash of this kind proves all of `password`. Plain bcrypt reads 72 bytes: whether a password of so many
    /// ends there it cannot tell.
    pub(crate) const fn reads_whole(self, password: &str) -> bool {
        !matches!(self, Self::Bcrypt { prehash: Prehash::None, .. }) || password.len() < BCRYPT_READS
    }

    /// The length of the output of a new hash, in bytes.
    pub(crate) const fn length(self) -> usize {
        match self {
            Self::Bcrypt { .. } => 23,
            Self::Pbkdf2 { digest: Digest::Sha1, .. } => 20,
            _ => 32,
        }
    }

    /// Hashes into `out`. `None` when the parameters fit no hash.
    pub(crate) fn derive(
        self,
        password: &str,
        salt: &[u8],
        out: &mut [u8],
        workspace: &mut Workspace,
    ) -> Option<()> {
        let password = password.as_bytes();
        match self {
            Self::Argon2(cost) => workspace.argon2(cost, password, salt, out).ok(),
            Self::Bcrypt { cost, prehash } => bcrypt(cost, prehash, password, salt, out),
            Self::Pbkdf2 { digest, rounds } => {
                pbkdf2::derive(digest.algorithm(), rounds, salt, password, out);
                Some(())
            }
            Self::Scrypt { log_n, r, p } => {
                let params = scrypt::Params::new(log_n, r, p).ok()?;
                scrypt::scrypt(password, salt, &params, out).ok()
            }
        }
    }
}

fn bcrypt(cost: u32, prehash: Prehash, password: &[u8], salt: &[u8], out: &mut [u8]) -> Option<()> {
    let salt: [u8; 16] = salt.try_into().ok()?;
    let ready = Zeroizing::new(match prehash {
        Prehash::None => password.iter().copied().take(BCRYPT_READS).collect(),
        Prehash::Hex => HEXLOWER.encode(&sha256(&[password])).into_bytes(),
        Prehash::Base64 => BASE64.encode(&sha256(&[password])).into_bytes(),
        Prehash::Salted => {
            let key = bcrypt64::encode(&salt);
            BASE64.encode(&hmac_sha256(key.as_bytes(), &[password])).into_bytes()
        }
    });
    // Its C original hashes the ending NUL as well, as far as it is within the 72.
    let ended: Zeroizing<Vec<u8>> =
        Zeroizing::new(ready.iter().copied().chain([0]).take(BCRYPT_READS).collect());
    let output = ::bcrypt::bcrypt(cost, salt, &ended);
    out.copy_from_slice(output.get(..out.len())?);
    Some(())
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

    fn argon2(
        &mut self,
        cost: Argon2Cost,
        password: &[u8],
        salt: &[u8],
        out: &mut [u8],
    ) -> Result<(), argon2::Error> {
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(out.len()))?;
        let blocks = params.block_count();
        if self.0.len() < blocks {
            self.0.resize(blocks, Block::default());
        }
        let memory = self.0.get_mut(..blocks).unwrap_or_default();
        let kind = match cost.kind {
            Argon2Kind::D => argon2::Algorithm::Argon2d,
            Argon2Kind::I => argon2::Algorithm::Argon2i,
            Argon2Kind::Id => argon2::Algorithm::Argon2id,
        };
        let version = if cost.old { argon2::Version::V0x10 } else { argon2::Version::V0x13 };
        Argon2::new(kind, version, params).hash_password_into_with_memory(password, salt, out, memory)
    }
}
