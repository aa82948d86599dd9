//! Werkzeug's forms: `pbkdf2:sha256:600000$salt$hex` and `scrypt:32768:8:1$salt$hex`. The salt is its own text.
//! Forms that leave the cost to the version of Werkzeug are not read.

use data_encoding::HEXLOWER;

use super::super::scheme::Digest;
use super::super::stored::Stored;
use super::{log2, number, parts, pbkdf2, scrypt};

pub(super) fn read(text: &str) -> Option<Stored> {
    let [method, salt, output] = parts(text, '$')?;
    let salt = salt.as_bytes().to_vec();
    let output = HEXLOWER.decode(output.as_bytes()).ok()?;
    match parts::<4>(method, ':') {
        Some(["scrypt", n, r, p]) => scrypt([log2(number(n)?)?, number(r)?, number(p)?], salt, output, 64),
        Some(_) => None,
        None => {
            let ["pbkdf2", digest, rounds] = parts(method, ':')? else { return None };
            let digest = match digest {
                "sha1" => Digest::Sha1,
                "sha256" => Digest::Sha256,
                "sha512" => Digest::Sha512,
                _ => return None,
            };
            pbkdf2(digest, rounds, salt, output)
        }
    }
}
