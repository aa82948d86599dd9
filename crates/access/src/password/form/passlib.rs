//! passlib's forms, and plain bcrypt, which has one form everywhere.

use data_encoding::BASE64_NOPAD;

use super::super::scheme::{Digest, Prehash, Scheme};
use super::super::stored::Stored;
use super::{bcrypt, bcrypt_cost, bcrypt_parts, number, parts, pbkdf2, scrypt};

pub(super) fn read(text: &str) -> Option<Stored> {
    let (name, rest) = text.strip_prefix('$')?.split_once('$')?;
    match name {
        "pbkdf2" => read_pbkdf2(Digest::Sha1, rest),
        "pbkdf2-sha256" => read_pbkdf2(Digest::Sha256, rest),
        "pbkdf2-sha512" => read_pbkdf2(Digest::Sha512, rest),
        "bcrypt-sha256" => read_bcrypt_sha256(rest),
        "scrypt" => read_scrypt(rest),
        _ => bcrypt(text, Prehash::None),
    }
}

/// `$pbkdf2-sha256$600000$salt$output`
fn read_pbkdf2(digest: Digest, rest: &str) -> Option<Stored> {
    let [rounds, salt, output] = parts(rest, '$')?;
    pbkdf2(digest, rounds, un_ab64(salt)?, un_ab64(output)?)
}

/// `$bcrypt-sha256$v=2,t=2b,r=12$salt$output`, before it `$bcrypt-sha256$2b,12$salt$output`.
fn read_bcrypt_sha256(rest: &str) -> Option<Stored> {
    let [parameters, salt, output] = parts(rest, '$')?;
    let (kind, cost, prehash) = if let Some(newer) = parameters.strip_prefix("v=2,t=") {
        let [kind, cost] = parts(newer, ',')?;
        (kind, cost.strip_prefix("r=")?, Prehash::Salted)
    } else {
        let [kind, cost] = parts(parameters, ',')?;
        (kind, cost, Prehash::Base64)
    };
    let cost = bcrypt_cost(cost).filter(|_| matches!(kind, "2a" | "2b"))?;
    let (salt, output) = bcrypt_parts(salt, output)?;
    Some(Stored { scheme: Scheme::Bcrypt { cost, prehash }, salt, output })
}

/// `$scrypt$ln=16,r=8,p=1$salt$output`
fn read_scrypt(rest: &str) -> Option<Stored> {
    let [parameters, salt, output] = parts(rest, '$')?;
    let [ln, r, p] = parts(parameters, ',')?;
    let value = |text: &str, key: &str| text.strip_prefix(key).and_then(number);
    let decode = |text: &str| BASE64_NOPAD.decode(text.as_bytes()).ok();
    scrypt([value(ln, "ln=")?, value(r, "r=")?, value(p, "p=")?], decode(salt)?, decode(output)?, 32)
}

/// passlib's adapted Base64: `.` for `+`, no padding.
pub(super) fn ab64(bytes: &[u8]) -> String {
    BASE64_NOPAD.encode(bytes).replace('+', ".")
}

fn un_ab64(text: &str) -> Option<Vec<u8>> {
    BASE64_NOPAD.decode(text.replace('.', "+").as_bytes()).ok()
}
