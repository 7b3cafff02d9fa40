//! Mails as files, so that a newcomer without a mail server can read what they were sent.

use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
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
            let written = tokio::task::spawn_blocking(move || write_whole(&path, OWNER_ONLY, |file| file.write_all(&mail))).await;
            match written {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(MailError::Temporary(format!("the file cannot be written: {}", error.kind()))),
                Err(_) => Err(MailError::Temporary("writing the file was interrupted".to_owned())),
            }
        })
    }
}

/// What of a message's name is safe in a file's.
fn file_name(message: &str) -> String {
    message.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}
