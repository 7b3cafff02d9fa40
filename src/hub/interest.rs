//! Which parts of all topics this node has feeds for: what a bus need bring.
//!
//! Topics are spread over a fixed number of channels by their last byte, which is random in the ids of this system. Homes have channels of their own: every
//! node follows them all, for its search; of inboxes and bookings it needs what somebody watches here.

use std::sync::atomic::{AtomicUsize, Ordering};

use latchkey_protocol::Topic;
use tokio::sync::Notify;

/// How many channels there are of either kind. Part of what nodes agree on: with another number they would not hear each other.
pub const CHANNELS: u8 = 128;

/// A part of all topics, by its number below [`CHANNELS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// Of homes.
    Homes(u8),
    /// Of inboxes and bookings.
    Private(u8),
}

impl Channel {
    /// Where a topic's events go.
    #[must_use]
    pub const fn of(topic: Topic) -> Self {
        match &topic {
            Topic::Property(id) => Self::Homes(id.as_bytes()[15] % CHANNELS),
            Topic::User(id) => Self::Private(id.as_bytes()[15] % CHANNELS),
            Topic::Booking(id) => Self::Private(id.as_bytes()[15] % CHANNELS),
        }
    }
}

/// How many feeds each channel of inboxes and bookings has here.
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
        if self.of(topic).is_some_and(|feeds| feeds.fetch_add(1, Ordering::AcqRel) == 0) {
            self.changed.notify_one();
        }
    }

    pub(super) fn remove(&self, topic: Topic) {
        if self.of(topic).is_some_and(|feeds| feeds.fetch_sub(1, Ordering::AcqRel) == 1) {
            self.changed.notify_one();
        }
    }

    /// Every channel of homes, and those of inboxes and bookings that have feeds.
    #[must_use]
    pub fn wanted(&self) -> Vec<Channel> {
        let private = (0..CHANNELS).filter(|number| self.feeds[usize::from(*number)].load(Ordering::Acquire) > 0).map(Channel::Private);
        (0..CHANNELS).map(Channel::Homes).chain(private).collect()
    }

    /// Resolves when [`Self::wanted`] may say something else; for one who waits.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    fn of(&self, topic: Topic) -> Option<&AtomicUsize> {
        match Channel::of(topic) {
            Channel::Homes(_) => None,
            Channel::Private(number) => Some(&self.feeds[usize::from(number)]),
        }
    }
}
