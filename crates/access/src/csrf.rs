//! CSRF tokens (CSRF-2): stateless, bound to the session, dead with it.
//!
//! Two forms, both made from the session's stored digest with a key derived from the root secret, so
//! that they survive a restart and need no storage:
//!
//! - the *field*: 32 random bytes and the code XORed with them. Each page shows other bytes, so that a
//!   compressed page does not give the code away (BREACH);
//! - the *cookie* of the signed double submit, the same during the whole session, made with another label.

use data_encoding::BASE64URL_NOPAD;
use palisade_model::World;
use palisade_model::digest::{equal, hmac_sha256};
use palisade_model::world::NoEntropy;

use crate::keys::{Key, Roots};
use crate::principal::Principal;

const HALF: usize = 32;

/// Makes and checks CSRF tokens.
pub(crate) struct Csrf {
    key: Key,
    /// Of former root secrets: tokens on pages that are open still pass.
    former: Vec<Key>,
}

impl Csrf {
    pub(crate) fn new(roots: &Roots) -> Self {
        let mut keys = roots.derive_all("csrf");
        let former = keys.split_off(1.min(keys.len()));
        Self { key: roots.derive("csrf"), former }
    }

    /// A token for a form or a meta tag: 86 characters of base64url, other ones on each call.
    pub(crate) fn field(&self, principal: &Principal, world: &World) -> Result<String, NoEntropy> {
        let mut bytes = [0_u8; 2 * HALF];
        let (mask, masked) = bytes.split_at_mut(HALF);
        world.entropy.fill(mask)?;
        masked.copy_from_slice(&code(&self.key, b"field", principal.binding()));
        xor(masked, mask);
        Ok(BASE64URL_NOPAD.encode(&bytes))
    }

    /// The readable cookie's value: 43 characters of base64url.
    pub(crate) fn cookie(&self, principal: &Principal) -> String {
        BASE64URL_NOPAD.encode(&code(&self.key, b"cookie", principal.binding()))
    }

    /// Whether `presented` is one of this principal's tokens, in a time that does not tell how much of
    /// it was right.
    pub(crate) fn accepts(&self, principal: &Principal, presented: &str) -> bool {
        let Ok(mut bytes) = BASE64URL_NOPAD.decode(presented.as_bytes()) else { return false };
        let field = match bytes.len() {
            HALF => false,
            len if len == 2 * HALF => true,
            _ => return false,
        };
        if field {
            let (mask, masked) = bytes.split_at_mut(HALF);
            xor(masked, mask);
        }
        let shown = bytes.get(bytes.len() - HALF..).unwrap_or_default();
        let label: &[u8] = if field { b"field" } else { b"cookie" };
        // Every key is tried, so that the time does not tell which.
        let keys = std::iter::once(&self.key).chain(&self.former);
        let bindings = std::iter::once(principal.binding()).chain(principal.former_binding());
        keys.flat_map(|key| bindings.clone().map(move |binding| code(key, label, binding)))
            .fold(false, |found, code| equal(shown, &code) | found)
    }
}

fn code(key: &Key, label: &[u8], binding: &[u8; 32]) -> [u8; HALF] {
    hmac_sha256(key.expose(), &[label, binding])
}

fn xor(into: &mut [u8], with: &[u8]) {
    for (byte, mask) in into.iter_mut().zip(with) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{Root, Roots};
    use palisade_model::Timestamp;

    // proves: CSRF-2
    #[test]
    fn a_field_does_not_hold_the_cookie_under_its_mask() {
        let (world, _) = World::still(Timestamp::from_secs(1));
        let csrf = Csrf::new(&Roots::new(Root::new(b"root"), Vec::new()));
        let principal = Principal::for_tests(&world);
        let mut field = BASE64URL_NOPAD.decode(csrf.field(&principal, &world).unwrap().as_bytes()).unwrap();
        let (mask, masked) = field.split_at_mut(HALF);
        xor(masked, mask);
        assert_ne!(BASE64URL_NOPAD.encode(masked), csrf.cookie(&principal));
        assert!(!csrf.accepts(&principal, &BASE64URL_NOPAD.encode(masked)), "the bare code is no token");
    }
}
