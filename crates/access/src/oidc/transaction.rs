//! What a sign-in elsewhere leaves in the browser that began it, sealed.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use palisade_model::digest::hmac_sha256;
use palisade_model::{Timestamp, World};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::AccessError;
use crate::keys::{Key, Roots, seal};

/// How long somebody may take at the provider.
pub(crate) const LIFE: Duration = Duration::from_secs(10 * 60);

const NAME: &str = "oidc transaction";

/// The name of what is kept for a sign-out there.
const HINT: &str = "oidc sign-out";

/// Under which its key is derived.
const LABEL: &str = "oidc";

/// A sign-in that is under way. Holds secrets, hence no `Debug`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Transaction {
    /// At which provider it began: an answer of another counts for nothing (mix-up, RFC 9700 section 4.4).
    pub(crate) provider: String,
    /// What the ID token has to repeat.
    pub(crate) nonce: String,
    /// What proves that the code is ours to use (RFC 7636).
    pub(crate) verifier: String,
    /// Where to go on: a path of this site.
    pub(crate) next: Option<String>,
    /// The session that the browser had: digest of its cookie, which does not come along from another site.
    pub(crate) former: Option<[u8; 32]>,
    /// The cookie by which the device is known, which does not come along either (LIMIT-8).
    pub(crate) device: Option<String>,
    /// Whether the account elsewhere is to be linked to that session's user.
    pub(crate) linking: bool,
    /// When it ends.
    pub(crate) expires_at: i64,
}

/// Seals transactions, each under a key of its own that is made of its state: a cookie opens with the state that it
/// was made with and with no other, and no key ever seals twice.
pub(crate) struct Sealer {
    /// The present one first; former ones for whoever is under way while the root secret changes.
    keys: Vec<Key>,
}

impl Sealer {
    pub(crate) fn new(roots: &Roots) -> Self {
        Self { keys: roots.derive_all(LABEL) }
    }

    fn under(root: &Key, state: &str) -> Key {
        Key::new(hmac_sha256(root.expose(), &[state.as_bytes()]))
    }

    /// The cookie's value.
    pub(crate) fn seal(
        &self,
        state: &str,
        transaction: &Transaction,
        world: &World,
    ) -> Result<String, AccessError> {
        let text = serde_json::to_vec(transaction).map(Zeroizing::new);
        let text = text.map_err(|_| AccessError::Seal { name: NAME.to_owned() })?;
        let present = self.keys.first().ok_or_else(|| AccessError::Seal { name: NAME.to_owned() })?;
        Ok(BASE64URL_NOPAD.encode(&seal::seal(&Self::under(present, state), NAME, &text, world)?))
    }

    /// A secret that rests in the store for as long as a session, under a key that is made of what it belongs to.
    pub(crate) fn seal_for(&self, whose: &str, secret: &[u8], world: &World) -> Result<Vec<u8>, AccessError> {
        let present = self.keys.first().ok_or_else(|| AccessError::Seal { name: HINT.to_owned() })?;
        seal::seal(&Self::under(present, whose), HINT, secret, world)
    }

    /// What [`seal_for`](Self::seal_for) was given for the same.
    pub(crate) fn open_for(&self, whose: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.keys.iter().find_map(|key| seal::open(&Self::under(key, whose), HINT, sealed).ok())
    }

    /// What shows that this site sent somebody away until then; [`sent`](Self::sent) knows it again.
    pub(crate) fn state(&self, until: Timestamp) -> Option<String> {
        self.keys.first().map(|key| state_under(key, until.as_secs()))
    }

    /// Whether this site made that state, and its time is not over.
    pub(crate) fn sent(&self, state: &str, now: Timestamp) -> bool {
        let until = state.split_once('.').and_then(|(until, _)| until.parse::<i64>().ok());
        until.is_some_and(|until| {
            let own = |key: &Key| {
                palisade_model::digest::equal(state_under(key, until).as_bytes(), state.as_bytes())
            };
            now <= Timestamp::from_secs(until) && self.keys.iter().any(own)
        })
    }

    /// The transaction of that cookie and state; `None` when they do not belong together or its time is over.
    pub(crate) fn open(&self, state: &str, cookie: &str, now: Timestamp) -> Option<Transaction> {
        let sealed = BASE64URL_NOPAD.decode(cookie.as_bytes()).ok()?;
        let text =
            self.keys.iter().find_map(|key| seal::open(&Self::under(key, state), NAME, &sealed).ok())?;
        let transaction: Transaction = serde_json::from_slice(&text).ok()?;
        (now < Timestamp::from_micros(transaction.expires_at)).then_some(transaction)
    }
}

/// Under a key of its own: a state of a sign-out is seen by others, and must open no transaction.
fn state_under(root: &Key, until: i64) -> String {
    let key = Sealer::under(root, "signed out");
    let tag = hmac_sha256(key.expose(), &[&until.to_be_bytes()]);
    format!("{until}.{}", BASE64URL_NOPAD.encode(&tag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Root;

    // proves: ID-6
    #[test]
    fn a_cookie_opens_with_its_own_state_in_its_time_and_unbent() {
        let (world, clock) = World::still(Timestamp::from_secs(1_700_000_000));
        let sealer = Sealer::new(&Roots::new(Root::new(b"root"), Vec::new()));
        let transaction = Transaction {
            provider: "google".into(),
            nonce: "n-0nce".into(),
            verifier: "v3rifier".into(),
            next: Some("/orders".into()),
            former: Some([7; 32]),
            device: Some("device".into()),
            linking: true,
            expires_at: world.now().plus(LIFE).as_micros(),
        };
        let cookie = sealer.seal("state-1", &transaction, &world).unwrap();
        let plain = BASE64URL_NOPAD.decode(cookie.as_bytes()).unwrap();
        assert!(!plain.windows(8).any(|part| part == b"v3rifier"));
        let opened = sealer.open("state-1", &cookie, world.now()).unwrap();
        assert_eq!(
            (opened.provider.as_str(), opened.former, opened.linking),
            ("google", Some([7; 32]), true)
        );
        assert!(sealer.open("state-2", &cookie, world.now()).is_none(), "the state of another browser");
        assert!(sealer.open("", &cookie, world.now()).is_none());
        let bent = cookie.replace(cookie.get(20..21).unwrap(), "_");
        assert!(sealer.open("state-1", &bent, world.now()).is_none() || bent == cookie);
        let former = vec![Root::new(b"root")];
        let next = Sealer::new(&Roots::new(Root::new(b"other"), former));
        assert!(next.open("state-1", &cookie, world.now()).is_some(), "the root secret changed meanwhile");
        let other = Sealer::new(&Roots::new(Root::new(b"other"), Vec::new()));
        assert!(other.open("state-1", &cookie, world.now()).is_none());
        clock.advance(LIFE);
        assert!(sealer.open("state-1", &cookie, world.now()).is_none(), "ten minutes are over");
    }

    // The state of a sign-out stands in addresses at the provider: it must not be a key to anything.
    // proves: ID-6
    #[test]
    fn whoever_sees_the_state_of_a_sign_out_cannot_forge_a_transaction() {
        let (world, _) = World::still(Timestamp::from_secs(1_700_000_000));
        let sealer = Sealer::new(&Roots::new(Root::new(b"root"), Vec::new()));
        let forged = Transaction {
            provider: "google".into(),
            nonce: "n".into(),
            verifier: "v".into(),
            next: None,
            former: Some([7; 32]),
            device: None,
            linking: true,
            expires_at: world.now().plus(LIFE).as_micros(),
        };
        let text = serde_json::to_vec(&forged).unwrap();
        let now = world.now().as_secs();
        // One of some hundred seconds makes a text of the bytes.
        let until = (now..now + 100_000).find(|at| at.to_be_bytes().iter().all(u8::is_ascii)).unwrap();
        let seen = sealer.state(Timestamp::from_secs(until)).unwrap();
        assert!(sealer.sent(&seen, world.now()) && !sealer.sent(&seen.replace('.', ".A"), world.now()));
        let tag = BASE64URL_NOPAD.decode(seen.split_once('.').unwrap().1.as_bytes()).unwrap();
        let key = Key::new(tag.try_into().unwrap());
        let cookie = BASE64URL_NOPAD.encode(&seal::seal(&key, NAME, &text, &world).unwrap());
        let bytes = String::from_utf8(until.to_be_bytes().to_vec()).unwrap();
        for state in [format!("signed out{bytes}"), bytes, seen] {
            assert!(sealer.open(&state, &cookie, world.now()).is_none(), "{state:?}");
        }
    }
}
