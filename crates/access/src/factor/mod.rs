//! Second factors by themselves: codes of applications, recovery codes, passkeys (ID-17).

pub(crate) mod codes;
pub(crate) mod passkeys;
pub(crate) mod totp;
