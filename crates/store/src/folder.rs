//! Folders for what nobody else may read: users, secrets, logs, letters.

use std::io;
use std::path::Path;

/// Makes a folder, and those above it that are missing, for the server's own user alone (0700). One that is there stays
/// as it is: its mode is its owner's matter. An empty path is the folder that we are in.
///
/// # Errors
/// When it cannot be made.
pub fn make_private(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Whether everybody on this machine may list, enter or change a folder. One that is not there is not open.
#[must_use]
pub fn is_open(folder: &Path) -> bool {
    #[cfg(unix)]
    return std::fs::metadata(folder)
        .is_ok_and(|facts| facts.is_dir() && std::os::unix::fs::MetadataExt::mode(&facts) & 0o007 != 0);
    #[cfg(not(unix))]
    return false;
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    // proves: AUD-6, POL-1
    #[test]
    fn what_we_make_is_ours_alone_and_what_is_there_keeps_its_mode() {
        let place = tempfile::tempdir().unwrap();
        let (there, made) = (place.path().join("there"), place.path().join("there/a/b"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        fs::create_dir(&there).unwrap();
        for (bits, open) in [(0o700, false), (0o750, false), (0o755, true), (0o701, true), (0o702, true)] {
            fs::set_permissions(&there, Permissions::from_mode(bits)).unwrap();
            make_private(&there).unwrap();
            assert_eq!((mode(&there), is_open(&there)), (bits, open));
        }
        make_private(&made).unwrap();
        assert_eq!((mode(&made), mode(made.parent().unwrap())), (0o700, 0o700));
        assert!(!is_open(&made) && !is_open(&place.path().join("nothing")));
        make_private(Path::new("")).unwrap();
    }
}
