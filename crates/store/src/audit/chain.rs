//! The hash of a row: over an encoding in which no two different rows look alike.

use palisade_model::id::UserId;
use palisade_model::{Timestamp, digest};

/// Names the encoding, so that a hash of it can be taken for nothing else.
const FORMAT: &[u8] = b"palisade-audit-1";

/// The hash that stands before the first row.
pub(crate) const GENESIS: [u8; 32] = [0; 32];

/// The public fields of a row and the commitment to its personal part.
pub(crate) struct Link<'a> {
    pub(crate) seq: i64,
    pub(crate) at: Timestamp,
    pub(crate) action: &'a str,
    pub(crate) user: Option<UserId>,
    pub(crate) tenant: Option<&'a str>,
    pub(crate) entity_type: &'a str,
    pub(crate) entity_id: &'a str,
    pub(crate) request_id: Option<&'a str>,
    pub(crate) personal: &'a [u8; 32],
}

impl Link<'_> {
    /// The row's hash behind the row whose hash is `previous`.
    pub(crate) fn hash(&self, previous: &[u8; 32]) -> [u8; 32] {
        let mut text = Vec::with_capacity(256);
        field(&mut text, Some(FORMAT));
        field(&mut text, Some(previous));
        field(&mut text, Some(&self.seq.to_be_bytes()));
        field(&mut text, Some(&self.at.as_micros().to_be_bytes()));
        field(&mut text, Some(self.action.as_bytes()));
        field(&mut text, self.user.as_ref().map(|id| id.0.as_bytes().as_slice()));
        field(&mut text, self.tenant.map(str::as_bytes));
        field(&mut text, Some(self.entity_type.as_bytes()));
        field(&mut text, Some(self.entity_id.as_bytes()));
        field(&mut text, self.request_id.map(str::as_bytes));
        field(&mut text, Some(self.personal));
        digest::sha256(&[&text])
    }
}

/// A field: 0 when there is none, else 1, its length in eight bytes (big-endian), its bytes.
fn field(text: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => text.push(0),
        Some(bytes) => {
            text.push(1);
            text.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            text.extend_from_slice(bytes);
        }
    }
}

/// The commitment to a personal part. The salt keeps anyone who has the trail alone from guessing it.
pub(crate) fn commit(salt: &[u8; 16], body: &str) -> [u8; 32] {
    digest::sha256(&[salt, body.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link<'static> {
        Link {
            seq: 7,
            at: Timestamp::from_micros(1_700_000_000_000_000),
            action: "user.created",
            user: None,
            tenant: Some("acme"),
            entity_type: "user",
            entity_id: "42",
            request_id: None,
            personal: &[9; 32],
        }
    }

    // proves: AUD-2
    #[test]
    fn moving_a_border_between_fields_changes_the_hash() {
        let whole = link().hash(&GENESIS);
        let moved = Link { entity_type: "user4", entity_id: "2", ..link() }.hash(&GENESIS);
        let gone = Link { tenant: None, request_id: Some("acme"), ..link() }.hash(&GENESIS);
        let empty = Link { tenant: Some(""), ..link() }.hash(&GENESIS);
        let none = Link { tenant: None, ..link() }.hash(&GENESIS);
        let hashes = [whole, moved, gone, empty, none, link().hash(&[1; 32])];
        let distinct: std::collections::HashSet<_> = hashes.iter().collect();
        assert_eq!(distinct.len(), hashes.len());
    }

    // proves: AUD-2
    #[test]
    fn the_format_stays_as_it_was_published() {
        let hex = data_encoding::HEXLOWER.encode(&link().hash(&GENESIS));
        assert_eq!(hex, "b36c79cf7f0c4815f963b6f694737dae3b42464ad5d5b9f425fab4494aa322c4");
        let hex = data_encoding::HEXLOWER.encode(&commit(&[1; 16], "{}"));
        assert_eq!(hex, "d355d911d2f26a54dc0366196d99e2ffef085bb9edf7a495a342ea52c2a4c2f3");
    }
}
