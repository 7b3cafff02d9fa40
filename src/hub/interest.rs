//! Which parts of all topics this node has feeds for: what a bus need bring.
//!
//! Topics are spread over a fixed number of channels by their last byte, which is random in the ids of this system.

use std::sync::atomic::{AtomicUsize, Ordering};

use latchkey_protocol::Topic;
use tokio::sync::Notify;

/// How many channels there are. Part of what nodes agree on: with another number they would not hear each other.
pub const CHANNELS: u8 = 128;

/// A part of all topics, below [`CHANNELS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Channel(pub u8);

impl Channel {
    /// Where a topic's events go.
    #[must_use]
    pub const fn of(topic: Topic) -> Self {
        let id = match &topic {
            Topic::Property(id) => id.as_bytes(),
            Topic::User(id) => id.as_bytes(),
            Topic::Booking(id) => id.as_bytes(),
        };
        Self(id[15] % CHANNELS)
    }
}

/// How many feeds each channel has here.
pub struct Interest {
    feeds: [AtomicUsize; CHANNELS as usize],
    changed: Notify,
}

impl Default for Interest {
    fn default() -> Self {
        Self { feeds: [const { AtomicUsize::new(0) }; CHANNELS as usize], changed: Notify::new() }
    }
}

impl Interest {
    pub(super) fn add(&self, topic: Topic) {
        if self.of(topic).fetch_add(1, Ordering::AcqRel) == 0 {
            self.changed.notify_one();
        }
    }

    pub(super) fn remove(&self, topic: Topic) {
        if self.of(topic).fetch_sub(1, Ordering::AcqRel) == 1 {
            self.changed.notify_one();
        }
    }

    /// The channels that have feeds, in order.
    #[must_use]
    pub fn wanted(&self) -> Vec<Channel> {
        (0..CHANNELS).map(Channel).filter(|channel| self.feeds[usize::from(channel.0)].load(Ordering::Acquire) > 0).collect()
    }

    /// Resolves when [`Self::wanted`] may say something else; for one who waits.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    fn of(&self, topic: Topic) -> &AtomicUsize {
        &self.feeds[usize::from(Channel::of(topic).0)]
    }
}
