//! Mails as files, so that a newcomer without a mail server can read what they were sent.

use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use latchkey_protocol::EpochMs;
use lettre::message::Mailbox;

use super::{Envelope, MailError, Mailer, message};
use crate::durable::{OWNER_ONLY, write_whole};

/// Writes each mail to a file of its own, `<milliseconds>-<message>.eml`, which sorts by time; for the owner's eyes only, since it may hold a
/// one-use token.
pub struct FileMailer {
    folder: Arc<Path>,
    from: Mailbox,
}

impl FileMailer {
    /// Into this folder, which is made if it is not there.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new(folder: PathBuf, from: Mailbox) -> std::io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Self { folder: folder.into(), from })
    }
}

impl Mailer for FileMailer {
    fn send(&self, envelope: Envelope) -> BoxFuture<'_, Result<(), MailError>> {
        Box::pin(async move {
            let mail = message(&self.from, &envelope)?.formatted();
            let path = self.folder.join(format!("{:013}-{}.eml", envelope.at, file_name(&envelope.message)));
            blocking(move || write_whole(&path, OWNER_ONLY, |file| file.write_all(&mail))).await
        })
    }

    fn forget_before(&self, at: EpochMs) -> BoxFuture<'_, Result<usize, MailError>> {
        let folder = Arc::clone(&self.folder);
        Box::pin(blocking(move || remove_before(&folder, at)))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T, MailError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| MailError::Temporary(format!("the folder of mails: {}", error.kind()))),
        Err(_) => Err(MailError::Temporary("the folder of mails: interrupted".to_owned())),
    }
}

/// Removes our files, finished or not, whose names begin with an earlier instant, and no others.
fn remove_before(folder: &Path, at: EpochMs) -> std::io::Result<usize> {
    let mut removed = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_mail = path.extension().is_some_and(|extension| extension == "eml" || extension == "part");
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let written_at = name.split_once('-').and_then(|(instant, _)| instant.parse::<EpochMs>().ok());
        if is_mail && written_at.is_some_and(|written_at| written_at < at) {
            std::fs::remove_file(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// What of a message's name is safe in a file's.
fn file_name(message: &str) -> String {
    message.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}
