//! Where a feed learns what it missed: the event table, seen through a trait.
//!
//! `store` implements nothing of this and `hub` knows no table; `app` wires the two. The answers must be durable: what a
//! source tells is pushed to clients, who will not forget it.

use std::borrow::Cow;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use latchkey_protocol::{EpochMs, Seq, Topic};

use super::subscriber::Standing;

/// The most events one [`EventSource::range`] is asked for.
pub const PAGE_EVENTS: u64 = 128;

/// An event as it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Of which topic.
    pub topic: Topic,
    /// Its number there.
    pub seq: Seq,
    /// Its `type` on the wire.
    pub kind: Cow<'static, str>,
    /// When it was decided.
    pub at: EpochMs,
    /// Its `data` on the wire: one JSON value, passed on without being read.
    pub data: Arc<str>,
}

/// For whom a topic ends with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// For nobody.
    None,
    /// For those who follow it as anybody may: a home that was taken back is there for its host alone.
    ForPublic,
    /// For everybody: the home is gone.
    ForAll,
}

impl Ending {
    /// Whether it ends for those who follow it in that quality.
    pub(super) const fn is_for(self, standing: Standing) -> bool {
        match (self, standing) {
            (Self::None, _) | (Self::ForPublic, Standing::Own) => false,
            (Self::ForPublic, Standing::Public) | (Self::ForAll, _) => true,
        }
    }
}

impl StoredEvent {
    /// For whom its topic ends with it: the right to follow it is decided at delivery, too (P8).
    pub(super) fn ending(&self) -> Ending {
        match self.kind.as_ref() {
            "property.unlisted" => Ending::ForPublic,
            "property.deleted" => Ending::ForAll,
            _ => Ending::None,
        }
    }
}

/// The event table could not be read; it may work again later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event table cannot be read: {0}")]
pub struct SourceError(pub String);

/// Reads committed events.
pub trait EventSource: Send + Sync + 'static {
    /// The topic's newest sequence, 0 if it has no events.
    fn head(&self, topic: Topic) -> BoxFuture<'_, Result<Seq, SourceError>>;

    /// The topic's events from `from` to `to`, both included, in order. Those that retention has removed are left out.
    ///
    /// The caller asks for at most [`PAGE_EVENTS`].
    fn range(&self, topic: Topic, from: Seq, to: Seq) -> BoxFuture<'_, Result<Vec<StoredEvent>, SourceError>>;
}
