//! The reply that a command is owed: exactly one, whatever becomes of the task that works on it.

use std::sync::Arc;

use bytes::Bytes;
use latchkey_protocol::server::{Ended, ErrReply, Heartbeat, OkReply, TokenExpiring};
use latchkey_protocol::{EpochMs, Topic, WireError};
use serde::Serialize;

use super::connection::Connection;
use super::error;
use super::registry::write_json;
use crate::hub::frame;

/// The frame of a success.
pub(super) fn ok(id: u64, body: &impl Serialize) -> Bytes {
    frame::text(256, |buffer| write_json(buffer, &OkReply { id, ok: body }))
}

/// The frame of a refusal.
pub(super) fn refusal(id: Option<u64>, error: WireError) -> Bytes {
    frame::text(192, |buffer| write_json(buffer, &ErrReply { id, error }))
}

/// The frame that says that a topic is followed no longer.
pub(super) fn ended(topic: Topic, error: WireError) -> Bytes {
    #[derive(Serialize)]
    struct Notice {
        ended: Ended,
    }
    frame::text(192, |buffer| write_json(buffer, &Notice { ended: Ended { topic, error } }))
}

/// The frame that says where the followed topics are.
pub(super) fn heartbeat(heartbeat: Heartbeat) -> Bytes {
    #[derive(Serialize)]
    struct Notice {
        heartbeat: Heartbeat,
    }
    frame::text(64 + 64 * heartbeat.heads.len(), |buffer| write_json(buffer, &Notice { heartbeat }))
}

/// The frame that says that the token ends soon.
pub(super) fn token_expiring(expires_at: EpochMs) -> Bytes {
    #[derive(Serialize)]
    struct Notice {
        token_expiring: TokenExpiring,
    }
    frame::text(64, |buffer| write_json(buffer, &Notice { token_expiring: TokenExpiring { expires_at } }))
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
        self.connection.send(match outcome {
            Ok(body) => ok(self.id, &body),
            Err(error) => refusal(Some(self.id), error),
        });
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.is_given {
            self.connection.send(refusal(Some(self.id), error::unanswered()));
        }
        self.connection.end_command();
    }
}
