//! Mail: the seam, and two ways to send: SMTP, or files in the data folder.
//!
//! A mailer says whether an error passes: a mail that is refused for good is not tried again. What it says of an error goes into the job table
//! and the log, so it holds a code and never an address or what a server wrote.

mod file;
mod smtp;

use std::time::{Duration, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use latchkey_protocol::EpochMs;
use lettre::message::header::ContentTransferEncoding;
use lettre::message::{Body, Mailbox, SinglePart};
use lettre::{Address, Message};

pub use file::FileMailer;
pub use smtp::SmtpMailer;

use crate::domain::mail::Letter;

/// A letter on its way.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// What to whom.
    pub letter: Letter,
    /// Names this letter, however often it is sent: the first part of its Message-ID, by which a mail program recognises a duplicate.
    pub message: String,
    /// Its date.
    pub at: EpochMs,
}

/// A letter was not sent, or not known to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// It may be taken later.
    #[error("not now: {0}")]
    Temporary(String),
    /// It will never be taken.
    #[error("refused: {0}")]
    Permanent(String),
}

/// Sends letters. Sending one again sends it twice.
pub trait Mailer: Send + Sync + 'static {
    /// Hands the letter on; when this is `Ok`, somebody else has taken the responsibility for it.
    fn send(&self, envelope: Envelope) -> BoxFuture<'_, Result<(), MailError>>;

    /// Removes what this mailer itself keeps of letters dated before an instant; gives how many they were. Most keep none.
    fn forget_before(&self, at: EpochMs) -> BoxFuture<'_, Result<usize, MailError>> {
        let _ = at;
        Box::pin(async { Ok(0) })
    }
}

/// The sender's address as it was configured, such as `Latchkey <no-reply@example.org>`.
///
/// # Errors
/// With what is wrong with it.
pub fn parse_sender(text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|error| format!("not a mail address: {error}"))
}

/// Whether a letter can be addressed so: a mailer refuses every other one for good.
#[must_use]
pub fn is_address(text: &str) -> bool {
    text.parse::<Address>().is_ok()
}

/// The letter as RFC 5322 has it.
fn message(from: &Mailbox, envelope: &Envelope) -> Result<Message, MailError> {
    let refuse = |what: &str| MailError::Permanent(what.to_owned());
    let Letter { to, subject, text } = &envelope.letter;
    // A line break in a header would begin another one. lettre refuses or encodes it; this does not rely on that.
    if [to, subject, &envelope.message].iter().any(|field| field.chars().any(char::is_control)) {
        return Err(refuse("a control character in a header"));
    }
    let to: Address = to.parse().map_err(|_| refuse("the address is not one"))?;
    let at = UNIX_EPOCH + Duration::from_millis(u64::try_from(envelope.at).unwrap_or(0));
    let id = format!("<{}@{}>", envelope.message, from.email.domain());
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(subject.as_str())
        .date(at)
        .message_id(Some(id))
        .singlepart(SinglePart::builder().header(lettre::message::header::ContentType::TEXT_PLAIN).body(body(text)))
        .map_err(|_| refuse("the letter cannot be written"))
}

/// The text, left as it is where that is allowed: a link must not be broken up in the file that a newcomer reads, as lettre's own choice
/// would from 76 characters on.
fn body(text: &str) -> Body {
    // RFC 5322, 2.1.1.
    const LONGEST_LINE: usize = 998;
    if text.is_ascii() && text.lines().all(|line| line.len() <= LONGEST_LINE && !line.contains('\r')) {
        let lines: String = text.lines().flat_map(|line| [line, "\r\n"]).collect();
        return Body::dangerous_pre_encoded(lines.into_bytes(), ContentTransferEncoding::SevenBit);
    }
    Body::new(text.to_owned())
}
