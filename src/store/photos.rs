//! Photo files, beside the database: one a photo, named by its id, written once.
//!
//! A file is there before the change set that names it, and goes after the one that forgets it; so what is named is there, and what a crash
//! leaves behind is an orphan, which a sweep removes. Only `service::photos` uses this.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::{Stream, stream};

use super::error::StoreError;
use crate::domain::PhotoId;
use crate::durable::{BY_UMASK, unfinished, write_whole};

/// Bytes of a file that are in memory for each of its readers.
const CHUNK_BYTES: usize = 128 * 1024;

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

    /// The first bytes of a file and its length in bytes.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn beginning(&self, id: PhotoId) -> Result<Option<(Bytes, u64)>, StoreError> {
        let path = self.path(id);
        blocking(move || match File::open(path) {
            Ok(file) => Ok(Some((chunk_at(&file, 0)?, file.metadata()?.len()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    /// A file from `offset` on, a chunk at a time. Between two chunks nothing is held, neither bytes nor an open file: whoever reads slowly,
    /// or not at all, costs as little as a socket.
    pub fn rest(&self, id: PhotoId, offset: u64) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + Sync + use<> {
        let path = self.path(id);
        stream::try_unfold(offset, move |offset| {
            let path = path.clone();
            async move {
                let chunk = blocking(move || chunk_at(&File::open(path)?, offset)).await?;
                let next = offset + chunk.len() as u64;
                Ok((!chunk.is_empty()).then_some((chunk, next)))
            }
        })
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

/// The bytes of a file from `offset` on: a chunk, less at its end, nothing behind it.
fn chunk_at(file: &File, offset: u64) -> io::Result<Bytes> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut filled = 0;
    while filled < chunk.len() {
        match file.read_at(&mut chunk[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    chunk.truncate(filled);
    Ok(chunk.into())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| unavailable(&error))?;
    done.map_err(|error| unavailable(&error))
}

fn unavailable(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("photos: {error}"))
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;

    use super::*;

    #[tokio::test]
    async fn p10_a_file_is_read_a_chunk_at_a_time_and_comes_out_whole() {
        let dir = tempfile::tempdir().unwrap();
        let files = PhotoFiles::open(dir.path()).unwrap();
        for (number, length) in [(1, 0), (2, 1), (3, CHUNK_BYTES), (4, CHUNK_BYTES + 1), (5, 3 * CHUNK_BYTES + 7)] {
            let id = PhotoId::from_bytes([number; 16]);
            let bytes: Bytes = (0..=250).cycle().take(length).collect();
            files.put(id, bytes.clone()).await.unwrap();
            let (first, whole) = files.beginning(id).await.unwrap().unwrap();
            assert_eq!((first.len(), whole), (length.min(CHUNK_BYTES), length as u64));
            let rest: Vec<Bytes> = files.rest(id, first.len() as u64).try_collect().await.unwrap();
            assert!(rest.iter().all(|chunk| chunk.len() <= CHUNK_BYTES), "{length}");
            assert!([first].iter().chain(&rest).flatten().eq(&bytes), "{length}");
        }
        assert_eq!(files.beginning(PhotoId::from_bytes([9; 16])).await.unwrap(), None);
    }
}
