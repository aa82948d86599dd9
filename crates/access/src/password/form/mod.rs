//! How hashes are written: one file for each family that writes them. Readers are strict: what they do not know
//! whole they do not read at all.

mod django;
mod passlib;
mod phc;
mod werkzeug;

use data_encoding::BASE64_NOPAD;

use super::bcrypt64;
use super::scheme::{Argon2Cost, Argon2Kind, Digest, Prehash, Scheme};
use super::stored::Stored;

/// The longest hash that is looked at, in bytes.
const LONGEST: usize = 512;
/// The longest salt, in bytes.
const LONGEST_SALT: usize = 128;

/// `None` unless it is a hash of one of the known forms that costs no more than is allowed beside the policy's `own`
/// scheme (ID-3).
pub(super) fn parse(text: &str, own: Scheme) -> Option<Stored> {
    read(text).filter(|stored| stored.scheme.is_bearable(own))
}

fn read(text: &str) -> Option<Stored> {
    // A salt that is its own text could hold what a store or a log does not take.
    if text.len() > LONGEST || !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return None;
    }
    passlib::read(text)
        .or_else(|| phc::read(text))
        .or_else(|| werkzeug::read(text))
        .or_else(|| django::read(text))
}

/// A hash of one of the policy's own schemes as text: PHC strings, and passlib's forms of PBKDF2 and bcrypt, so
/// that others can read what Palisade keeps. `None` for a scheme that is only verified.
pub(super) fn write(stored: &Stored) -> Option<String> {
    let Stored { scheme, salt, output } = stored;
    Some(match *scheme {
        Scheme::Argon2(Argon2Cost { kind: Argon2Kind::Id, old: false, memory_kib, passes, lanes }) => {
            let (salt, output) = (BASE64_NOPAD.encode(salt), BASE64_NOPAD.encode(output));
            format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${output}")
        }
        Scheme::Bcrypt { cost, prehash: Prehash::Salted } => {
            format!(
                "$bcrypt-sha256$v=2,t=2b,r={cost}${}${}",
                bcrypt64::encode(salt),
                bcrypt64::encode(output)
            )
        }
        Scheme::Pbkdf2 { digest: Digest::Sha256, rounds } => {
            format!("$pbkdf2-sha256${rounds}${}${}", passlib::ab64(salt), passlib::ab64(output))
        }
        _ => return None,
    })
}

/// Salt and output of a bcrypt hash.
fn bcrypt_parts(salt: &str, output: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let fits = salt.len() == 22 && output.len() == 31;
    fits.then_some(())?;
    Some((bcrypt64::decode(salt)?, bcrypt64::decode(output)?))
}

/// `$2b$12$` with salt and output behind it; `$2$` and `$2x$` are of broken implementations.
fn bcrypt(text: &str, prehash: Prehash) -> Option<Stored> {
    let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|prefix| text.strip_prefix(prefix))?;
    let (cost, rest) = rest.split_once('$')?;
    let cost = bcrypt_cost(cost).filter(|_| cost.len() == 2)?;
    let (salt, output) = rest.split_at_checked(22).and_then(|(salt, output)| bcrypt_parts(salt, output))?;
    Some(Stored { scheme: Scheme::Bcrypt { cost, prehash }, salt, output })
}

/// The cost that bcrypt has.
fn bcrypt_cost(text: &str) -> Option<u32> {
    digits(text).filter(|cost| (4..=31).contains(cost))
}

/// A PBKDF2 hash, if its output is just as long as its digest: more would be more work than its rounds tell.
fn pbkdf2(digest: Digest, rounds: &str, salt: Vec<u8>, output: Vec<u8>) -> Option<Stored> {
    let rounds = number(rounds)?.try_into().ok()?;
    let fits = is_salt(&salt) && output.len() == digest.length();
    fits.then_some(Stored { scheme: Scheme::Pbkdf2 { digest, rounds }, salt, output })
}

/// A scrypt hash, if its output is whole: a beginning of it would verify as well.
fn scrypt([log_n, r, p]: [u32; 3], salt: Vec<u8>, output: Vec<u8>, length: usize) -> Option<Stored> {
    let log_n = u8::try_from(log_n).ok().filter(|log_n| (1..=32).contains(log_n))?;
    let fits = r > 0 && p > 0 && is_salt(&salt) && output.len() == length;
    fits.then_some(Stored { scheme: Scheme::Scrypt { log_n, r, p }, salt, output })
}

/// The binary logarithm of a power of two.
fn log2(n: u32) -> Option<u32> {
    n.is_power_of_two().then(|| n.trailing_zeros())
}

fn is_salt(salt: &[u8]) -> bool {
    (1..=LONGEST_SALT).contains(&salt.len())
}

/// A number without sign or leading zero.
fn number(text: &str) -> Option<u32> {
    digits(text).filter(|_| !text.starts_with('0') || text == "0")
}

fn digits(text: &str) -> Option<u32> {
    (text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// Just so many parts between these signs.
fn parts<const N: usize>(text: &str, sign: char) -> Option<[&str; N]> {
    text.split(sign).collect::<Vec<_>>().try_into().ok()
}

#[cfg(test)]
mod tests;
