//! Photo files, beside the database: one a photo, named by its id, written once.
//!
//! A file is there before the change set that names it, and goes after the one that forgets it; so what is named is there, and what a crash
//! leaves behind is an orphan, which a sweep removes. Only `service::photos` uses this.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::error::StoreError;
use crate::domain::PhotoId;
use crate::durable::{BY_UMASK, unfinished, write_whole};

/// The folder of photos.
#[derive(Debug, Clone)]
pub struct PhotoFiles {
    dir: PathBuf,
}

impl PhotoFiles {
    /// In that folder, made if it is not there.
    ///
    /// # Errors
    /// `Unavailable` with the reason.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir).map_err(|error| unavailable(&error))?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// Writes a file, whole or not at all; when this answers, it is on disk.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn put(&self, id: PhotoId, bytes: Bytes) -> Result<(), StoreError> {
        let path = self.path(id);
        blocking(move || write_whole(&path, BY_UMASK, |file| file.write_all(&bytes))).await
    }

    /// A file's bytes.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn get(&self, id: PhotoId) -> Result<Option<Bytes>, StoreError> {
        let path = self.path(id);
        blocking(move || match std::fs::read(path) {
            Ok(bytes) => Ok(Some(Bytes::from(bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    /// Removes a file; one that is not there is as good as removed.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn remove(&self, id: PhotoId) -> Result<(), StoreError> {
        let path = self.path(id);
        blocking(move || {
            for path in [unfinished(&path), path] {
                match std::fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    Ok(()) | Err(_) => {}
                }
            }
            Ok(())
        })
        .await
    }

    /// The id of every file, finished or not, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn ids(&self) -> Result<Vec<PhotoId>, StoreError> {
        let dir = self.dir.clone();
        blocking(move || {
            let mut ids = Vec::new();
            for entry in std::fs::read_dir(dir)? {
                let path = entry?.path();
                let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
                ids.extend(name.parse::<PhotoId>().ok());
            }
            ids.sort_unstable();
            ids.dedup();
            Ok(ids)
        })
        .await
    }

    fn path(&self, id: PhotoId) -> PathBuf {
        self.dir.join(id.to_string())
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| unavailable(&error))?;
    done.map_err(|error| unavailable(&error))
}

fn unavailable(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("photos: {error}"))
}
