//! One process for a data folder: a lock that ends with the process, however it ends.

use std::fs::File;
use std::path::Path;

use anyhow::Context as _;
use rustix::fs::{FlockOperation, flock};

/// Held for as long as the folder is used.
pub(super) struct FolderLock(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

impl FolderLock {
    /// Takes the folder for this process.
    pub(super) fn take(data: &Path) -> anyhow::Result<Self> {
        let path = data.join(".lock");
        let file = File::options().create(true).append(true).open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .with_context(|| format!("a hub is running on {}: stop it first", data.display()))?;
        Ok(Self(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_belongs_to_one_at_a_time() {
        let data = tempfile::tempdir().unwrap();
        let held = FolderLock::take(data.path()).unwrap();
        let refused = FolderLock::take(data.path()).err().unwrap().to_string();
        assert!(refused.contains("a hub is running on"), "{refused}");
        drop(held);
        FolderLock::take(data.path()).unwrap();
    }
}
