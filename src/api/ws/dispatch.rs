//! Domain commands: each is read, given a task of its own, and answered when the service has.
//!
//! A task, because a client that hangs up must cancel nothing half-way, and because commands on different homes need not
//! wait for each other. Their number per connection is bounded by not reading further (`Session::is_ready`).

use std::future::Future;
use std::sync::Arc;

use latchkey_protocol::client::{AskQuote, BookHold, BookingRef, Command, HoldDates, HoldRef, Pay, ReadMessages, SendMessage};
use latchkey_protocol::{CloseCode, WireError, rest};
use serde::Serialize;

use super::answer::Answer;
use super::error;
use super::parse::{self, RawEnvelope};
use super::session::Session;
use crate::service::{Caller, IdempotencyKey, ServiceError};

impl Session {
    /// Starts a domain command. Only those reach this (see `Session::run`), so the other names have nothing to do here.
    pub(super) fn dispatch(&self, command: Command, envelope: &RawEnvelope<'_>) -> Result<(), WireError> {
        let (id, data) = (envelope.id, envelope.data);
        let services = Arc::clone(&self.edge.services);
        let change = || Ok::<_, WireError>((self.caller_of(command)?, key(envelope)?));
        match command {
            Command::Quote => {
                let (viewer, ask) = (self.connection.caller().map(|caller| caller.user), parse::data::<AskQuote>(data)?);
                self.start(id, async move { services.bookings.quote(viewer, ask).await });
            }
            Command::Hold => {
                let ((caller, key), ask) = (change()?, parse::data::<HoldDates>(data)?);
                self.start(id, async move { services.bookings.hold(&caller, key, ask).await });
            }
            Command::ExtendHold => {
                let ((caller, key), hold) = (change()?, parse::data::<HoldRef>(data)?);
                self.start(id, async move { services.bookings.extend_hold(&caller, key, hold).await });
            }
            Command::ReleaseHold => {
                let ((caller, key), hold) = (change()?, parse::data::<HoldRef>(data)?);
                self.start(id, async move { services.bookings.release_hold(&caller, key, hold).await });
            }
            Command::Book => {
                let ((caller, key), hold) = (change()?, parse::data::<BookHold>(data)?);
                self.start(id, async move { services.bookings.book(&caller, key, hold).await });
            }
            Command::Pay => {
                let ((caller, key), pay) = (change()?, parse::data::<Pay>(data)?);
                self.start(id, async move { services.payments.pay(&caller, key, pay).await });
            }
            Command::Cancel => {
                let ((caller, key), booking) = (change()?, parse::data::<BookingRef>(data)?);
                self.start(id, async move { services.stays.cancel(&caller, key, booking).await });
            }
            Command::SendMessage => {
                let ((caller, key), SendMessage { booking, text }) = (change()?, parse::data(data)?);
                self.start(id, async move { services.messages.send(&caller, key, booking, rest::SendMessage { text }).await });
            }
            Command::ReadMessages => {
                let (caller, ReadMessages { booking, up_to }) = (self.caller_of(command)?, parse::data(data)?);
                self.start(id, async move { services.messages.mark_read(&caller, booking, rest::ReadMessages { up_to }).await });
            }
            Command::ReadNotifications => {
                let (caller, read) = (self.caller_of(command)?, parse::data::<rest::ReadNotifications>(data)?);
                self.start(id, async move { services.notifications.mark_read(&caller, &read).await });
            }
            Command::Authenticate
            | Command::Refresh
            | Command::Subscribe
            | Command::Unsubscribe
            | Command::Resume
            | Command::Ping
            | Command::WatchSearch
            | Command::UnwatchSearch
            | Command::Typing => {}
        }
        Ok(())
    }

    /// Who asks. A token that has run out since ends the connection, as the sweep would a moment later.
    pub(super) fn caller_of(&self, command: Command) -> Result<Caller, WireError> {
        let caller = self.connection.caller().ok_or_else(|| error::unauthenticated(command))?;
        if caller.expires_at <= self.edge.terms.clock.now() {
            self.connection.close(CloseCode::TokenExpired);
            return Err(error::unauthenticated(command));
        }
        Ok(caller)
    }

    fn start<T, W>(&self, id: u64, work: W)
    where
        T: Serialize,
        W: Future<Output = Result<T, ServiceError>> + Send + 'static,
    {
        let answer = Answer::owed(&self.connection, id);
        tokio::spawn(async move { answer.give(work.await.map_err(WireError::from)) });
    }
}

fn key(envelope: &RawEnvelope<'_>) -> Result<IdempotencyKey, WireError> {
    let key = envelope.key.as_deref().ok_or_else(error::key_required)?;
    IdempotencyKey::new(key).map_err(|_| error::key_required())
}
