//! Identifiers.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::world::{Entropy, NoEntropy, Timestamp};

/// A UUIDv7 (RFC 9562) from the given clock and dice, so that ids sort by their time of making.
///
/// # Errors
/// When there is no randomness to be had.
pub fn uuid_v7(now: Timestamp, entropy: &dyn Entropy) -> Result<Uuid, NoEntropy> {
    let mut random = [0_u8; 10];
    entropy.fill(&mut random)?;
    let millis = u64::try_from(now.as_micros().div_euclid(1000)).unwrap_or(0);
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id.
            ///
            /// # Errors
            /// When there is no randomness to be had.
            pub fn generate(now: Timestamp, entropy: &dyn Entropy) -> Result<Self, NoEntropy> {
                uuid_v7(now, entropy).map(Self)
            }

            /// The id from its usual text form.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Uuid::try_parse(text).ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    )*};
}

uuid_ids! {
    /// A user account.
    UserId;
    /// A session: names it in lists and logs. It is not the cookie's value.
    SessionId;
    /// A family of refresh tokens: all that descend from one sign-in (RFC 9700 section 4.14.2).
    FamilyId;
    /// A letter that waits to be sent.
    MailId;
    /// An opaque token: of a program, an administrator, a visitor, or for breakglass. It is not the token's text.
    KeyId;
}

/// Whose data it is. Letters, digits, `_` and `-`, at most 64.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// The tenant of that name, if it is well formed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        well_formed.then(|| Self(text.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names one request in answers, logs, audit rows and to the upstream (EDGE-4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// A new id: 128 random bits in lower-case hexadecimal.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, NoEntropy> {
        let mut bytes = [0_u8; 16];
        entropy.fill(&mut bytes)?;
        let mut text = [0_u8; 32];
        data_encoding::HEXLOWER.encode_mut(&bytes, &mut text);
        Ok(Self(std::str::from_utf8(&text).unwrap_or("-").into()))
    }

    /// What stands in an id's place when there is no randomness to be had and the request is refused for it.
    #[must_use]
    pub fn unknown() -> Self {
        Self("unknown".into())
    }

    /// An id that a trusted proxy sent: 8 to 64 letters, digits, `.`, `_` or `-`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = (8..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        well_formed.then(|| Self(text.into()))
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::SeededEntropy;

    #[test]
    fn ids_sort_by_time() {
        let dice = SeededEntropy::new(1);
        let first = UserId::generate(Timestamp::from_secs(1), &dice).unwrap();
        let second = UserId::generate(Timestamp::from_secs(2), &dice).unwrap();
        assert!(first < second);
        assert_eq!(UserId::parse(&first.to_string()), Some(first));
    }

    #[test]
    fn a_request_id_cannot_carry_a_line_break_into_a_log() {
        for bad in ["", "short", "12345678\n", "1234 5678", "12345678\u{e9}", &"a".repeat(65)] {
            assert_eq!(RequestId::parse(bad), None, "{bad:?}");
        }
        assert_eq!(RequestId::parse("req-1234.A_b").unwrap().as_str(), "req-1234.A_b");
        assert_eq!(RequestId::generate(&SeededEntropy::new(1)).unwrap().as_str().len(), 32);
    }
}
