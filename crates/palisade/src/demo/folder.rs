//! A folder for one run, that nobody else can read and that is gone afterwards.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use palisade_model::{RequestId, World};

/// Removed with all that is in it when dropped.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn make() -> anyhow::Result<Self> {
        let name = RequestId::generate(World::real().entropy.as_ref()).context("no random bytes")?;
        let path = std::env::temp_dir().join(format!("palisade-demo-{name}"));
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
