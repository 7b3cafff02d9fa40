//! The way from a commit to the hubs that must hear of it.
//!
//! A bus may lose, repeat or reorder events: feeds drop what they have and fetch what they miss, so a bus only saves time.

mod local;
mod redis;

pub use local::LocalBus;
pub use redis::{Message, OnMessage, RedisBus};

use latchkey_protocol::SessionId;

use super::source::StoredEvent;

/// Carries committed events, in commit order, to every hub that may have subscribers for them.
pub trait Bus: Send + Sync + 'static {
    /// Called by the committer's sink after each batch. It must not block.
    fn publish(&self, events: &[StoredEvent]);

    /// Tells every other node that a session has ended before its time. It must not block.
    fn end_session(&self, session: SessionId);
}
