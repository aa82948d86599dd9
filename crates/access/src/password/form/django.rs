//! Django's forms: the hasher's name, then its own form. The salt of the first two is its own text.

use data_encoding::BASE64;

use super::super::scheme::{Digest, Prehash};
use super::super::stored::Stored;
use super::{bcrypt, log2, number, parts, pbkdf2, phc, scrypt};

pub(super) fn read(text: &str) -> Option<Stored> {
    let (name, rest) = text.split_once('$')?;
    let output = |text: &str| BASE64.decode(text.as_bytes()).ok();
    match name {
        "pbkdf2_sha256" | "pbkdf2_sha1" => {
            let digest = if name == "pbkdf2_sha1" { Digest::Sha1 } else { Digest::Sha256 };
            let [rounds, salt, hash] = parts(rest, '$')?;
            pbkdf2(digest, rounds, salt.as_bytes().to_vec(), output(hash)?)
        }
        "scrypt" => {
            let [n, salt, r, p, hash] = parts(rest, '$')?;
            scrypt([log2(number(n)?)?, number(r)?, number(p)?], salt.as_bytes().to_vec(), output(hash)?, 64)
        }
        "bcrypt_sha256" => bcrypt(rest, Prehash::Hex),
        "bcrypt" => bcrypt(rest, Prehash::None),
        // Behind the name stands a PHC string without its first sign.
        "argon2" => phc::read(text.strip_prefix("argon2")?),
        _ => None,
    }
}
