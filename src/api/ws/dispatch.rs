//! Domain commands: each is given a task of its own, and answered when the service has.
//!
//! A task, because a client that hangs up must cancel nothing half-way, and because commands on different homes need not
//! wait for each other. Their number per connection is bounded by not reading further (`Session::is_ready`).

use std::future::Future;
use std::sync::Arc;

use latchkey_protocol::client::{Command, ReadMessages, SendMessage};
use latchkey_protocol::read::{RawEnvelope, Request};
use latchkey_protocol::{CloseCode, WireError, rest};
use serde::Serialize;

use super::answer::Answer;
use super::error;
use super::session::Session;
use crate::service::{Caller, IdempotencyKey, ServiceError};

impl Session {
    /// Refuses whoever may not give a command at all, or not without a key: they are told so before anything about its data. The session
    /// commands that need a caller have never done so; they look for themselves.
    pub(super) fn admit(&self, command: Command, key: Option<&str>) -> Result<(), WireError> {
        match command {
            Command::Hold
            | Command::ExtendHold
            | Command::ReleaseHold
            | Command::Book
            | Command::Pay
            | Command::Cancel
            | Command::SendMessage => self.may_change(command, key).map(drop),
            Command::ReadMessages | Command::ReadNotifications => self.caller_of(command).map(drop),
            Command::Authenticate
            | Command::Refresh
            | Command::Subscribe
            | Command::Unsubscribe
            | Command::Resume
            | Command::Ping
            | Command::WatchSearch
            | Command::UnwatchSearch
            | Command::Quote
            | Command::Typing => Ok(()),
        }
    }

    /// Starts a domain command. Only those reach this (see `Session::run`), so the others have nothing to do here.
    pub(super) fn dispatch(&self, command: Command, envelope: &RawEnvelope<'_>, request: Request) -> Result<(), WireError> {
        let id = envelope.id;
        let services = Arc::clone(&self.edge.services);
        let change = || self.may_change(command, envelope.key.as_deref());
        match request {
            Request::Quote(ask) => {
                let viewer = self.connection.caller().map(|caller| caller.user);
                self.start(id, async move { services.bookings.quote(viewer, ask).await });
            }
            Request::Hold(ask) => {
                let (caller, key) = change()?;
                self.start(id, async move { services.bookings.hold(&caller, key, ask).await });
            }
            Request::ExtendHold(hold) => {
                let (caller, key) = change()?;
                self.start(id, async move { services.bookings.extend_hold(&caller, key, hold).await });
            }
            Request::ReleaseHold(hold) => {
                let (caller, key) = change()?;
                self.start(id, async move { services.bookings.release_hold(&caller, key, hold).await });
            }
            Request::Book(hold) => {
                let (caller, key) = change()?;
                self.start(id, async move { services.bookings.book(&caller, key, hold).await });
            }
            Request::Pay(pay) => {
                let (caller, key) = change()?;
                self.start(id, async move { services.payments.pay(&caller, key, pay).await });
            }
            Request::Cancel(booking) => {
                let (caller, key) = change()?;
                self.start(id, async move { services.stays.cancel(&caller, key, booking).await });
            }
            Request::SendMessage(SendMessage { booking, text }) => {
                let (caller, key) = change()?;
                self.start(id, async move { services.messages.send(&caller, key, booking, rest::SendMessage { text }).await });
            }
            Request::ReadMessages(ReadMessages { booking, up_to }) => {
                let caller = self.caller_of(command)?;
                self.start(id, async move { services.messages.mark_read(&caller, booking, rest::ReadMessages { up_to }).await });
            }
            Request::ReadNotifications(read) => {
                let caller = self.caller_of(command)?;
                self.start(id, async move { services.notifications.mark_read(&caller, &read).await });
            }
            Request::Authenticate(_)
            | Request::Refresh(_)
            | Request::Subscribe(_)
            | Request::Unsubscribe(_)
            | Request::Resume(_)
            | Request::Ping(_)
            | Request::WatchSearch(_)
            | Request::UnwatchSearch(_)
            | Request::Typing(_) => {}
        }
        Ok(())
    }

    /// Who changes something, and under which key.
    fn may_change(&self, command: Command, key: Option<&str>) -> Result<(Caller, IdempotencyKey), WireError> {
        let caller = self.caller_of(command)?;
        let key = key.and_then(|key| IdempotencyKey::new(key).ok()).ok_or_else(error::key_required)?;
        Ok((caller, key))
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
