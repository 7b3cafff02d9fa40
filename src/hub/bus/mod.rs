//! The way from a commit to the hubs that must hear of it.
//!
//! A bus may lose, repeat or reorder events: feeds drop what they have and fetch what they miss, so a bus only saves time.

mod local;
mod redis;

pub use local::LocalBus;
pub use redis::{OnEvents, RedisBus};

use super::source::StoredEvent;

/// Carries committed events, in commit order, to every hub that may have subscribers for them.
pub trait Bus: Send + Sync + 'static {
    /// Called by the committer's sink after each batch. It must not block.
    fn publish(&self, events: &[StoredEvent]);
}
