//! Sessions that ended before their time, until their last access token has ended by itself.

use dashmap::DashMap;
use latchkey_protocol::{EpochMs, SessionId};

use super::Accounts;
use crate::domain::Timestamp;
use crate::service::tokens::ACCESS_TTL_MS;
use crate::service::{Caller, ServiceError};

/// How far the clocks of two nodes may be apart, in milliseconds.
const CLOCKS_APART_MS: i64 = 60_000;

/// Which node has ended a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedAt {
    /// This one: the others may be told.
    Here,
    /// Another one.
    Elsewhere,
    /// Nobody knows yet whether it has ended.
    Perhaps,
}

/// Told of sessions that end before their time, so that their sockets are closed.
pub type OnRevoked = Box<dyn Fn(SessionId, EndedAt) + Send + Sync>;

/// What is known of them on this node.
pub(super) struct Revocations {
    until: DashMap<SessionId, EpochMs>,
    on_revoked: OnRevoked,
}

impl Revocations {
    pub(super) fn new(on_revoked: OnRevoked) -> Self {
        Self { until: DashMap::new(), on_revoked }
    }

    /// Refuses their tokens until then, and closes their sockets.
    pub(super) fn end(&self, sessions: &[SessionId], until: Timestamp, at: EndedAt) {
        for session in sessions {
            // Refused first: a socket that authenticates in between is closed with the others.
            self.until.insert(*session, until.epoch_ms());
            (self.on_revoked)(*session, at);
        }
    }

    pub(super) fn sweep(&self, now: EpochMs) {
        self.until.retain(|_, until| now < *until);
    }
}

impl Accounts {
    /// Who an access token speaks for.
    ///
    /// # Errors
    /// `Unauthenticated`.
    pub fn authenticate(&self, token: &str) -> Result<Caller, ServiceError> {
        let caller = self.tokens.verify(token, self.clock.now())?;
        if self.revocations.until.contains_key(&caller.session) {
            return Err(ServiceError::Unauthenticated("the session has ended"));
        }
        Ok(caller)
    }

    /// A session was ended by another node: no token of it is honoured here any more, and its sockets are closed.
    pub fn ended_elsewhere(&self, session: SessionId) {
        // As long as the token that was given out last, perhaps a moment ago, perhaps by a clock that goes ahead of this one.
        self.revocations.end(&[session], self.now().plus_ms(ACCESS_TTL_MS + CLOCKS_APART_MS), EndedAt::Elsewhere);
    }

    /// Reads the sessions that have been revoked, at start.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn restore(&self) -> Result<(), ServiceError> {
        for (session, until) in self.store.revocations(self.now()).await? {
            self.revocations.until.insert(session, until.epoch_ms());
        }
        Ok(())
    }
}
