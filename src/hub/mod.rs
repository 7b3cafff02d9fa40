//! Live topics: every committed event to everyone who watches its topic, in order, once (P4).
//!
//! `publish` is called with events in commit order; `attach` begins where a snapshot or an earlier connection ended. The hub
//! imports nothing of ours but `protocol`: the event table is an [`EventSource`], a connection is a [`Subscriber`], and `app`
//! and `api::ws` bring them. No clock either: `sweep` is told the time.

pub mod bus;
mod catch_up;
mod feed;
pub mod frame;
pub mod interest;
mod pages;
mod presence;
pub mod source;
mod subscriber;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use dashmap::DashMap;
use latchkey_protocol::{EpochMs, Seq, Topic};
use tokio::runtime::Handle;
use tokio::time::Instant;

use self::feed::{Entry, Feed, FeedLimits};
pub use self::frame::EventFrame;
use self::interest::Interest;
use self::presence::Presence;
pub use self::source::{EventSource, SourceError, StoredEvent};
pub use self::subscriber::{Standing, Subscriber, SubscriberId, Viewer};

/// Bounds of the hub's memory and work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HubLimits {
    /// Most frames a feed keeps for those who come back.
    pub ring_frames: usize,
    /// Most bytes of them.
    pub ring_bytes: usize,
    /// Most events replayed to one subscriber; beyond, a fresh snapshot is cheaper for both sides.
    pub resume_events: u64,
    /// Most feeds at once, watched or idle.
    pub max_feeds: usize,
    /// How long a feed stays without a watcher, in milliseconds.
    pub feed_idle_ms: EpochMs,
    /// How long to wait before a gap that could not be read is read again; doubled each time.
    pub first_retry_delay: Duration,
}

impl Default for HubLimits {
    fn default() -> Self {
        Self {
            ring_frames: 256,
            ring_bytes: 64 * 1024,
            resume_events: 4096,
            max_feeds: 100_000,
            feed_idle_ms: 120_000,
            first_retry_delay: Duration::from_millis(50),
        }
    }
}

/// A subscriber follows the topic now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attached {
    /// Everything up to here was delivered or seen before; later events follow.
    pub head: Seq,
}

/// Why a subscriber does not follow a topic. Each leaves it detached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    /// The events after `after` are gone, or too many to send: it needs a snapshot.
    #[error("events after {after} are out of reach (head {head})")]
    TooOld {
        /// The last one the subscriber has seen.
        after: Seq,
        /// The newest one.
        head: Seq,
    },
    /// The topic has never had event `after`: the subscriber has another history and needs a snapshot.
    #[error("event {after} is above the head {head}")]
    AboveHead {
        /// The last one the subscriber claims to have seen.
        after: Seq,
        /// The newest one.
        head: Seq,
    },
    /// Nothing ever happened there, though a property's life begins with an event: there is no such property.
    #[error("no such topic")]
    Unknown,
    /// There are as many feeds as there may be.
    #[error("too many feeds")]
    Full,
    /// The event table cannot be read now.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The feed was given up while attaching, because a gap could not be read.
    #[error("the feed was given up")]
    Lost,
    /// The subscriber wants no more frames.
    #[error("the subscriber is gone")]
    Gone,
}

/// All feeds of this node.
pub struct Hub {
    inner: Arc<Inner>,
}

struct Inner {
    feeds: DashMap<Topic, Arc<Feed>>,
    source: Arc<dyn EventSource>,
    limits: HubLimits,
    /// Who looks at which homes has changed.
    presence: Presence,
    interest: Interest,
    /// After this nothing private is delivered; if it was never said, there is nobody to hear of.
    trusted_until: RwLock<Option<Instant>>,
    /// Where gaps are read; publishers may live on threads of another runtime.
    runtime: Handle,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("feeds", &self.feeds()).finish_non_exhaustive()
    }
}

impl Hub {
    /// An empty hub that reads what it misses from `source`, in tasks on `runtime`.
    #[must_use]
    pub fn new(source: Arc<dyn EventSource>, limits: HubLimits, runtime: Handle) -> Self {
        Self {
            inner: Arc::new(Inner {
                feeds: DashMap::new(),
                source,
                limits,
                presence: Presence::default(),
                interest: Interest::default(),
                trusted_until: RwLock::new(None),
                runtime,
            }),
        }
    }

    /// Pushes committed events to those who watch. Events of one topic come in commit order; repeats and gaps are borne.
    ///
    /// Encodes an event once, and only if its topic is watched. Never waits.
    pub fn publish(&self, events: &[StoredEvent]) {
        for event in events {
            let Some(feed) = self.inner.known(event.topic) else { continue };
            if self.inner.note_if_withheld(&feed, event.seq) {
                continue;
            }
            let entry = Entry::of(event);
            let is_behind = feed.state().publish(event.seq, &entry);
            if entry.ends_for(Standing::Public) {
                self.inner.presence.note(event.topic);
            }
            if is_behind {
                self.inner.start_fill(&feed);
            }
        }
    }

    /// Learns that an event was committed elsewhere: whoever watches its topic is given it, and all before it that is missing, from the source.
    pub fn hear_of(&self, topic: Topic, seq: Seq) {
        let Some(feed) = self.inner.known(topic) else { return };
        if !self.inner.note_if_withheld(&feed, seq) {
            self.inner.hear_of(&feed, seq);
        }
    }

    /// From now on private topics are trusted to this hub only until an instant, or a later one that is named in time: after it nothing of them is
    /// delivered, and nobody is attached to one. What was published meanwhile is delivered when it is trusted again. For a node that must hear of
    /// others to know whether those who watch still may (P8); an instant and no order, so that a process that was stopped wakes up to it (one whose whole machine
    /// was asleep has not felt that time, and may go on for what was left of the second).
    pub fn trust(&self, until: Instant) {
        let before = self.inner.trusted_until.write().unwrap_or_else(PoisonError::into_inner).replace(until);
        if before.is_none_or(|before| Instant::now() < before) {
            return;
        }
        // Copied out: a fill looks its feed up in the map.
        let feeds: Vec<Arc<Feed>> = self.inner.feeds.iter().map(|feed| Arc::clone(&feed)).collect();
        for feed in feeds {
            self.inner.hear_of(&feed, 0);
        }
    }

    /// Makes `subscriber` follow `topic` from event `after + 1` on: what it missed is delivered first, then what comes, until an event with
    /// which the topic ends for those of its standing. One among those that it missed ends nothing, for it may be followed by the
    /// opposite: whoever authorised the subscriber looks again afterwards.
    ///
    /// Dropping the future may leave the subscriber attached; `detach` afterwards is always safe.
    ///
    /// # Errors
    /// `TooOld` and `AboveHead` ask for a snapshot; `Full`, `Source` and `Lost` may pass; `Gone` is the subscriber's own word. Part
    /// of what was missed may have been delivered by then.
    pub async fn attach(
        &self,
        topic: Topic,
        subscriber: &Arc<dyn Subscriber>,
        after: Seq,
        standing: Standing,
    ) -> Result<Attached, AttachError> {
        self.inner.check_trust(topic)?;
        let feed = self.inner.feed(topic)?;
        let loaded = self.inner.load(&feed).await;
        if loaded == Err(AttachError::Unknown) {
            // Nobody can be attached to it. Whoever else waits for its head holds it, asks again, and forgets it in turn.
            self.inner.forget(topic, |known| Arc::ptr_eq(known, &feed) && Arc::strong_count(known) == 2);
        }
        loaded?;
        let attached = self.inner.bring_up(&feed, subscriber, after, standing).await?;
        self.inner.presence.note(topic);
        Ok(attached)
    }

    /// Stops delivering `topic` to a subscriber. When this returns, nothing more of it will be delivered.
    pub fn detach(&self, topic: Topic, subscriber: SubscriberId) {
        if let Some(feed) = self.inner.known(topic) {
            feed.state().detach(subscriber);
            self.inner.presence.note(topic);
        }
    }

    /// Whether a topic is being delivered to a subscriber.
    #[must_use]
    pub fn is_attached(&self, topic: Topic, subscriber: SubscriberId) -> bool {
        self.inner.known(topic).is_some_and(|feed| feed.state().is_attached(subscriber))
    }

    /// The newest event of a topic that was delivered to a subscriber, or that it had seen before; nothing if it is not attached.
    #[must_use]
    pub fn head_of(&self, topic: Topic, subscriber: SubscriberId) -> Option<Seq> {
        self.inner.known(topic)?.state().head_of(subscriber)
    }

    /// Forgets feeds that nobody has watched for a while, and what was read for those who came back. Called every few seconds.
    pub fn sweep(&self, now: EpochMs) {
        let idle_ms = self.inner.limits.feed_idle_ms;
        // Under the map's lock nobody can obtain a feed, and a count of one says that nobody holds it.
        self.inner.feeds.retain(|topic, feed| {
            feed.pages.forget();
            let stays = Arc::strong_count(feed) > 1 || !feed.is_idle(now, idle_ms);
            if !stays {
                self.inner.interest.remove(*topic);
            }
            stays
        });
        metrics::gauge!("latchkey_hub_feeds").set(self.feeds() as f64);
    }

    /// What it has feeds for.
    #[must_use]
    pub fn interest(&self) -> &Interest {
        &self.inner.interest
    }

    /// How many topics have a feed.
    #[must_use]
    pub fn feeds(&self) -> usize {
        self.inner.feeds.len()
    }
}

impl Inner {
    /// Only remembers that there is such an event, if its topic is withheld.
    fn note_if_withheld(self: &Arc<Self>, feed: &Arc<Feed>, seq: Seq) -> bool {
        let is_withheld = self.withholds(feed.topic);
        if is_withheld {
            feed.state().note(seq);
            // It may have ended since: whoever ended it may have passed this feed before the note.
            if !self.withholds(feed.topic) {
                self.hear_of(feed, seq);
            }
        }
        is_withheld
    }

    fn hear_of(self: &Arc<Self>, feed: &Arc<Feed>, seq: Seq) {
        let is_behind = feed.state().hear_of(seq);
        if is_behind {
            self.start_fill(feed);
        }
    }

    fn withholds(&self, topic: Topic) -> bool {
        let until = || *self.trusted_until.read().unwrap_or_else(PoisonError::into_inner);
        !matches!(topic, Topic::Property(_)) && until().is_some_and(|until| Instant::now() >= until)
    }

    fn check_trust(&self, topic: Topic) -> Result<(), AttachError> {
        if self.withholds(topic) {
            return Err(AttachError::Source(SourceError("this node does not hear of the others".to_owned())));
        }
        Ok(())
    }

    fn known(&self, topic: Topic) -> Option<Arc<Feed>> {
        self.feeds.get(&topic).map(|feed| Arc::clone(&feed))
    }

    /// The topic's feed, installed as *loading* if there was none: from here on it misses no publish.
    fn feed(&self, topic: Topic) -> Result<Arc<Feed>, AttachError> {
        if let Some(feed) = self.known(topic) {
            return Ok(feed);
        }
        // A few more than that may slip in at once.
        if self.feeds.len() >= self.limits.max_feeds {
            return Err(AttachError::Full);
        }
        let limits = FeedLimits { ring_frames: self.limits.ring_frames, ring_bytes: self.limits.ring_bytes };
        let install = || {
            self.interest.add(topic);
            Arc::new(Feed::new(topic, limits))
        };
        Ok(Arc::clone(&self.feeds.entry(topic).or_insert_with(install)))
    }

    /// Removes a feed, if it is the one that is meant.
    fn forget(&self, topic: Topic, is_meant: impl FnOnce(&Arc<Feed>) -> bool) {
        if self.feeds.remove_if(&topic, |_, known| is_meant(known)).is_some() {
            self.interest.remove(topic);
        }
    }
}
