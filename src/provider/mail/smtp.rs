//! Mails by SMTP (RFC 5321).

use std::time::Duration;

use futures_util::future::BoxFuture;
use lettre::message::Mailbox;
use lettre::transport::smtp::{Error as SmtpError, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::{Envelope, MailError, Mailer, message};

/// Longest time for one mail with its connection and all its answers; lettre itself bounds only the connecting.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Connections kept for the next mail.
const MAX_CONNECTIONS: u32 = 4;

/// Sends by a mail server.
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    timeout: Duration,
}

impl SmtpMailer {
    /// By the server at `smtps://user:password@host:465`, `smtp://user:password@host:587?tls=required`, or, without encryption,
    /// `smtp://host:25`.
    ///
    /// # Errors
    /// With what is wrong with the address; without the address, which has a password in it.
    pub fn new(url: &str, from: Mailbox) -> Result<Self, String> {
        Self::with_timeout(url, from, TIMEOUT)
    }

    /// With another longest time for one mail.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_timeout(url: &str, from: Mailbox, timeout: Duration) -> Result<Self, String> {
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|_| "expected smtps://user:password@host:465 or smtp://user:password@host:587?tls=required".to_owned())?;
        let pool = PoolConfig::new().max_size(MAX_CONNECTIONS).idle_timeout(Duration::from_secs(30));
        Ok(Self { transport: builder.timeout(Some(timeout)).pool_config(pool).build(), from, timeout })
    }
}

impl Mailer for SmtpMailer {
    fn send(&self, envelope: Envelope) -> BoxFuture<'_, Result<(), MailError>> {
        Box::pin(async move {
            let mail = message(&self.from, &envelope)?;
            match tokio::time::timeout(self.timeout, self.transport.send(mail)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) if is_refusal(&error) && self.is_spoken_to().await => Err(MailError::Permanent(reason(&error))),
                Ok(Err(error)) => Err(MailError::Temporary(reason(&error))),
                Err(_) => Err(MailError::Temporary("smtp: no answer in time".to_owned())),
            }
        })
    }
}

impl SmtpMailer {
    /// Whether the server talks to us at all. If it does not, a refusal was none of the letter.
    async fn is_spoken_to(&self) -> bool {
        matches!(tokio::time::timeout(self.timeout, self.transport.test_connection()).await, Ok(Ok(true)))
    }
}

/// Whether a server says of this recipient or this letter that it will never take it (RFC 5321, 4.2.3; RFC 7504). Every other answer of 500 and
/// more is about us: our password, our greeting, what we asked for; that can be mended, and the letter is owed still.
fn is_refusal(error: &SmtpError) -> bool {
    error.is_permanent() && error.status().is_some_and(|code| REFUSALS.contains(&u16::from(code)))
}

/// No such mailbox, not here, too large, no such name, refused content, a domain without mail.
const REFUSALS: [u16; 6] = [550, 551, 552, 553, 554, 556];

/// What went wrong, by its code: a server's text tends to repeat the address.
fn reason(error: &SmtpError) -> String {
    match error.status() {
        Some(code) => format!("smtp {code}"),
        None if error.is_timeout() => "smtp: no answer in time".to_owned(),
        None if error.is_tls() => "smtp: no encrypted connection".to_owned(),
        None if error.is_client() => "smtp: the server lacks what is asked of it".to_owned(),
        None => "smtp: no connection, or a broken one".to_owned(),
    }
}
