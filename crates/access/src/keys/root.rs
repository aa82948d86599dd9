//! Where the root secret comes from: the policy, or in development a file of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use palisade_model::{Secret, Token, World};
use palisade_policy::Policy;
use palisade_policy::section::app::Deployment;
use zeroize::Zeroizing;

use super::{Root, Roots};
use crate::error::AccessError;

/// The least length of a root secret, in bytes: 256 bits (RFC 2104 section 3).
const LEAST: usize = 32;

/// The file in the data folder.
const FILE: &str = "secret.key";

/// The roots for this policy: the present one, and former ones while it rotates.
///
/// # Errors
/// In production without `identify.secret_key`, with one under 32 bytes, or when the file cannot be
/// made, is damaged, or can be read by others.
pub(crate) fn roots(policy: &Policy, world: &World) -> Result<Roots, AccessError> {
    let identify = &policy.identify;
    let present = match &identify.secret_key {
        Some(secret) => of(secret)?,
        None if policy.app.environment == Deployment::Production => return Err(AccessError::SecretMissing),
        None => from_file(&policy.store.data_dir, world)?,
    };
    let former = identify.previous_secret_keys.iter().map(of).collect::<Result<_, _>>()?;
    Ok(Roots::new(present, former))
}

fn of(secret: &Secret) -> Result<Root, AccessError> {
    let bytes = secret.expose().as_bytes();
    if bytes.len() < LEAST { Err(AccessError::SecretShort) } else { Ok(Root::new(bytes)) }
}

fn from_file(folder: &Path, world: &World) -> Result<Root, AccessError> {
    let path = folder.join(FILE);
    let failed = |source| AccessError::SecretFile { path: path.clone(), source };
    if let Some(root) = read(&path)? {
        return Ok(root);
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    make(&path, folder, world)?;
    read(&path)?.ok_or_else(|| failed(ErrorKind::NotFound.into()))
}

/// Written whole under another name and then linked, so that nobody ever reads half a secret and, of two
/// processes that start at once, the first one's stays.
fn make(path: &Path, folder: &Path, world: &World) -> Result<(), AccessError> {
    let failed = |source| AccessError::SecretFile { path: path.to_owned(), source };
    let name = Token::generate(&*world.entropy)?;
    let draft = folder.join(format!(".{FILE}.{}", name.expose().get(..8).unwrap_or_default()));
    let mut bytes = Zeroizing::new([0_u8; LEAST]);
    world.entropy.fill(bytes.as_mut())?;
    let text = Zeroizing::new(format!("{}\n", BASE64URL_NOPAD.encode(bytes.as_ref())));
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(failed)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    fs::remove_file(&draft).and(linked).map_err(failed)
}

fn read(path: &Path) -> Result<Option<Root>, AccessError> {
    let failed = |source| AccessError::SecretFile { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // Asked of the open file, so that it cannot be exchanged in between.
    if file.metadata().map_err(failed)?.mode() & 0o077 != 0 {
        return Err(AccessError::SecretExposed { path: path.to_owned() });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(1024).read_to_string(&mut text).map_err(failed)?;
    // The text is the secret, as it is when the policy names this file: a store goes on where it began.
    let text = text.trim_end().as_bytes();
    let bytes = BASE64URL_NOPAD.decode(text).map(Zeroizing::new);
    match bytes {
        Ok(bytes) if bytes.len() >= LEAST => Ok(Some(Root::new(text))),
        _ => Err(failed(ErrorKind::InvalidData.into())),
    }
}

/// What `error` says, or what to do about it when a secret that was made here is the one that is missing.
pub(crate) fn explain(error: AccessError, policy: &Policy) -> AccessError {
    let path = policy.store.data_dir.join(FILE);
    match error {
        AccessError::Seal { .. } if policy.identify.secret_key.is_some() && path.is_file() => {
            AccessError::SealedByFile { path }
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_model::Timestamp;
    use std::os::unix::fs::PermissionsExt;

    // proves: POL-1
    #[test]
    fn the_file_is_made_once_for_its_owner_alone_and_refused_when_others_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let (world, _) = World::still(Timestamp::from_secs(1));
        let first = from_file(&data, &world).unwrap();
        let second = from_file(&data, &world).unwrap();
        assert_eq!(first.derive("x").expose(), second.derive("x").expose());
        let path = data.join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1, "no draft is left behind");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(from_file(&data, &world), Err(AccessError::SecretExposed { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short\n").unwrap();
        assert!(matches!(from_file(&data, &world), Err(AccessError::SecretFile { .. })));
    }

    #[test]
    fn of_two_that_start_at_once_both_have_the_same_secret() {
        let folder = tempfile::tempdir().unwrap();
        let keys: Vec<[u8; 32]> = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..8)
                .map(|_| {
                    let data = folder.path();
                    scope.spawn(move || *from_file(data, &World::real()).unwrap().derive("x").expose())
                })
                .collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
