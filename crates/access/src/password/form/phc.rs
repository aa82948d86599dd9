//! argon2 as PHC strings: `$argon2id$v=19$m=19456,t=2,p=1$salt$output`.

use argon2::Params;
use argon2::password_hash::phc::PasswordHash;

use super::super::scheme::{Argon2Cost, Argon2Kind, Scheme};
use super::super::stored::Stored;
use super::is_salt;

pub(super) fn read(text: &str) -> Option<Stored> {
    let hash = PasswordHash::new(text).ok()?;
    let kind = match hash.algorithm.as_str() {
        "argon2d" => Argon2Kind::D,
        "argon2i" => Argon2Kind::I,
        "argon2id" => Argon2Kind::Id,
        _ => return None,
    };
    // Strings without a version are of version 16.
    let old = match hash.version {
        None | Some(0x10) => true,
        Some(0x13) => false,
        Some(_) => return None,
    };
    // In this order and each once, as the form wants it; what is not read must not stand there.
    if hash.params.iter().map(|(name, _)| name.as_str().to_owned()).ne(["m", "t", "p"]) {
        return None;
    }
    let params = Params::try_from(&hash).ok()?;
    let output = hash.hash?.as_bytes().to_vec();
    let salt = hash.salt?.as_ref().to_vec();
    let fits = is_salt(&salt) && (16..=64).contains(&output.len());
    let (memory_kib, passes, lanes) = (params.m_cost(), params.t_cost(), params.p_cost());
    let scheme = Scheme::Argon2(Argon2Cost { kind, old, memory_kib, passes, lanes });
    fits.then_some(Stored { scheme, salt, output })
}
