//! What a client is told: notices, and the reply that a command is owed, exactly one, whatever becomes of the task that works on it.

use std::sync::Arc;

use latchkey_protocol::server::{Ended, ErrReply, OkReply};
use latchkey_protocol::{Topic, WireError};
use serde::Serialize;

use super::connection::Connection;
use super::error;

impl Connection {
    /// Tells the client that its command was done; `false` if the connection takes no more.
    pub(super) fn reply(&self, id: u64, body: &impl Serialize) -> bool {
        self.send(self.encoding.frame(256, &OkReply { id, ok: body }))
    }

    /// Tells the client that its command was refused.
    pub(super) fn refuse(&self, id: Option<u64>, error: WireError) -> bool {
        self.send(self.encoding.frame(192, &ErrReply { id, error }))
    }

    /// Tells the client something that it did not ask for.
    pub(super) fn notify(&self, name: &'static str, notice: &impl Serialize) -> bool {
        self.send(self.encoding.notice(name, notice))
    }

    /// Tells the client that it follows a topic no longer.
    pub(super) fn tell_end(&self, topic: Topic, error: WireError) -> bool {
        self.notify("ended", &Ended { topic, error })
    }
}

/// A domain command under way. Counted against its connection until it is answered; one that is dropped unanswered (its
/// task panicked) is answered with `internal`.
pub(super) struct Answer {
    connection: Arc<Connection>,
    id: u64,
    is_given: bool,
}

impl Answer {
    pub(super) fn owed(connection: &Arc<Connection>, id: u64) -> Self {
        connection.begin_command();
        Self { connection: Arc::clone(connection), id, is_given: false }
    }

    /// Sends the outcome.
    pub(super) fn give<T: Serialize>(mut self, outcome: Result<T, WireError>) {
        self.is_given = true;
        match outcome {
            Ok(body) => self.connection.reply(self.id, &body),
            Err(error) => self.connection.refuse(Some(self.id), error),
        };
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.is_given {
            self.connection.refuse(Some(self.id), error::unanswered());
        }
        self.connection.end_command();
    }
}
