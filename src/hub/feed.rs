//! One topic while somebody watches it: head, recent frames, subscribers.
//!
//! Invariant: `ring` ends at `head` and has no gaps, and every attached subscriber was given everything after its own
//! starting point up to `head`, once and in order. All of it is decided here, under one short lock and without waiting; the
//! reads that a gap needs are made by `catch_up`, which hands the result back in.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchkey_protocol::{EpochMs, Seq, Topic};
use tokio::sync::OnceCell;

use super::frame::EventFrame;
use super::pages::Pages;
use super::presence;
use super::source::{Ending, PAGE_EVENTS, StoredEvent};
use super::subscriber::{Standing, Subscriber, SubscriberId};

/// Bounds of one feed's memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct FeedLimits {
    /// Most frames kept for those who come back.
    pub(super) ring_frames: usize,
    /// Most bytes kept for those who come back.
    pub(super) ring_bytes: usize,
}

/// An event on its way into a feed.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    frame: EventFrame,
    ending: Ending,
}

impl Entry {
    /// Of this event, encoded.
    pub(super) fn of(event: &StoredEvent) -> Self {
        Self { frame: EventFrame::of(event), ending: event.ending() }
    }

    /// Whether its topic ends with it for those of that standing.
    pub(super) const fn ends_for(&self, standing: Standing) -> bool {
        self.ending.is_for(standing)
    }
}

/// A topic's feed and whether its head has been read.
pub(super) struct Feed {
    pub(super) topic: Topic,
    /// Set once the head is read. Of several who need it one reads, the others wait; a failure lets the next one try.
    pub(super) loaded: OnceCell<()>,
    /// Read for those who were away for longer than the ring reaches.
    pub(super) pages: Pages,
    state: Mutex<FeedState>,
}

impl Feed {
    pub(super) fn new(topic: Topic, limits: FeedLimits) -> Self {
        Self { topic, loaded: OnceCell::new(), pages: Pages::default(), state: Mutex::new(FeedState::new(topic, limits)) }
    }

    /// The state, for a moment. A panic under the lock leaves nothing half done that the next holder could not bear.
    pub(super) fn state(&self) -> MutexGuard<'_, FeedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody has watched for `idle_ms`. A feed that is locked this very moment is in use.
    pub(super) fn is_idle(&self, now: EpochMs, idle_ms: EpochMs) -> bool {
        self.state.try_lock().is_ok_and(|mut state| state.is_idle(now, idle_ms))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The head is not known yet; what is published waits.
    Loading,
    /// `head` is the newest event we heard of.
    Live,
    /// Events between `head` and `newest` are being read; what is published waits.
    Filling,
    /// Given up: the missing events could not be read.
    Lost,
}

pub(super) struct Attachment {
    id: SubscriberId,
    /// Has everything up to here from elsewhere (its snapshot may be newer than the feed's head).
    after: Seq,
    pub(super) standing: Standing,
    pub(super) subscriber: Arc<dyn Subscriber>,
    /// How many viewers it was told of, or knows of by itself.
    pub(super) viewers: u32,
}

/// What an attempt to attach found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Join {
    /// Attached; everything up to here was delivered.
    Joined(Seq),
    /// The ring does not reach back far enough: these must be read and delivered first.
    Behind { from: Seq, to: Seq, head: Seq },
    /// The subscriber has seen more than the feed has heard of.
    Ahead,
    /// The subscriber wants no more.
    Gone,
    /// The feed has given up.
    Lost,
}

pub(super) struct FeedState {
    pub(super) topic: Topic,
    limits: FeedLimits,
    phase: Phase,
    head: Seq,
    /// The newest sequence known to be committed; above `head` only while something is missing.
    newest: Seq,
    /// The frames of `head - ring.len() + 1 ..= head`.
    ring: VecDeque<EventFrame>,
    /// As JSON; what somebody wanted as MessagePack is a little less, again.
    ring_bytes: usize,
    /// Published, but not yet in turn. Bounded like the ring: what does not fit is read from the source later.
    waiting: BTreeMap<Seq, Entry>,
    waiting_bytes: usize,
    /// In order of id, so that one of thousands is found quickly.
    pub(super) attached: Vec<Attachment>,
    /// How many viewers were told of last.
    pub(super) viewers: u32,
    idle_since: Option<EpochMs>,
}

impl FeedState {
    const fn new(topic: Topic, limits: FeedLimits) -> Self {
        Self {
            topic,
            limits,
            phase: Phase::Loading,
            head: 0,
            newest: 0,
            ring: VecDeque::new(),
            ring_bytes: 0,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            attached: Vec::new(),
            viewers: 0,
            idle_since: None,
        }
    }

    /// Takes a published event. `true`: something before it is missing, and the caller must start a fill.
    #[must_use]
    pub(super) fn publish(&mut self, seq: Seq, entry: &Entry) -> bool {
        match self.phase {
            Phase::Lost => false,
            Phase::Live if seq <= self.head => false,
            Phase::Live if seq == self.head + 1 => {
                self.newest = seq;
                self.accept(entry.clone());
                false
            }
            Phase::Live => {
                self.wait(seq, entry);
                self.phase = Phase::Filling;
                true
            }
            Phase::Loading => {
                self.wait(seq, entry);
                false
            }
            Phase::Filling => {
                self.wait(seq, entry);
                self.take_waiting();
                false
            }
        }
    }

    /// Learns the head. `true`: the caller must start a fill.
    #[must_use]
    pub(super) fn load(&mut self, head: Seq) -> bool {
        self.head = head;
        self.newest = self.newest.max(head);
        self.phase = Phase::Live;
        self.take_waiting();
        self.fill_if_behind()
    }

    /// Learns that `seq` is committed, though it was not published here. `true`: the caller must start a fill.
    #[must_use]
    pub(super) fn hear_of(&mut self, seq: Seq) -> bool {
        self.newest = self.newest.max(seq);
        self.phase == Phase::Live && self.fill_if_behind()
    }

    /// Learns that `seq` is committed, and does nothing about it: see [`super::Hub::trust`].
    pub(super) fn note(&mut self, seq: Seq) {
        self.newest = self.newest.max(seq);
    }

    /// Gives a fill up for now; says whether there was one.
    pub(super) fn stand_still(&mut self) -> bool {
        let is_filling = self.phase == Phase::Filling;
        if is_filling {
            self.phase = Phase::Live;
        }
        is_filling
    }

    /// The next range that a fill must read, or nothing if there is none left.
    pub(super) fn next_gap(&mut self) -> Option<(Seq, Seq)> {
        if self.phase != Phase::Filling {
            return None;
        }
        self.take_waiting();
        if self.head >= self.newest {
            self.phase = Phase::Live;
            return None;
        }
        let from = self.head + 1;
        let before_waiting = self.waiting.first_key_value().map_or(self.newest, |(seq, _)| seq - 1);
        Some((from, before_waiting.min(self.head + PAGE_EVENTS)))
    }

    /// Takes what a fill has read, in order; says whether it brought the feed forward.
    pub(super) fn fill(&mut self, entries: Vec<(Seq, Entry)>) -> bool {
        let before = self.head;
        for (seq, entry) in entries {
            if seq == self.head + 1 && self.phase != Phase::Lost {
                self.newest = self.newest.max(seq);
                self.accept(entry);
            }
        }
        self.head > before
    }

    /// Gives up, and hands out those who must hear of it.
    pub(super) fn lose(&mut self) -> Vec<Arc<dyn Subscriber>> {
        self.phase = Phase::Lost;
        self.waiting.clear();
        self.attached.drain(..).map(|attachment| attachment.subscriber).collect()
    }

    /// Attaches a subscriber that has seen everything up to `after`, if the ring can give it the rest.
    pub(super) fn join(&mut self, subscriber: &Arc<dyn Subscriber>, after: Seq, standing: Standing) -> Join {
        if self.phase == Phase::Lost {
            return Join::Lost;
        }
        if after > self.head {
            return Join::Ahead;
        }
        let missing = self.head - after;
        if missing > self.ring.len() as u64 {
            let to = (after + PAGE_EVENTS).min(self.head - self.ring.len() as u64);
            return Join::Behind { from: after + 1, to, head: self.head };
        }
        // Cannot truncate: at most the ring's length, which is a usize.
        let skip = self.ring.len() - usize::try_from(missing).unwrap_or(self.ring.len());
        let (older, newer) = self.ring.as_slices();
        let older_part = older.get(skip..).unwrap_or_default();
        let newer_part = &newer[skip.saturating_sub(older.len())..];
        for part in [older_part, newer_part] {
            if !part.is_empty() && !subscriber.deliver(self.topic, part) {
                return Join::Gone;
            }
        }
        self.attach(subscriber, self.head, standing);
        Join::Joined(self.head)
    }

    /// Attaches a subscriber whose snapshot is newer than the head; it gets what comes after `after`.
    pub(super) fn join_ahead(&mut self, subscriber: &Arc<dyn Subscriber>, after: Seq, standing: Standing) -> Join {
        if self.phase == Phase::Lost || after <= self.head {
            return self.join(subscriber, after, standing);
        }
        self.attach(subscriber, after, standing);
        Join::Joined(after)
    }

    fn attach(&mut self, subscriber: &Arc<dyn Subscriber>, after: Seq, standing: Standing) {
        let id = subscriber.id();
        let attachment = Attachment { id, after, standing, subscriber: Arc::clone(subscriber), viewers: presence::known_to(standing) };
        self.idle_since = None;
        match self.attached.binary_search_by_key(&id, |other| other.id) {
            Ok(at) => self.attached[at] = attachment,
            Err(at) => {
                if self.attached.is_empty() {
                    // Inboxes have one watcher; there are as many inboxes as connections.
                    self.attached.reserve_exact(1);
                }
                self.attached.insert(at, attachment);
            }
        }
    }

    /// Forgets a subscriber, if it is known.
    pub(super) fn detach(&mut self, id: SubscriberId) {
        if let Ok(at) = self.attached.binary_search_by_key(&id, |other| other.id) {
            self.attached.remove(at);
        }
    }

    /// The newest event that an attached subscriber was given, or has seen elsewhere.
    pub(super) fn head_of(&self, id: SubscriberId) -> Option<Seq> {
        let at = self.attached.binary_search_by_key(&id, |other| other.id).ok()?;
        Some(self.head.max(self.attached[at].after))
    }

    /// Whether a subscriber is attached.
    pub(super) fn is_attached(&self, id: SubscriberId) -> bool {
        self.attached.binary_search_by_key(&id, |other| other.id).is_ok()
    }

    fn is_idle(&mut self, now: EpochMs, idle_ms: EpochMs) -> bool {
        if !self.attached.is_empty() {
            self.idle_since = None;
            return false;
        }
        now - *self.idle_since.get_or_insert(now) >= idle_ms
    }

    fn fill_if_behind(&mut self) -> bool {
        let behind = self.head < self.newest;
        if behind {
            self.phase = Phase::Filling;
        }
        behind
    }

    /// Puts an event aside until its turn, if there is room.
    fn wait(&mut self, seq: Seq, entry: &Entry) {
        self.newest = self.newest.max(seq);
        let has_room =
            self.waiting.len() < self.limits.ring_frames && self.waiting_bytes + entry.frame.text().len() <= self.limits.ring_bytes;
        if has_room && self.waiting.insert(seq, entry.clone()).is_none() {
            self.waiting_bytes += entry.frame.text().len();
        }
    }

    /// Accepts the waiting events whose turn it is, and drops those whose turn has passed.
    fn take_waiting(&mut self) {
        while let Some(entry) = self.waiting.first_entry() {
            if *entry.key() > self.head + 1 {
                break;
            }
            let is_next = *entry.key() == self.head + 1;
            let entry = entry.remove();
            self.waiting_bytes -= entry.frame.text().len();
            if is_next {
                self.accept(entry);
            }
        }
    }

    /// The one place where the head moves: this is event `head + 1`. Those for whom the topic ends with it hear it, and nothing after it.
    fn accept(&mut self, Entry { frame, ending }: Entry) {
        self.head += 1;
        let (topic, seq) = (self.topic, self.head);
        // Into the ring first: should a delivery panic, the ring still ends at the head.
        self.ring_bytes += frame.text().len();
        self.ring.push_back(frame.clone());
        let frames = std::slice::from_ref(&frame);
        self.attached.retain(|attachment| {
            if attachment.after >= seq {
                return true;
            }
            let goes_on = attachment.subscriber.deliver(topic, frames);
            let has_ended = goes_on && ending.is_for(attachment.standing);
            if has_ended {
                attachment.subscriber.ended(topic);
            }
            goes_on && !has_ended
        });
        while self.ring.len() > self.limits.ring_frames || self.ring_bytes > self.limits.ring_bytes {
            let Some(oldest) = self.ring.pop_front() else { break };
            self.ring_bytes -= oldest.text().len();
        }
    }
}
