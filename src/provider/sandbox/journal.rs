//! The journal's file: lines that are appended and, where several processes share it, read as the others append them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Where the sandbox's books are.
#[derive(Debug, Clone)]
pub enum Journal {
    /// In a file of this process alone.
    Own(PathBuf),
    /// In a file that several processes share; it only grows.
    Shared(PathBuf),
}

/// A journal that is open.
pub(super) struct Lines {
    file: File,
    /// How far it has been read, if others write too.
    read_to: Option<u64>,
}

impl Lines {
    /// Goes on with a file that this process alone writes.
    pub(super) fn own(path: &Path) -> io::Result<Self> {
        Ok(Self { file: OpenOptions::new().append(true).open(path)?, read_to: None })
    }

    /// Opens one that others write too; nothing of it is read yet.
    pub(super) fn shared(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        Ok(Self { file, read_to: Some(0) })
    }

    /// Keeps others from writing until [`Self::leave`], and gives what they have written since.
    pub(super) fn enter(&mut self) -> io::Result<String> {
        let Some(read_to) = &mut self.read_to else { return Ok(String::new()) };
        flock(&self.file, FlockOperation::LockExclusive)?;
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(*read_to))?;
        self.file.read_to_end(&mut bytes)?;
        if bytes.last().is_some_and(|last| *last != b'\n') {
            // A process was killed in the middle of a line: it has not answered, and the next line must not grow onto it.
            self.file.write_all(b"\n")?;
            bytes.push(b'\n');
        }
        *read_to += bytes.len() as u64;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Lets others write.
    pub(super) fn leave(&self) {
        if self.read_to.is_some() {
            // It ends with the file at the latest.
            let _ = flock(&self.file, FlockOperation::Unlock);
        }
    }

    /// Appends a line, which has its end.
    pub(super) fn append(&mut self, line: &str) -> io::Result<()> {
        self.file.write_all(line.as_bytes())?;
        if let Some(read_to) = &mut self.read_to {
            *read_to += line.len() as u64;
        }
        Ok(())
    }
}
