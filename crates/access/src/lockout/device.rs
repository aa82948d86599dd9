//! The cookie of a device that signed in before (LIMIT-8): what a stranger's failures cannot take away.
//!
//! It lets nobody in. It only moves attempts on an account that signed in there before into a count of their own.
//! One cookie knows a few accounts, for people who share a device: `ID.MARK.MARK`, in base64url. A mark binds the
//! device's id to one account and its present password, for a year.

use data_encoding::BASE64URL_NOPAD;
use palisade_model::world::NoEntropy;
use palisade_model::{Entropy, Secret, Timestamp, digest};
use palisade_store::User;

use crate::keys::Key;

/// Accounts that one device is known to at most.
const MOST: usize = 4;

/// How long a device is known after its last sign-in, in days.
const DAYS: u32 = 365;

const DAY: i64 = 86_400;

/// What names a device: random, and the same for all of its accounts.
pub(crate) type DeviceId = [u8; 16];

/// The day of a sign-in, and what proves it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Mark {
    day: u32,
    proof: [u8; 16],
}

/// A device's cookie, read. Nothing in it is believed before [`Devices::known`] says so.
struct Shown {
    id: DeviceId,
    marks: Vec<Mark>,
}

/// Makes and reads devices' cookies.
pub(crate) struct Devices(Vec<Key>);

impl Devices {
    /// From the present key, and former ones by which devices are known still.
    pub(crate) fn new(keys: Vec<Key>) -> Self {
        Self(keys)
    }

    /// The device, if it is known to have signed in to this account since its password was set.
    pub(crate) fn known(&self, shown: &Secret, user: &User, now: Timestamp) -> Option<DeviceId> {
        let shown = read(shown.expose())?;
        let fresh = |mark: &Mark| mark.day <= today(now) && today(now) - mark.day < DAYS;
        let genuine = |shown_mark: &Mark| {
            let mut ours = self.0.iter().map(|key| mark(key, &shown.id, user, shown_mark.day));
            ours.any(|ours| digest::equal(&ours.proof, &shown_mark.proof))
        };
        shown.marks.iter().any(|mark| fresh(mark) && genuine(mark)).then_some(shown.id)
    }

    /// Whether this has the form of such a cookie, which is short.
    pub(crate) fn reads(&self, shown: &Secret) -> bool {
        read(shown.expose()).is_some()
    }

    /// The cookie of a device on which `user` has just signed in.
    pub(crate) fn welcome(
        &self,
        shown: Option<&Secret>,
        user: &User,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Secret, NoEntropy> {
        let shown = match shown.and_then(|shown| read(shown.expose())) {
            Some(shown) => shown,
            None => {
                let mut id = [0; 16];
                entropy.fill(&mut id)?;
                Shown { id, marks: Vec::new() }
            }
        };
        let own = |shown_mark: &Mark| {
            self.0.iter().any(|key| mark(key, &shown.id, user, shown_mark.day) == *shown_mark)
        };
        let others = shown.marks.iter().copied().filter(|mark| !own(mark));
        let new = self.0.first().map(|key| mark(key, &shown.id, user, today(now)));
        let marks = new.into_iter().chain(others).take(MOST);
        let mut text = BASE64URL_NOPAD.encode(&shown.id);
        for mark in marks {
            text.push('.');
            text.push_str(&BASE64URL_NOPAD.encode(&[&mark.day.to_be_bytes()[..], &mark.proof].concat()));
        }
        Ok(Secret::new(text))
    }
}

fn mark(key: &Key, id: &DeviceId, user: &User, day: u32) -> Mark {
    let era = user.password_at.map_or(0, Timestamp::as_micros).to_be_bytes();
    let parts: [&[u8]; 4] = [id, user.id.0.as_bytes(), &era, &day.to_be_bytes()];
    let whole = digest::hmac_sha256(key.expose(), &parts);
    let mut proof = [0; 16];
    for (to, from) in proof.iter_mut().zip(whole) {
        *to = from;
    }
    Mark { day, proof }
}

fn today(now: Timestamp) -> u32 {
    u32::try_from(now.as_secs().div_euclid(DAY)).unwrap_or(0)
}

fn read(text: &str) -> Option<Shown> {
    let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).ok();
    let mut parts = text.split('.').take(MOST + 1);
    let id = decode(parts.next()?)?.try_into().ok()?;
    let marks = parts.map(|part| {
        let bytes = decode(part)?;
        let (day, proof) = bytes.split_first_chunk::<4>()?;
        Some(Mark { day: u32::from_be_bytes(*day), proof: proof.try_into().ok()? })
    });
    Some(Shown { id, marks: marks.collect::<Option<_>>()? })
}

#[cfg(test)]
mod tests {
    use palisade_model::World;
    use palisade_model::id::UserId;

    use super::*;
    use crate::keys::Root;

    struct Scene {
        devices: Devices,
        world: World,
    }

    impl Scene {
        fn new() -> Self {
            let (world, _) = World::still(Timestamp::from_secs(1_790_000_000));
            Self { devices: Devices::new(vec![Root::new(b"x").derive("device")]), world }
        }

        fn user(&self, name: &str) -> User {
            User {
                id: UserId::generate(self.world.now(), &*self.world.entropy).unwrap(),
                name: name.into(),
                email: None,
                email_verified_at: None,
                tenant: None,
                roles: Vec::new(),
                password: None,
                password_at: Some(Timestamp::from_secs(5)),
                enabled: true,
                created_at: self.world.now(),
            }
        }

        fn welcome(&self, shown: Option<&Secret>, user: &User) -> Secret {
            self.devices.welcome(shown, user, self.world.now(), &*self.world.entropy).unwrap()
        }

        fn knows(&self, shown: &Secret, user: &User) -> bool {
            self.devices.known(shown, user, self.world.now()).is_some()
        }
    }

    // proves: LIMIT-8
    #[test]
    fn a_device_is_known_to_its_accounts_alone_until_the_password_changes_or_a_year_has_passed() {
        let scene = Scene::new();
        let (eva, otto) = (scene.user("eva"), scene.user("otto"));
        let shown = scene.welcome(None, &eva);
        assert!(scene.knows(&shown, &eva) && !scene.knows(&shown, &otto));
        let changed = User { password_at: Some(Timestamp::from_secs(6)), ..eva.clone() };
        assert!(!scene.knows(&shown, &changed));
        for (days, known) in [(-1, false), (364, true), (365, false)] {
            let at = Timestamp::from_secs(scene.world.now().as_secs() + days * DAY);
            assert_eq!(scene.devices.known(&shown, &eva, at).is_some(), known, "{days}");
        }
    }

    // proves: LIMIT-8
    #[test]
    fn people_who_share_a_device_do_not_push_each_other_out_and_it_stays_one_device() {
        let scene = Scene::new();
        let people: Vec<User> = ["a", "b", "c", "d", "e"].iter().map(|name| scene.user(name)).collect();
        let mut shown = scene.welcome(None, &people[0]);
        let id = scene.devices.known(&shown, &people[0], scene.world.now());
        for user in people.iter().chain(&people[3..]) {
            shown = scene.welcome(Some(&shown), user);
            assert_eq!(scene.devices.known(&shown, user, scene.world.now()), id);
            assert!(shown.expose().len() <= 22 + MOST * 28);
        }
        let known: Vec<bool> = people.iter().map(|user| scene.knows(&shown, user)).collect();
        assert_eq!(known, [false, true, true, true, true]);
    }

    // proves: LIMIT-8
    #[test]
    fn nothing_that_is_altered_or_made_up_is_known() {
        let scene = Scene::new();
        let eva = scene.user("eva");
        let shown = scene.welcome(None, &eva);
        let (id, mark) = shown.expose().split_once('.').unwrap();
        for place in 0..shown.expose().len() {
            let mut bytes = shown.expose().as_bytes().to_vec();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let altered = Secret::new(String::from_utf8(bytes).unwrap());
            // The last character of a group has bits that stand for nothing: strict decoding refuses other ones.
            assert!(!scene.knows(&altered, &eva), "{place}");
        }
        let stranger = scene.welcome(None, &scene.user("mallory"));
        let (other, _) = stranger.expose().split_once('.').unwrap();
        for forged in [
            "",
            ".",
            id,
            &format!("{other}.{mark}"),
            &format!("{id}."),
            &format!("{id}.{mark}x"),
            &"A.".repeat(5000),
        ] {
            assert!(!scene.knows(&Secret::new(forged), &eva), "{forged:.60}");
        }
    }
}
