//! Files that are on disk when a write answers, whole or not at all: beside the old one, synced, put in its place at once.
//!
//! A crash leaves the old file, and perhaps an unfinished one beside it, which nobody reads and the next write replaces. The folder is
//! synced too: without that a power cut can take back a rename. Two writers of one path at once is for callers to rule out. Blocking.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The mode of files that may be read by whom the umask allows.
pub const BY_UMASK: u32 = 0o666;

/// The mode of files for their owner's eyes only.
pub const OWNER_ONLY: u32 = 0o600;

/// Writes the file at `path` by what `write` puts into it, and gives what `write` gave. After an error the file is what it was before,
/// except when the folder cannot be synced: then it may be either.
///
/// # Errors
/// What `write` or the file system says.
pub fn write_whole<T>(path: &Path, mode: u32, write: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<T> {
    let unfinished = unfinished(path);
    let written = fill(&unfinished, mode, write).and_then(|written| fs::rename(&unfinished, path).map(|()| written));
    if written.is_err() {
        // It may fill the disk, and is of no use; the error to tell is the first one.
        let _ = fs::remove_file(&unfinished);
        return written;
    }
    // A path of one word has an empty parent.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    written
}

/// The name of `path`'s file while it is being written.
#[must_use]
pub fn unfinished(path: &Path) -> PathBuf {
    path.with_added_extension("part")
}

fn fill<T>(path: &Path, mode: u32, write: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<T> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    let written = write(&mut file)?;
    file.sync_all()?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mail.eml");
        for text in ["a long first text", "short"] {
            let length = write_whole(&path, BY_UMASK, |file| file.write_all(text.as_bytes()).map(|()| text.len())).unwrap();
            assert_eq!((length, fs::read_to_string(&path).unwrap().as_str()), (text.len(), text));
        }
        assert_eq!(names(folder.path()), ["mail.eml"]);
    }

    #[test]
    fn while_it_is_written_the_old_file_stands_and_the_new_one_has_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mail.eml");
        fs::write(&path, "old").unwrap();
        write_whole(&path, BY_UMASK, |file| {
            file.write_all(b"new")?;
            assert_eq!(fs::read_to_string(&path)?, "old");
            assert_eq!(
                (names(folder.path()), unfinished(&path)),
                (vec!["mail.eml".to_owned(), "mail.eml.part".to_owned()], folder.path().join("mail.eml.part"))
            );
            Ok(())
        })
        .unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file_and_no_half_of_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "old").unwrap();
        let failed = write_whole(&path, BY_UMASK, |file| {
            file.write_all(b"hal")?;
            Err::<(), _>(io::Error::from(io::ErrorKind::StorageFull))
        });
        assert_eq!(failed.map_err(|error| error.kind()), Err(io::ErrorKind::StorageFull));
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), names(folder.path())), ("old", vec!["key".to_owned()]));
    }

    #[test]
    fn what_a_crash_left_unfinished_is_written_over_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(unfinished(&path), "half of something longer").unwrap();
        write_whole(&path, BY_UMASK, |file| file.write_all(b"whole")).unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), names(folder.path())), ("whole", vec!["key".to_owned()]));
    }

    #[test]
    fn a_file_for_its_owner_only_is_so_before_it_has_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        write_whole(&path, OWNER_ONLY, |_| {
            assert_eq!(mode(&unfinished(&path)), 0o600);
            Ok(())
        })
        .unwrap();
        assert_eq!(mode(&path), 0o600);
    }
}
